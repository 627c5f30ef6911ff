import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { accessMatrix, PEOPLE, type Person } from '../architecture/access-matrix.js';
import { REQUESTS } from '../architecture/access-requests.js';
import { send } from '../architecture/access-send.js';
import { openWorld, signedInAs, type World } from '../architecture/access-world.js';
import { openNewOrigin } from '../../src/modules/audit/index.js';
import { inspect } from '../../src/fhir/index.js';
import { DeclaredRoutes } from '../../src/platform/access/declared-routes.js';
import { eventCode } from '../../src/platform/access/endpoint.js';
import { againstBalp, againstMinimum, type AuditEvent } from '../harness/balp.js';
import { again, bundleOf, exported, leavesOf, linesOf, settle, type Leaf } from '../harness/exports.js';
import { checkLedger } from '../harness/ledger.js';

let world: World;
let leaves: Leaf[];
let texts: string[];
let events: AuditEvent[];

/** Of each row of the access matrix, one request for each way in which it is answered: every action succeeds and fails as it can. */
async function live(): Promise<void> {
  for (const { route, relation, expected } of accessMatrix()) {
    const met = new Set<number>();
    for (const person of PEOPLE as readonly Person[]) {
      // Refusals of one kind are alike; who may do it does it once.
      if (met.has(expected[person])) continue;
      met.add(expected[person]);
      const sent = (await REQUESTS[route]?.(world, person, relation)) ?? {};
      const caller = await signedInAs(world, person);
      const token = caller?.tokens.accessToken ?? null;
      const { status, body } = await send(world.portal, { route, sent, token, requestId: randomUUID() });
      if (status < 400 && person !== 'anonymous') {
        if (sent.ends) world.people[person].signedOut();
        else world.people[person].keep(body);
      }
      await sent.after?.();
    }
  }
}

/** What no route of the table answers: faults of the server, garbage, addresses that are nothing. */
async function fail(): Promise<void> {
  const { portal, staff } = world;
  const { owner, http } = portal;
  const caller = await again(staff);
  await owner.query('ALTER TABLE users.patient RENAME TO gone');
  const faults = [await caller.get('/v1/patients'), await caller.get(`/v1/patients/${world.charts.own}`)];
  await owner.query('ALTER TABLE users.gone RENAME TO patient');
  expect(faults.map(({ status }) => status)).toEqual([500, 500]);
  await http.get('/v1/nowhere').expect(404);
  await http.post('/v1/auth/login').set('Content-Type', 'application/json').send('{"username":').expect(400);
  await http.post('/v1/auth/login').type('text/plain').send('x').expect(415);
}

beforeAll(async () => {
  world = await openWorld();
  await live();
  await fail();
  const { portal, complianceOfficer } = world;
  await settle(portal);
  await openNewOrigin(portal.config, { reason: 'To be among the events', lastNote: null, now: portal.clock.now() });
  const officer = await again(complianceOfficer);
  // Out of those that wait here for the table's sake.
  await portal.owner.query(`UPDATE audit.export SET state = 'ended', finished_at = now() WHERE finished_at IS NULL`);
  const { id } = await exported(officer, { formats: ['fhir'], disclosures: true });
  const files = await bundleOf(officer, id);
  leaves = leavesOf(linesOf(files.get('events.ndjson')));
  texts = linesOf(files.get('events.fhir.ndjson'));
  events = texts.map((text) => JSON.parse(text) as AuditEvent);
}, 900_000);

afterAll(async () => {
  await checkLedger(world.portal);
  await world.portal.close();
});

