import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { DataSource, type QueryRunner } from 'typeorm';
import type { EmbeddedPostgres } from '../../src/platform/database/embedded-postgres.js';
import { bundleOf, entryOf, importBundle, patientText, weightText } from '../harness/feed.js';
import { newPatient } from '../harness/hospital.js';
import { checkLedger } from '../harness/ledger.js';
import { ownPostgres, type OwnPostgres } from '../harness/own-postgres.js';
import { makeAdmin, makeFeed, makePatient, makeStaff, type Caller, type Patient } from '../harness/people.js';
import { startPortal, type Portal } from '../harness/portal.js';

const POOL = 4;
/** Longest time to an answer, in milliseconds. */
const PROMPT_MS = 3_000;
const BACK_MS = 10_000;

let own: OwnPostgres;
let postgres: EmbeddedPostgres;
let portal: Portal;
let admin: Caller;
let staff: Caller;
let officer: Caller;
let patient: Patient;
let recordId: string;

const MRN = 'MRN-FAIL-CLOSED';
/** Words that only answers with data hold. */
const DATA = ['Faultless', MRN, 'Body weight', '71.50'];

beforeAll(async () => {
  own = await ownPostgres();
  postgres = own.postgres;
  portal = await startPortal({
    isAboutFaults: true,
    database: own.database,
    env: { DATABASE_POOL_SIZE: String(POOL), ACCESS_TOKEN_MINUTES: '60' },
  });
  admin = await makeAdmin(portal);
  staff = await makeStaff(portal, admin, 'staff');
  officer = await makeStaff(portal, admin, 'compliance_officer');
  patient = await makePatient(portal, admin, { mrn: MRN, family: 'Faultless' });
  const feed = await makeFeed(portal, admin, 'https://ehr.example/faults');
  const report = await importBundle(
    feed,
    bundleOf(
      'collection',
      entryOf(patientText('p1', MRN), { fullUrl: 'urn:uuid:5b1bd2a4-6c2e-4c6a-9b53-4cc46ef9ad01' }),
      entryOf(weightText('w1', 'urn:uuid:5b1bd2a4-6c2e-4c6a-9b53-4cc46ef9ad01', '71.50')),
    ),
  );
  expect(report.created).toBe(2);
  const { body } = await patient.get(`/v1/patients/${patient.patientId}/records?type=Observation`).expect(200);
  recordId = (body as { items: { id: string }[] }).items[0]!.id;
});
afterAll(async () => {
  await checkLedger(portal);
  await portal.close();
  await own.remove();
});

interface Said {
  status: number;
  headers: Record<string, string>;
  text: string;
}

/** An operation, and how it answers when all is well. */
const OPERATIONS: [string, number, () => PromiseLike<Said>][] = [
  ['a list', 200, () => patient.get(`/v1/patients/${patient.patientId}/records`)],
  ['a record', 200, () => patient.get(`/v1/records/${recordId}`)],
  ['a write', 201, () => staff.post('/v1/patients', newPatient())],
  ['a write with a key', 201, () => staff.post('/v1/patients', newPatient()).set('Idempotency-Key', randomUUID())],
  [
    'a sign-in',
    200,
    () =>
      portal.http
        .post('/v1/auth/login')
        .send({ username: patient.credentials.username, password: patient.credentials.password }),
  ],
  ['a search of the trail', 200, () => officer.get(`/v1/audit/events?patientId=${patient.patientId}`)],
  ['an unknown path', 404, () => portal.http.get('/v1/nothing')],
];

interface Fault {
  what: string;
  begin: () => Promise<() => Promise<void>>;
  /** Operations that the fault does not reach. */
  spares?: string[];
}

/** A session of its own as the owner, for what must stay open. */
async function session(): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: postgres.url('portico') });
  client.on('error', () => undefined);
  await client.connect();
  return client;
}

/** Of the portal, whatever it does on them. */
async function endConnections(): Promise<void> {
  await portal.owner.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'portal_app'");
}

async function replaceSubmit(first: string): Promise<() => Promise<void>> {
  const { rows } = await portal.owner.query<{ text: string }>(
    "SELECT pg_get_functiondef('audit.submit'::regproc) AS text",
  );
  const { text } = rows[0]!;
  await portal.owner.query(text.replace(/BEGIN\n/, `BEGIN\n${first}\n`));
  return async () => void (await portal.owner.query(text));
}

