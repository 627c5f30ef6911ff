import { NAMES, parseName } from '../codes/names.js';
import { day, instant, latest, localTime, yearsBefore } from '../core/dates.js';
import { coding, hl7, SYSTEM } from '../core/fhir.js';
import { MEMBER_SYSTEM, MRN_SYSTEM } from '../core/identity.js';
import type { JsonObject } from '../core/json.js';
import { organizationRef, practitionerRef } from '../directory.js';
import { primaryOf, type Person } from '../person.js';
import type { Relationship } from '../roster.js';
import type { Chart, Reference } from './chart.js';

export const emailOf = (person: Person): string => `${person.given.latin}.${person.family.latin}@example.org`;
export const usernameOf = (person: Person): string | undefined =>
  person.slot.portal ? `${person.given.latin}.${person.family.latin}` : undefined;

/** Who the patient is, who pays, who speaks for them, who looks after them. */
export function recordRegistration(chart: Chart): void {
  const { person } = chart;
  const at = registeredAt(person);
  const patient = chart.add({ type: 'Patient', at, profile: 'patient', body: patientBody(person) });
  const relatives = recordRelatives(chart, at);
  recordCoverage(chart, at, relatives[0]);
  recordCareTeam(chart, at, relatives);
  recordProvenance(chart, at, [patient]);
}

/** Who wrote it, and that it came through the hospital's feed. */
export function recordProvenance(chart: Chart, at: Date, target: Reference[]): void {
  const { person } = chart;
  const type = (system: string, code: string, display: string): JsonObject => ({
    coding: [coding([system, code, display])],
  });
  chart.add({
    type: 'Provenance',
    at,
    profile: 'provenance',
    body: {
      target,
      recorded: instant(at),
      agent: [
        {
          type: type('http://terminology.hl7.org/CodeSystem/provenance-participant-type', 'author', 'Author'),
          who: practitionerRef(primaryOf(person)),
          onBehalfOf: organizationRef('hospital'),
        },
        {
          type: type(
            'http://hl7.org/fhir/us/core/CodeSystem/us-core-provenance-participant-type',
            'transmitter',
            'Transmitter',
          ),
          who: organizationRef('hospital'),
        },
      ],
    },
  });
}

const registeredAt = (person: Person): Date => latest(yearsBefore(person.end, 6), person.birth);

function patientBody(person: Person): JsonObject {
  const { slot, mrn, family, given } = person;
  return {
    identifier: [
      {
        use: 'usual',
        type: hl7('v2-0203', 'MR', 'Medical record number'),
        system: MRN_SYSTEM,
        value: mrn,
        assigner: { display: organizationRef('hospital').display },
      },
    ],
    active: true,
    name: [{ use: 'official', family: family.text, given: [given.text] }, ...latinName(person)],
    telecom: [
      { system: 'phone', value: `555-01${String(person.index + 10)}`, use: 'mobile' },
      { system: 'email', value: emailOf(person) },
    ],
    gender: slot.sex,
    birthDate: day(person.birth),
    deceasedDateTime: person.deceased && localTime(person.deceased),
    address: [
      {
        use: 'home',
        line: [`${(person.guardian ?? person).index + 3} Lantern Lane`],
        city: 'Harrowgate Bay',
        state: 'ME',
        postalCode: '00000',
        country: 'US',
      },
    ],
    multipleBirthInteger: slot.birthOrder,
    generalPractitioner: [practitionerRef(primaryOf(person))],
    managingOrganization: organizationRef('hospital'),
  };
}

/** Names in other scripts also carry the form that a front desk without that keyboard uses. */
function latinName({ family, given }: Person): JsonObject[] {
  if (/\p{Script=Latin}/u.test(family.text)) return [];
  const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);
  return [{ use: 'usual', family: capital(family.latin), given: [capital(given.latin)] }];
}

const RELATIONSHIPS: Record<Relationship, readonly [string, string]> = {
  mother: ['MTH', 'mother'],
  father: ['FTH', 'father'],
  son: ['SONC', 'son'],
  daughter: ['DAUC', 'daughter'],
};

function recordRelatives(chart: Chart, at: Date): Reference[] {
  const { person } = chart;
  const { guardian, slot } = person;
  const relationship = slot.guardian?.[1] ?? (slot.age < 18 ? 'mother' : undefined);
  if (!relationship) return [];
  const given = guardian?.given.text ?? motherName(chart);
  return [
    chart.add({
      type: 'RelatedPerson',
      at,
      profile: 'relatedperson',
      body: {
        active: true,
        patient: chart.subject,
        relationship: [hl7('v3-RoleCode', ...RELATIONSHIPS[relationship])],
        name: [{ family: person.family.text, given: [given] }],
        telecom: guardian
          ? [{ system: 'email', value: emailOf(guardian) }]
          : [{ system: 'phone', value: `555-01${String(person.index + 50)}` }],
      },
    }),
  ];
}

function motherName({ person, random }: Chart): string {
  const names: readonly string[] = NAMES[person.slot.origin].female;
  return random.pick(names.map((name) => parseName(name).text).filter((name) => name !== person.given.text));
}

function recordCoverage(chart: Chart, at: Date, relative: Reference | undefined): void {
  const { person } = chart;
  const child = person.slot.age < 18;
  const member = `LMH${person.mrn}`;
  chart.add({
    type: 'Coverage',
    at,
    profile: 'coverage',
    body: {
      identifier: [{ type: hl7('v2-0203', 'MB', 'Member Number'), system: MEMBER_SYSTEM, value: member }],
      status: person.deceased ? 'cancelled' : 'active',
      type: { coding: [coding([SYSTEM.act, 'EHCPOL', 'extended healthcare'])] },
      subscriber: child && relative ? relative : chart.subject,
      subscriberId: member,
      beneficiary: chart.subject,
      relationship: child
        ? hl7('subscriber-relationship', 'child', 'Child')
        : hl7('subscriber-relationship', 'self', 'Self'),
      period: { start: day(at), end: person.deceased && day(person.deceased) },
      payor: [organizationRef('payer')],
    },
  });
}

function recordCareTeam(chart: Chart, at: Date, relatives: Reference[]): void {
  const { person } = chart;
  chart.add({
    type: 'CareTeam',
    at,
    profile: 'careteam',
    body: {
      status: person.deceased ? 'inactive' : 'active',
      name: 'Care team',
      subject: chart.subject,
      period: { start: day(at), end: person.deceased && day(person.deceased) },
      participant: [
        ...person.team.map(({ clinician, start, end }) => ({
          role: [clinicianRole(clinician.practitioner.specialty)],
          member: practitionerRef(clinician),
          period: { start: day(start), end: end && day(end) },
        })),
        ...relatives.map((member) => ({
          role: [{ coding: [coding([SYSTEM.snomed, '133932002', 'Caregiver'])] }],
          member,
        })),
      ],
      managingOrganization: [organizationRef('hospital')],
    },
  });
}

const clinicianRole = (specialty: string): JsonObject => ({
  coding: [
    specialty === 'Nurse practitioner'
      ? coding([SYSTEM.snomed, '224571005', 'Nurse practitioner'])
      : coding([SYSTEM.snomed, '309343006', 'Physician']),
  ],
  text: specialty,
});