describe('the AuditEvents of everything that the server does', () => {
  it('are of every kind of event that there is, as a success and as a failure', () => {
    const declared = world.portal.app
      .get(DeclaredRoutes)
      .list()
      .filter(({ endpoint }) => !endpoint.unaudited)
      .map(({ method, path, endpoint }) => ({ route: `${method} ${path}`, code: eventCode(endpoint) }));
    // Some are only ever refused in the table: their success needs more than one request.
    const done = new Set(
      accessMatrix()
        .filter(({ expected }) => PEOPLE.some((person) => expected[person] < 400))
        .map(({ route }) => route),
    );
    const all = new Set(leaves.map(({ e }) => e.sub));
    const told = new Set(leaves.filter(({ e }) => e.out === 0).map(({ e }) => e.sub));
    expect(declared.filter(({ code }) => !all.has(code))).toEqual([]);
    expect(declared.filter(({ route, code }) => done.has(route) && !told.has(code))).toEqual([]);
    expect(new Set(leaves.map(({ e }) => e.out))).toEqual(new Set([0, 4, 8]));
    expect(told).toContain('Checkpoint.new-origin');
  });

  it('are legal R4, each of them', () => {
    const findings = texts.flatMap((text, at) => inspect(text).findings.map((one) => [leaves[at]!.e.sub, one]));
    expect(findings).toEqual([]);
    expect(events).toHaveLength(leaves.length);
  });

  it('have what BALP asks of all, and of the profile that they name; failures name none', () => {
    const faults = events.flatMap((event, at) =>
      [...againstMinimum(event), ...againstBalp(event)].map((fault) => [leaves[at]!.e.sub, fault]),
    );
    expect(faults).toEqual([]);
    const failures = events.filter(({ outcome }) => outcome !== '0');
    expect(failures.filter(({ meta }) => meta !== undefined)).toEqual([]);
    expect(failures.filter(({ outcomeDesc }) => outcomeDesc === undefined)).toEqual([]);
  });

  it('are one for each patient, and name that one', () => {
    const patients = events.map(({ entity = [] }) =>
      entity.flatMap(({ what, type }) =>
        type?.system?.endsWith('/audit-entity-type') && type.code === '1' ? [what?.reference] : [],
      ),
    );
    expect(patients).toEqual(leaves.map(({ e }) => (e.pat === undefined ? [] : [`Patient/${e.pat}`])));
  });

  it('name all profiles of BALP for REST but what this server never does', () => {
    const named = new Set(events.flatMap(({ meta }) => meta?.profile ?? []).map((url) => url.split('.').at(-1)));
    const kinds = ['Read', 'Query', 'Create', 'Update', 'Delete'];
    expect([...named].sort()).toEqual(expect.arrayContaining(kinds));
    for (const kind of ['Read', 'Query', 'Create', 'Update']) expect(named).toContain(`Patient${kind}`);
  });

  it.each<[string, (event: AuditEvent) => Partial<AuditEvent>]>([
    ['no type', () => ({ type: undefined })],
    ['no time', () => ({ recorded: undefined })],
    ['no agent', () => ({ agent: [] })],
    [
      'an agent that neither asked nor did not',
      ({ agent }) => ({ agent: agent.map(({ requestor: _, ...one }) => one) }),
    ],
    ['no source', () => ({ source: undefined })],
    ['another action', () => ({ action: 'E' })],
    ['a failure under a profile of successes', () => ({ outcome: '8' })],
    ['no client', ({ agent }) => ({ agent: agent.slice(1) })],
    [
      'a user with an address',
      ({ agent }) => ({ agent: agent.map((one) => ({ ...one, network: { address: 'x', type: '2' } })) }),
    ],
    ['no patient', ({ entity }) => ({ entity: entity!.slice(1) })],
    ['two data objects', ({ entity }) => ({ entity: [...entity!, entity![1]!] })],
  ])('with %s are refused by the checks of this test', (_, change) => {
    const event = events.find(({ meta }) => meta?.profile?.[0]?.endsWith('.PatientRead'))!;
    const spoilt = { ...event, ...change(event) };
    expect([...againstMinimum(event), ...againstBalp(event)]).toEqual([]);
    expect([...againstMinimum(spoilt), ...againstBalp(spoilt)]).not.toEqual([]);
  });
});