const FAULTS: Fault[] = [
  {
    what: 'the inbox is locked',
    begin: async () => {
      const locker = await session();
      await locker.query('BEGIN; LOCK TABLE audit.inbox IN ACCESS EXCLUSIVE MODE');
      return () => locker.end();
    },
  },
  {
    what: 'every table of the trail is locked',
    begin: async () => {
      const locker = await session();
      const { rows } = await locker.query<{ name: string }>(
        "SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_tables WHERE schemaname = 'audit' ORDER BY tablename <> 'head', 1",
      );
      await locker.query(`BEGIN; LOCK TABLE ${rows.map(({ name }) => name).join(', ')} IN ACCESS EXCLUSIVE MODE`);
      return () => locker.end();
    },
  },
  {
    what: "the server's role may not sign in any more",
    begin: async () => {
      await portal.owner.query('ALTER ROLE portal_app NOLOGIN');
      await endConnections();
      return async () => void (await portal.owner.query('ALTER ROLE portal_app LOGIN'));
    },
  },
  {
    what: 'PostgreSQL has no connection left for it',
    begin: async () => {
      await portal.owner.query('ALTER ROLE portal_app CONNECTION LIMIT 0');
      await endConnections();
      return async () => void (await portal.owner.query('ALTER ROLE portal_app CONNECTION LIMIT -1'));
    },
  },
  {
    what: 'the right to submit events is taken away',
    begin: async () => {
      await portal.owner.query('REVOKE EXECUTE ON FUNCTION audit.submit FROM portico_app');
      return async () => void (await portal.owner.query('GRANT EXECUTE ON FUNCTION audit.submit TO portico_app'));
    },
  },
  { what: 'submitting an event fails', begin: () => replaceSubmit("RAISE EXCEPTION 'no';") },
  { what: 'submitting an event hangs', begin: () => replaceSubmit('PERFORM pg_sleep(60);') },
  {
    what: 'PostgreSQL is stopped',
    begin: async () => {
      const { port } = postgres;
      await postgres.stop();
      return async () => {
        await postgres.start(port);
        await portal.reconnect();
      };
    },
  },
  {
    what: 'PostgreSQL hangs',
    begin: () => {
      postgres.signal('SIGSTOP');
      return Promise.resolve(() => Promise.resolve(void postgres.signal('SIGCONT')));
    },
  },
  {
    what: 'slow transactions hold all connections for requests',
    begin: async () => {
      const source = portal.app.get(DataSource);
      const held: QueryRunner[] = Array.from({ length: POOL }, () => source.createQueryRunner());
      for (const runner of held) await runner.startTransaction();
      return async () => {
        for (const runner of held) {
          await runner.rollbackTransaction();
          await runner.release();
        }
      };
    },
    // Short reads have connections of their own.
    spares: ['a list', 'a record', 'a search of the trail', 'an unknown path'],
  },
];

/** What operations could have written. */
async function written(): Promise<unknown> {
  const { rows } = await portal.owner.query(
    `SELECT (SELECT count(*) FROM users.patient) AS patients, (SELECT count(*) FROM auth.session) AS sessions,
            (SELECT count(*) FROM platform.idempotency) AS keys, (SELECT count(*) FROM platform.outbox) AS jobs`,
  );
  return rows[0];
}

async function timed(send: () => PromiseLike<Said>): Promise<Said & { ms: number }> {
  const begun = performance.now();
  const { status, headers, text } = await send();
  return { status, headers, text, ms: performance.now() - begun };
}

async function well(what: string, status: number, send: () => PromiseLike<Said>): Promise<void> {
  const until = performance.now() + BACK_MS;
  let last = await send();
  while (last.status !== status && performance.now() < until) {
    await new Promise((done) => setTimeout(done, 50));
    last = await send();
  }
  expect([what, last.status]).toEqual([what, status]);
}

describe.each(FAULTS)('while $what', ({ begin, spares = [] }) => {
  it('nothing is answered, nothing is written, and it recovers by itself', async () => {
    const before = await written();
    const end = await begin();
    let said: [string, number, Said & { ms: number }][];
    try {
      // All at once, twice: what waits must not make the next wait longer.
      said = await Promise.all(
        [...OPERATIONS, ...OPERATIONS].map(async ([what, status, send]) => [what, status, await timed(send)] as never),
      );
    } finally {
      await end();
    }
    for (const [what, usual, { status, headers, text, ms }] of said) {
      if (spares.includes(what)) {
        expect([what, status]).toEqual([what, usual]);
        continue;
      }
      expect([what, status]).toEqual([what, 503]);
      expect(headers['content-type']).toContain('application/problem+json');
      expect(headers['retry-after']).toBe('2');
      for (const name of ['etag', 'location', 'link']) expect(headers[name]).toBeUndefined();
      expect(Object.keys(JSON.parse(text) as object).sort()).toEqual([
        'code',
        'detail',
        'instance',
        'status',
        'title',
        'type',
      ]);
      for (const word of DATA) expect(text).not.toContain(word);
      expect([what, ms < PROMPT_MS ? 'in time' : ms]).toEqual([what, 'in time']);
    }
    for (const [what, status, send] of OPERATIONS.filter(
      ([name]) => !name.startsWith('a write') && name !== 'a sign-in',
    ))
      await well(what, status, send);
    expect(await written()).toEqual(before);
    for (const [what, status, send] of OPERATIONS) await well(what, status, send);
  });
});

describe('a statement that takes long', () => {
  it('is waited for, although a server that hangs is not', async () => {
    const [row] = await portal.app.get(DataSource).query<{ done: number }[]>('SELECT 1 AS done FROM pg_sleep(2.5)');
    expect(row).toEqual({ done: 1 });
  });
});

describe('a notice', () => {
  it('leaves although the outbox met a database that was away', async () => {
    const { port } = postgres;
    await postgres.stop();
    await expect(portal.delivered()).rejects.toThrow();
    await postgres.start(port);
    await portal.reconnect();
    const email = 'after-the-fault@hospital.test';
    const account = { displayName: 'After', email, roles: ['staff'] };
    await well('an invitation', 201, () => admin.post('/v1/users', account));
    const hasCome = () => portal.mails.some(({ to }) => to === email);
    for (let tries = 0; !hasCome() && tries < 100; tries++) await new Promise((done) => setTimeout(done, 50));
    expect(hasCome()).toBe(true);
  });
});

describe('a write whose event cannot be stored', () => {
  it('is rolled back', async () => {
    const before = (await patient.get('/v1/me').expect(200)).headers.etag!;
    const mend = await replaceSubmit("IF _action[1] = 'Self.update' THEN RAISE EXCEPTION 'no'; END IF;");
    const answer = await patient.patch('/v1/me', { displayName: 'Changed Name' }).set('If-Match', before);
    await mend();
    expect([answer.status, answer.headers.etag]).toEqual([503, undefined]);
    const after = await patient.get('/v1/me').expect(200);
    expect(after.headers.etag).toBe(before);
    expect(after.text).not.toContain('Changed Name');
    await patient.patch('/v1/me', { displayName: 'Changed Name' }).set('If-Match', before).expect(200);
  });
});
