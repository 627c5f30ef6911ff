import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { SessionSweeper } from '../../src/modules/auth/sessions/session-sweeper.js';
import { DeclaredRoutes } from '../../src/platform/access/declared-routes.js';
import { eventCode, type EndpointOptions } from '../../src/platform/access/endpoint.js';
import { checkLedger } from '../harness/ledger.js';
import { refusal } from '../harness/scim.js';
import { accessMatrix, PEOPLE, type Person, type Relation, type Row } from './access-matrix.js';
import { REQUESTS, type Sent } from './access-requests.js';
import { send } from './access-send.js';
import { openWorld, signedInAs, type World } from './access-world.js';
import { expectSecurityHeaders } from './security-headers.js';

const ROWS = accessMatrix();
const ROUTES = [...new Set(ROWS.map(({ route }) => route))];

/** What is expected of the events of one request, and what was found. */
interface Trace {
  cell: string;
  actor: string;
  outcome: number;
  status: number;
  subjects: (string | null)[];
}

/** What caches may keep, and how: nothing about anybody. All else, and every refusal, by none. */
const CACHED: Record<string, string> = {
  'GET /.well-known/jwks.json': 'public, max-age=300',
  'GET /v1/audit/checkpoint': 'public, max-age=5',
  'GET /v1/audit/keys': 'public, max-age=300',
  'GET /v1/audit/tile/*': 'public, max-age=60',
};

let world: World;
let declared: Map<string, EndpointOptions>;
/** Every 404 of the whole walk, without its instance: they must all be the same. */
const notFounds = new Set<string>();
const scimNotFounds = new Set<string>();

beforeAll(async () => {
  world = await openWorld();
  const { app, owner } = world.portal;
  declared = new Map(
    app
      .get(DeclaredRoutes)
      .list()
      .map(({ method, path, endpoint }) => [`${method} ${path}`, endpoint]),
  );
  // It ends and clears away what is old, at any moment: then it was not the request that changed something.
  await app.get(SessionSweeper).beforeApplicationShutdown();
  await owner.query(NOTE_CHANGES);
});

afterAll(async () => {
  await checkLedger(world.portal);
  await world.portal.close();
});

/** Notes whatever changes of people, sign-in and charts, but when a session was last active and what attempts were counted. */
const NOTE_CHANGES = `
  CREATE SCHEMA seen;
  CREATE TABLE seen.change (what text);
  CREATE FUNCTION seen.note() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
  BEGIN
    IF TG_OP = 'TRUNCATE' OR to_jsonb(OLD) - 'last_active_at' IS DISTINCT FROM to_jsonb(NEW) - 'last_active_at' THEN
      INSERT INTO seen.change VALUES (format('%s %I.%I', TG_OP, TG_TABLE_SCHEMA, TG_TABLE_NAME));
    END IF;
    RETURN NULL;
  END $$;
  DO $$
  DECLARE one text;
  BEGIN
    FOR one IN SELECT c.oid::regclass FROM pg_class c
                WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relname <> 'attempt'
                  AND c.relnamespace IN ('users'::regnamespace, 'auth'::regnamespace, 'records'::regnamespace)
    LOOP
      EXECUTE format('CREATE TRIGGER seen AFTER INSERT OR UPDATE OR DELETE ON %s FOR EACH ROW EXECUTE FUNCTION seen.note()', one);
      EXECUTE format('CREATE TRIGGER seen_empty BEFORE TRUNCATE ON %s EXECUTE FUNCTION seen.note()', one);
    END LOOP;
  END $$`;

/** What was changed since the last look, once each. */
async function changes(): Promise<string[]> {
  const { rows } = await world.portal.owner.query<{ what: string }>('DELETE FROM seen.change RETURNING what');
  return [...new Set(rows.map(({ what }) => what))];
}

/** Of whom an answer tells: the patients in it, or nobody. */
async function subjectsOf(route: string, sent: Sent, body: Record<string, unknown>): Promise<(string | null)[]> {
  if (sent.subjects) return sent.subjects();
  const things = (body.items ?? [body]) as { id?: string; patientId?: string }[];
  const isPatient = /^\w+ \/v1\/patients(\/:id)?$/.test(route);
  const told = new Set(things.map(({ id, patientId }) => (isPatient ? id : patientId) ?? null));
  return told.size > 0 ? [...told] : [null];
}

/** One cell, ready to be sent. */
interface Cell {
  person: Person;
  relation: Relation;
  sent: Sent;
  token: string | null;
}

async function prepare(route: string, person: Person, relation: Relation): Promise<Cell> {
  const sent = (await REQUESTS[route]?.(world, person, relation)) ?? {};
  const caller = await signedInAs(world, person);
  return { person, relation, sent, token: caller?.tokens.accessToken ?? null };
}

/** Sends one cell's request and looks at everything but its events, of which it says what they must be. */
async function walk(route: string, { person, relation, sent, token }: Cell): Promise<[string, Trace]> {
  const requestId = randomUUID();
  const answer = await send(world.portal, { route, sent, token, requestId });
  const body = answer.body as Record<string, unknown>;
  const { status } = answer;
  // A page, or what must never become one: with a policy of its own.
  const hasPolicy = /^GET (\/docs(\/errors)?|\/v1\/attachments\/:id|\/v1\/records\/:id\/original)$/.test(route);
  expectSecurityHeaders(answer, hasPolicy, status < 400 ? CACHED[route] : undefined);
  expect(answer.headers['x-request-id']).toBe(requestId);
  if (status >= 400) {
    if (route.includes(' /scim/')) refusal(answer);
    else {
      expect(answer.headers['content-type']).toMatch(/^application\/problem\+json/);
      expect(body).toMatchObject({ status, instance: `urn:uuid:${requestId}` });
      if (status === 401) expect([person, body.code]).toEqual([person, 'auth.sign-in-required']);
    }
    if (status === 404) (route.includes(' /scim/') ? scimNotFounds : notFounds).add(answer.text.replace(requestId, ''));
  } else if (person !== 'anonymous') {
    if (sent.ends) world.people[person].signedOut();
    else world.people[person].keep(body);
  }
  const isPublic = declared.get(route)!.access === 'public';
  const trace = {
    cell: `${relation} ${person}`,
    actor: (isPublic ? sent.recognised : person === 'anonymous' ? '' : world.people[person].id) ?? '',
    outcome: status < 400 ? 0 : 4,
    status,
    subjects: status < 400 ? await subjectsOf(route, sent, body) : [null],
  };
  return [requestId, trace];
}

