import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { parse } from 'csv-parse/sync';
import { AuditorPool } from '../../src/modules/audit/tree/auditor-pool.js';
import { inspect } from '../../src/fhir/index.js';
import { againstBalp, type AuditEvent } from '../harness/balp.js';
import { again, bundleOf, exported, leavesOf, linesOf, settle, verifierKey, verifyBundle } from '../harness/exports.js';
import { bundleOf as fhirBundle, entryOf, importBundle, patientText, weightText } from '../harness/feed.js';
import { newPatient, openHospital, registered, type Hospital } from '../harness/hospital.js';
import { checkLedger } from '../harness/ledger.js';
import type { Caller } from '../harness/people.js';
import { sha256 } from '../harness/rfc6962.js';

/** What must be nowhere in an export: names, clinical words, secrets, addresses. */
const CANARIES = [
  'Quetzalcoatl',
  'Xochiquetzal',
  'canary-mrn-77',
  'Tezcatlipoca',
  '71.625',
  'canary-agent/1.0',
  '127.0.0.1',
];

let hospital: Hospital;
let officer: Caller;
let files: Map<string, Buffer>;
let disclosing: Map<string, Buffer>;

/** A little of everything: reads, lists, writes, a removal, refusals, failures of strangers, an import. */
async function live(): Promise<void> {
  const { staff, anna, admin, feed, clinician, portal } = hospital;
  const name = { family: 'Quetzalcoatl', given: ['Xochiquetzal'], mrn: 'canary-mrn-77' };
  const { id } = await registered(hospital, name);
  await staff.get(`/v1/patients/${id}`).set('User-Agent', 'canary-agent/1.0').expect(200);
  await staff.get('/v1/patients').query({ limit: 2 }).expect(200);
  await admin.get('/v1/users').expect(200);
  await staff
    .patch(`/v1/patients/${id}`, { given: ['Tezcatlipoca'] })
    .set('If-Match', '"1"')
    .expect(200);
  await staff.post('/v1/patients', newPatient({ sex: 'Tezcatlipoca' })).expect(400);
  await admin.post(`/v1/patients/${id}/invitations`, { email: 'home@home.test' });
  await admin.delete(`/v1/patients/${id}/invitations`).expect(204);
  const { rows } = await portal.owner.query<{ mrn: string; system: string }>(
    'SELECT mrn, mrn_system AS system FROM users.patient WHERE patient_id = $1',
    [anna.patientId],
  );
  const entries = [
    entryOf(patientText('a', rows[0]!.mrn, rows[0]!.system)),
    entryOf(weightText('w', 'Patient/a', '71.625')),
    entryOf(weightText('v', 'Patient/a', '71.625')),
  ];
  await importBundle(feed, fhirBundle('batch', ...entries));
  await clinician.get(`/v1/patients/${anna.patientId}/records`).expect(200);
  await portal.http.post('/v1/auth/login').send({ username: 'Tezcatlipoca', password: randomUUID() }).expect(401);
  await portal.http.get('/v1/nowhere/Tezcatlipoca').expect(404);
  expect((await anna.post('/v1/auth/logout')).ok).toBe(true);
}

beforeAll(async () => {
  hospital = await openHospital();
  await live();
  await settle(hospital.portal);
  officer = await again(hospital.complianceOfficer);
  const formats = ['csv', 'fhir'];
  files = await bundleOf(officer, (await exported(officer, { formats })).id);
  disclosing = await bundleOf(officer, (await exported(officer, { formats, disclosures: true })).id);
});

beforeEach(async () => {
  officer = await again(hospital.complianceOfficer);
});

afterAll(async () => {
  await checkLedger(hospital.portal);
  await hospital.portal.close();
});

const eventsOf = (bundle: Map<string, Buffer>): AuditEvent[] =>
  linesOf(bundle.get('events.fhir.ndjson')).map((line) => JSON.parse(line) as AuditEvent);

/** The value at a JSON pointer (RFC 6901) without escapes, as text. */
const at = (leaf: unknown, pointer: string): string => {
  const steps = pointer.slice(1).split('/');
  const found: unknown = steps.reduce((value, step) => (value as Record<string, unknown> | undefined)?.[step], leaf);
  return typeof found === 'object'
    ? JSON.stringify(found)
    : String((found as string | number | boolean | undefined) ?? '');
};

