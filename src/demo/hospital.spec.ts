import { createHash } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { makeHospital } from './hospital.js';

const today = new Date('2026-03-02T11:30:00Z');
const hospital = makeHospital({ seed: 7, today });
const sha256 = (value: unknown): string => createHash('sha256').update(JSON.stringify(value)).digest('hex');

/* eslint-disable @typescript-eslint/no-explicit-any -- parsed FHIR is walked by name; its types would say nothing that the assertions do not */
interface Parsed {
  fullUrl: string;
  resource: any;
  request: { method: string; url: string };
}

const entriesOf = (bundle: string): Parsed[] => JSON.parse(bundle).entry;
const directory = entriesOf(hospital.directoryBundle);
const charts = hospital.patients.map((patient) => ({ patient, entries: entriesOf(patient.bundle) }));
const everything = [...directory, ...charts.flatMap(({ entries }) => entries)];
const ofType = (type: string): any[] =>
  everything.map(({ resource }) => resource).filter((r) => r.resourceType === type);

function* strings(value: unknown, key = ''): Generator<[key: string, value: string]> {
  if (typeof value === 'string') yield [key, value];
  else if (value && typeof value === 'object')
    for (const [name, child] of Object.entries(value)) yield* strings(child, Array.isArray(value) ? key : name);
}