/** All cells of a row: first, at once, those that must be refused, which must change nothing; then the others one by one. */
async function walkRow({ route, relation, expected }: Row): Promise<[string, Trace][]> {
  const isRefused = (person: Person) => expected[person] >= 400;
  const cells: Cell[] = [];
  for (const person of PEOPLE.filter(isRefused)) cells.push(await prepare(route, person, relation));
  // What was prepared for one may have moved the clock past the token of another.
  for (const cell of cells) cell.token = (await signedInAs(world, cell.person))?.tokens.accessToken ?? null;
  await changes();
  const traces = await Promise.all(cells.map((cell) => walk(route, cell)));
  // Where something was not refused after all, the statuses will say which.
  if (traces.every(([, { status }]) => status >= 400))
    expect([route, relation, await changes()]).toEqual([route, relation, []]);
  for (const { sent } of cells) await sent.after?.();
  for (const person of PEOPLE.filter((one) => !isRefused(one))) {
    const cell = await prepare(route, person, relation);
    traces.push(await walk(route, cell));
    await cell.sent.after?.();
  }
  return traces;
}

/** The events that were stored for these requests, in the same form. */
async function storedTraces(route: string, requestIds: string[]): Promise<Map<string, Omit<Trace, 'cell'>>> {
  const { rows } = await world.portal.owner.query<{
    request_id: string;
    actor: string;
    outcome: number;
    subject: string | null;
    action: string;
    event: { http?: { st: number; route: string }; actor: { roles?: string[] } };
  }>(
    `SELECT request_id, actor, outcome, subject, action, event::jsonb AS event FROM audit.inbox WHERE request_id = ANY($1)
     UNION ALL SELECT request_id, actor, outcome, subject, action, leaf::jsonb -> 'e' FROM audit.entry WHERE request_id = ANY($1)`,
    [requestIds],
  );
  const found = new Map<string, Omit<Trace, 'cell'>>();
  for (const { request_id: id, actor, outcome, subject, action, event } of rows) {
    // Of the job that the request has asked for: it comes when it comes, and import tests look at it.
    if (!event.http) continue;
    expect([action, event.http.route]).toEqual([eventCode(declared.get(route)!), route.split(' ')[1]]);
    const known = found.get(id);
    if (known) known.subjects.push(subject);
    else found.set(id, { actor, outcome, status: event.http.st, subjects: [subject] });
    if (known) expect([actor, outcome, event.http.st]).toEqual([known.actor, known.outcome, known.status]);
  }
  return found;
}

const inOrder = (subjects: (string | null)[]): string[] => subjects.map((subject) => subject ?? '').sort();

describe('the access matrix', () => {
  it('has every declared route, and no other', () => {
    expect([...ROUTES].sort()).toEqual([...declared.keys()].sort());
    expect(Object.keys(REQUESTS).filter((route) => !declared.has(route))).toEqual([]);
    const cells = ROWS.map(({ route, relation }) => `${route} ${relation}`);
    expect(cells).toHaveLength(new Set(cells).size);
    for (const { route, relation, expected } of ROWS) {
      const isWhole = PEOPLE.every((person) => Number.isInteger(expected[person]));
      expect([route, relation, isWhole]).toEqual([route, relation, true]);
    }
  });

  it('would notice a change', async () => {
    const { owner } = world.portal;
    await owner.query('BEGIN');
    await changes();
    await owner.query('UPDATE auth.session SET last_active_at = last_active_at + interval $$1 s$$');
    expect(await changes()).toEqual([]);
    await owner.query('UPDATE auth.session SET created_at = created_at - interval $$1 s$$');
    expect(await changes()).toEqual(['UPDATE auth.session']);
    await owner.query('ROLLBACK');
  });

  it.each(ROUTES)('%s', async (route) => {
    const wanted: string[] = [];
    const traces: [string, Trace][] = [];
    for (const row of ROWS.filter((one) => one.route === route)) {
      wanted.push(...PEOPLE.map((person) => `${row.relation} ${person}: ${row.expected[person]}`));
      traces.push(...(await walkRow(row)));
    }
    expect(traces.map(([, { cell, status }]) => `${cell}: ${status}`).sort()).toEqual(wanted.sort());

    // Each request has left exactly its events: who, how it ended, of whom.
    const stored = await storedTraces(
      route,
      traces.map(([requestId]) => requestId),
    );
    for (const [requestId, { cell, ...trace }] of traces) {
      const found = stored.get(requestId);
      const isUnaudited = declared.get(route)!.unaudited === true;
      expect({ cell, ...found, subjects: inOrder(found?.subjects ?? []) }).toEqual(
        isUnaudited ? { cell, subjects: [] } : { cell, ...trace, subjects: inOrder(trace.subjects) },
      );
    }
  });

  it('answers what is not there and what is not yours with the same bytes, everywhere', () => {
    expect(notFounds.size).toBe(1);
    expect([...notFounds][0]).toContain('"code":"http.not-found"');
    expect(scimNotFounds.size).toBe(1);
  });
});