describe('the table (CSV)', () => {
  it('has in every cell what its leaf says at that pointer, and in the last one the exact leaf', () => {
    const lines = linesOf(files.get('events.ndjson'));
    const [header, ...rows]: string[][] = parse(files.get('events.csv')!, { bom: false });
    expect(header!.at(-1)).toBe('leaf');
    expect(rows.map((row) => row.at(-1))).toEqual(lines);
    const filled = new Set<string>();
    rows.forEach((row, n) => {
      const leaf = JSON.parse(lines[n]!) as unknown;
      header!.slice(0, -1).forEach((pointer, column) => {
        expect([pointer, row[column]]).toEqual([pointer, at(leaf, pointer)]);
        if (row[column] !== '') filled.add(pointer);
      });
    });
    expect(filled.size).toBeGreaterThan(20);
  });

  it('has a column for everything that ASTM E2147 7.1 has recorded', () => {
    const header = files.get('events.csv')!.toString().split('\n')[0]!.split(',');
    const wanted = [
      '/e/t',
      '/e/pat',
      '/e/actor/id',
      '/e/act',
      '/e/sub',
      '/e/res/0/t',
      '/e/res/0/i',
      '/e/cat/0',
      '/e/out',
    ];
    expect(header).toEqual(
      expect.arrayContaining([...wanted, '/e/http/ms', '/e/ses', '/e/purp', '/e/req', '/i', '/n']),
    );
  });
});

describe('FHIR AuditEvents', () => {
  it('are one for each line, legal R4, and each carries its line', () => {
    const lines = linesOf(files.get('events.ndjson'));
    const texts = linesOf(files.get('events.fhir.ndjson'));
    expect(texts).toHaveLength(lines.length);
    texts.forEach((text, n) => {
      expect(inspect(text).findings).toEqual([]);
      const event = JSON.parse(text) as AuditEvent;
      const leaf = event.extension.find(({ url }) => url.endsWith('/audit-leaf'))!;
      expect(Buffer.from(leaf.valueBase64Binary!, 'base64').toString()).toBe(lines[n]);
      const { e, i } = leavesOf([lines[n]!])[0]!;
      const index = event.extension.find(({ url }) => url.endsWith('/audit-leaf-index'))!;
      expect([event.id, index.valueString, event.outcome]).toEqual([e.id, String(i), String(e.out)]);
    });
  });

  it('keep the BALP profile that they name, and name each of them', () => {
    const events = eventsOf(files);
    expect(events.flatMap((event) => againstBalp(event).map((fault) => [event.id, fault]))).toEqual([]);
    const profiles = new Set(events.flatMap(({ meta }) => meta?.profile ?? []).map((url) => url.split('.').at(-1)));
    expect([...profiles].sort()).toEqual(
      expect.arrayContaining([
        'PatientRead',
        'PatientQuery',
        'PatientCreate',
        'PatientUpdate',
        'Query',
        'Update',
        'Read',
      ]),
    );
  });

  it('tell of refusals without a profile, which are for successes', () => {
    const refused = eventsOf(files).filter(({ outcome }) => outcome !== '0');
    expect(refused.length).toBeGreaterThanOrEqual(3);
    for (const { meta, outcome, outcomeDesc } of refused) {
      expect([meta, outcome]).toEqual([undefined, expect.stringMatching(/^[48]$/)]);
      expect(outcomeDesc).toMatch(/^[a-z-]+\.[a-z0-9-]+$/);
    }
  });

  it('tell of sign-ins in the words of DICOM', () => {
    const codes = eventsOf(files)
      .filter(({ type }) => type.code === '110114')
      .map(({ subtype }) => subtype![0]!.code);
    expect(new Set(codes)).toEqual(new Set(['110122', '110123']));
  });

  it('are refused by the checks of this test when something is taken away', () => {
    const event = eventsOf(files).find(({ meta }) => meta?.profile?.[0]?.endsWith('.PatientRead'))!;
    const spoilt: Partial<AuditEvent>[] = [
      { outcome: '4' },
      { action: 'E' },
      { subtype: [] },
      { agent: event.agent.slice(1) },
      { entity: event.entity!.slice(1) },
      { entity: event.entity!.filter(({ role }) => role?.code !== '4') },
    ];
    for (const change of spoilt) expect(againstBalp({ ...event, ...change })).not.toEqual([]);
    expect(inspect(JSON.stringify({ resourceType: 'AuditEvent', ...event, agent: undefined })).findings).not.toEqual(
      [],
    );
  });
});