describe('the demonstration hospital', () => {
  it('is the same for the same seed and day, whatever the hour', () => {
    const later = new Date('2026-03-02T23:00:00Z');
    expect(sha256(makeHospital({ seed: 7, today: later }))).toBe(sha256(hospital));
  });

  it('differs between seeds', () => {
    expect(sha256(makeHospital({ seed: 8, today }))).not.toBe(sha256(hospital));
  });

  it('keeps ids when the day moves on', () => {
    const ids = (at: Date): string[] =>
      makeHospital({ seed: 7, today: at }).patients.map(({ bundle }) => entriesOf(bundle)[0]!.fullUrl);
    expect(ids(new Date('2026-04-02T00:00:00Z'))).toEqual(ids(today));
  });

  it('staffs every role, and administration twice', () => {
    const count = (role: string): number => hospital.people.filter(({ roles }) => roles.includes(role as never)).length;
    expect(['clinician', 'staff', 'records_officer', 'compliance_officer', 'admin'].map(count)).toEqual([
      6, 1, 1, 1, 2,
    ]);
    expect(new Set(hospital.people.map(({ username }) => username)).size).toBe(hospital.people.length);
  });

  it('has 25 patients, of whom 5 have accounts, one died and two are twins', () => {
    const { patients } = hospital;
    expect(patients).toHaveLength(25);
    expect(patients.filter(({ username }) => username)).toHaveLength(5);
    expect(patients[0]!.username).toBe('maria.gonzalez');
    expect(patients.filter(({ deceasedAt }) => deceasedAt)).toHaveLength(1);
    expect([patients[1]!.family, patients[1]!.birthDate]).toEqual([patients[2]!.family, patients[2]!.birthDate]);
    for (const key of ['mrn', 'email'] as const) expect(new Set(patients.map((p) => p[key])).size).toBe(25);
    expect(patients.some(({ sex }) => sex !== 'female' && sex !== 'male')).toBe(true);
    expect(patients.filter(({ family }) => !/\p{Script=Latin}/u.test(family)).length).toBeGreaterThan(4);
    const staff = new Set(hospital.people.map(({ username }) => username));
    const accounts = new Set(patients.map(({ username }) => username));
    for (const { careTeam, guardians } of patients) {
      expect(careTeam.length).toBeGreaterThan(0);
      expect(careTeam.every(({ username }) => staff.has(username))).toBe(true);
      expect(guardians.every(({ username }) => accounts.has(username))).toBe(true);
    }
  });

  it('fills the charts, adults more than infants', () => {
    expect(everything.length).toBeGreaterThan(2000);
    expect(everything.length).toBeLessThan(3200);
    for (const { patient, entries } of charts) {
      const years = (today.getTime() - Date.parse(patient.birthDate)) / 31_557_600_000;
      expect(entries.length).toBeGreaterThanOrEqual(years < 1 ? 15 : years < 18 ? 40 : 60);
      expect(entries.length).toBeLessThanOrEqual(165);
    }
    const statuses = (type: string): Set<string> => new Set(ofType(type).map(({ status }) => status));
    expect(statuses('Observation')).toEqual(new Set(['final', 'preliminary', 'corrected']));
    expect(statuses('DiagnosticReport')).toEqual(new Set(['final', 'preliminary', 'corrected']));
    expect(ofType('Observation').some(({ valueQuantity: q }) => q?.comparator === '<' && q.value === 5)).toBe(true);
    expect(ofType('Device')).toHaveLength(2);
  });

  it('resolves every reference', () => {
    const identifiers = new Map(
      directory
        .filter(({ resource }) => resource.identifier)
        .map(
          ({
            resource: {
              resourceType,
              identifier: [{ system, value }],
            },
          }) => [`${resourceType}?identifier=${system}|${value}`, true],
        ),
    );
    for (const { entries } of [{ entries: directory }, ...charts]) {
      const urls = new Set(entries.map(({ fullUrl }) => fullUrl));
      for (const { resource } of entries)
        for (const [key, value] of strings(resource))
          if (key === 'reference') expect([value, urls.has(value) || identifiers.has(value)]).toEqual([value, true]);
    }
  });

  it('gives every resource one legal id, one address and one time in the past', () => {
    const keys = everything.map(({ resource: { resourceType, id } }) => `${resourceType}/${id}`);
    expect(new Set(keys).size).toBe(keys.length);
    expect(new Set(everything.map(({ fullUrl }) => fullUrl)).size).toBe(keys.length);
    for (const { fullUrl, resource, request } of everything) {
      expect(resource.id).toMatch(/^[A-Za-z0-9.-]{1,64}$/);
      expect(fullUrl).toMatch(/^urn:uuid:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
      expect(request).toEqual({ method: 'POST', url: resource.resourceType });
      expect(Date.parse(resource.meta.lastUpdated)).toBeLessThan(today.getTime());
    }
  });

  it('lets nothing happen before birth, after death or in the future', () => {
    const happened = new Set([
      'effectiveDateTime',
      'authoredOn',
      'occurrenceDateTime',
      'issued',
      'recorded',
      'authored',
      'recordedDate',
    ]);
    for (const { patient, entries } of charts) {
      const end = Date.parse(patient.deceasedAt ?? today.toISOString());
      for (const { resource } of entries)
        for (const [key, value] of strings(resource)) {
          if (!happened.has(key)) continue;
          expect([resource.id, key, Date.parse(value) >= Date.parse(patient.birthDate)]).toEqual([
            resource.id,
            key,
            true,
          ]);
          expect([resource.id, key, Date.parse(value) <= end]).toEqual([resource.id, key, true]);
        }
    }
  });

  it('keeps the zeros of decimals', () => {
    const text = hospital.patients.map(({ bundle }) => bundle).join('');
    expect(text).toMatch(/"value":\d+\.\d0[,}]/);
    expect(text).toMatch(/"value":\d+\.0[,}]/);
    expect(text).toContain('"value":0.50,');
  });

  it('states the right size and hash of every note', () => {
    const attachments = [
      ...ofType('DocumentReference').flatMap(({ content }) => content),
      ...ofType('DiagnosticReport').flatMap(({ presentedForm = [] }) =>
        presentedForm.map((attachment: any) => ({ attachment })),
      ),
    ];
    expect(attachments.length).toBeGreaterThan(100);
    for (const { attachment } of attachments) {
      const bytes = Buffer.from(attachment.data, 'base64');
      expect(attachment.size).toBe(bytes.length);
      expect(attachment.hash).toBe(createHash('sha1').update(bytes).digest('base64'));
    }
  });
});