const clientNetworks = (bundle: Map<string, Buffer>): string[] =>
  eventsOf(bundle).flatMap(({ agent }) =>
    agent
      .map(({ network }) => JSON.stringify(network ?? {}))
      .filter((text) => text.includes('"2"'))
      .map((text) => /"valueCode":"(\w+)"/.exec(text)?.[1] ?? /"address":"([^"]+)"/.exec(text)![1]!),
  );

describe('what a line only commits to', () => {
  it('is opened by disclosures for who asked for them, and masked for who did not', () => {
    expect(files.has('disclosures.ndjson')).toBe(false);
    expect(new Set(clientNetworks(files))).toEqual(new Set(['masked']));
    const lines = new Map(leavesOf(linesOf(disclosing.get('events.ndjson'))).map((leaf) => [leaf.i, leaf]));
    const opened = linesOf(disclosing.get('disclosures.ndjson')).map(
      (line) => JSON.parse(line) as { leafIndex: number; disclosure: string },
    );
    const committing = [...lines.values()].filter((leaf) => JSON.stringify(leaf).includes('"_sd"'));
    expect(opened.map(({ leafIndex }) => leafIndex)).toEqual(committing.map(({ i }) => i));
    for (const { leafIndex, disclosure } of opened) {
      const digest = sha256(Buffer.from(disclosure, 'ascii')).toString('base64url');
      expect(JSON.stringify(lines.get(leafIndex))).toContain(`"net":{"_sd":["${digest}"]}`);
      const [, name, value] = JSON.parse(Buffer.from(disclosure, 'base64url').toString()) as [string, string, object];
      expect([name, Object.keys(value).sort()]).toEqual(['net', ['ip', 'ua']]);
    }
    expect(new Set(clientNetworks(disclosing))).toEqual(new Set(['127.0.0.1']));
  });

  it('stays away from every export without them: no name, no clinical word, no secret, no address', async () => {
    const { portal, anna, clinician } = hospital;
    const secrets = [anna.credentials.password, clinician.credentials.totpSecret!, anna.tokens.accessToken];
    for (const [name, bytes] of files)
      for (const word of [...CANARIES, ...secrets])
        expect([name, word, bytes.includes(word)]).toEqual([name, word, false]);
    // They are somewhere, so that the test looks for something.
    const { rows } = await portal.owner.query(`SELECT 1 FROM users.patient WHERE given @> '{Tezcatlipoca}'`);
    expect(rows).toHaveLength(1);
    expect(disclosing.get('disclosures.ndjson')!.toString('utf8')).not.toContain('canary-agent');
    const opened = linesOf(disclosing.get('disclosures.ndjson')).map((line) =>
      Buffer.from((JSON.parse(line) as { disclosure: string }).disclosure, 'base64url').toString(),
    );
    expect(opened.some((text) => text.includes('canary-agent/1.0'))).toBe(true);
  });

  it('is gone from the next export once it is erased, while everything verifies as before', async () => {
    const { portal, staff } = hospital;
    const before = await exported(officer, { formats: ['fhir'], disclosures: true });
    const kept = await bundleOf(officer, before.id);
    // One that finds nothing to erase takes no export away.
    await portal.app
      .get(AuditorPool)
      .query('SELECT audit.erase($1, $1, NULL, $2, $1, now())', [randomUUID(), 'Nobody']);
    expect((await officer.get(`/v1/audit/exports/${before.id}`)).body).toMatchObject({ state: 'ready' });
    await officer.post('/v1/audit/erasures', { accountId: staff.id, reason: 'Left the hospital' }).expect(201);
    expect((await officer.get(`/v1/audit/exports/${before.id}`)).body).toMatchObject({
      state: 'failed',
      failure: 'values-erased',
    });
    const again = await officer.get(`/v1/audit/exports/${before.id}/bundle`);
    expect([again.status, again.body.code]).toEqual([409, 'audit.export-failed']);

    const after = await bundleOf(officer, (await exported(officer, { formats: ['fhir'], disclosures: true })).id);
    const vkey = await verifierKey(portal);
    verifyBundle(kept, vkey);
    verifyBundle(after, vkey);
    const text = linesOf(after.get('disclosures.ndjson')).map((line) =>
      Buffer.from((JSON.parse(line) as { disclosure: string }).disclosure, 'base64url').toString(),
    );
    expect(text.some((one) => one.includes('canary-agent'))).toBe(false);
    expect(new Set(clientNetworks(after))).toEqual(new Set(['127.0.0.1', 'unknown']));
    for (const line of linesOf(after.get('events.fhir.ndjson'))) expect(inspect(line).findings).toEqual([]);
  });
});
