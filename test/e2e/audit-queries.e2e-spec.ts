import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Sequencer } from '../../src/modules/audit/sequencer.js';
import { itemsOf, known, NOBODY, openHospital, pages, said, type Hospital, type Known } from '../harness/hospital.js';
import { checkLedger } from '../harness/ledger.js';
import { makeStaff, signInAs, type Caller } from '../harness/people.js';

let hospital: Hospital;
let colleague: Known<Caller>;

interface Saved {
  id: string;
  name: string;
  shared: boolean;
  mine: boolean;
  owner: { id: string; name: string };
  filter: object;
  events: string;
  version: number;
}

const officer = () => hospital.complianceOfficer;
const place = () => hospital.portal.app.get(Sequencer).sequence();
const QUERIES = '/v1/audit/queries';

async function kept(by: Caller, filter: object, over: object = {}): Promise<Saved> {
  const answer = await by.post(QUERIES, { name: randomUUID(), filter, ...over }).expect(201);
  expect(answer.headers.location).toBe(`${QUERIES}/${(answer.body as Saved).id}`);
  return answer.body as Saved;
}

const put = (by: Caller, id: string, version: number, body: object) =>
  by.put(`${QUERIES}/${id}`, body).set('If-Match', `"${version}"`);

beforeAll(async () => {
  hospital = await openHospital();
  colleague = await known(makeStaff(hospital.portal, hospital.admin, 'compliance_officer'));
}, 60_000);

afterAll(async () => {
  await checkLedger(hospital.portal);
  await hospital.portal.close();
});

describe('a saved query', () => {
  it('is kept, read, changed with the version that was read, and deleted', async () => {
    const filter = { actorId: [hospital.anna.id], action: 'Self.read', outcome: 'success', sort: 'at' };
    const { body, headers } = await officer().post(QUERIES, { name: '  Anna  ', filter }).expect(201);
    const saved = body as Saved;
    expect(saved).toMatchObject({ name: 'Anna', shared: false, mine: true, filter, version: 1 });
    expect([saved.owner.id, headers.etag]).toEqual([officer().id, '"1"']);
    expect((await officer().get(`${QUERIES}/${saved.id}`).expect(200)).body).toEqual(saved);

    const changed = await put(officer(), saved.id, 1, {
      name: 'Anna again',
      shared: true,
      filter: { kind: 'sign-in' },
    });
    expect([changed.status, changed.headers.etag]).toEqual([200, '"2"']);
    expect(changed.body).toMatchObject({ name: 'Anna again', shared: true, filter: { kind: 'sign-in' }, version: 2 });
    const stale = { name: 'Too late', filter: {} };
    expect(said(await put(officer(), saved.id, 1, stale))).toEqual([412, 'http.stale']);
    expect(said(await officer().put(`${QUERIES}/${saved.id}`, stale))).toEqual([428, 'http.if-match-needed']);
    expect((await officer().get(`${QUERIES}/${saved.id}`)).body).toEqual(changed.body);

    await officer().delete(`${QUERIES}/${saved.id}`).expect(204);
    expect(said(await officer().get(`${QUERIES}/${saved.id}`))).toEqual([404, 'http.not-found']);
    expect(said(await officer().delete(`${QUERIES}/${saved.id}`))).toEqual([404, 'http.not-found']);
  });

  it('that two change at once is changed by one of them', async () => {
    const { id } = await kept(officer(), {});
    const both = await Promise.all(
      ['one', 'other'].map((name) => put(officer(), id, 1, { name: `${name} ${id}`, filter: {} })),
    );
    expect(both.map(({ status }) => status).sort()).toEqual([200, 412]);
  });

  it('finds what the search finds, page by page, and of the last days when that was asked for', async () => {
    const { portal, anna } = hospital;
    for (let at = 0; at < 5; at++) await anna.get('/v1/me').expect(200);
    await place();
    const filter = { actorId: [anna.id], action: 'Self.read', sort: 'at' };
    const saved = await kept(officer(), filter);
    const searched = itemsOf(await officer().get(`/v1/audit/events?actorId=${anna.id}&action=Self.read&sort=at`));
    const run = await pages(officer(), saved.events, 2);
    expect(run.flat()).toEqual(searched);
    expect(run.length).toBe(Math.ceil(searched.length / 2));

    const recent = await kept(officer(), { ...filter, days: 2 });
    expect(itemsOf(await officer().get(recent.events))).toEqual(searched);
    portal.clock.forward(3 * 86_400);
    const later = await signInAs(portal, officer().credentials);
    expect(itemsOf(await later.get(recent.events).expect(200))).toEqual([]);
    Object.assign(officer().tokens, later.tokens);
    Object.assign(colleague.tokens, (await signInAs(portal, colleague.credentials)).tokens);
    Object.assign(hospital.admin.tokens, (await signInAs(portal, hospital.admin.credentials)).tokens);
  });

  it('does not take a page of another query, nor of what it was before', async () => {
    const filter = { sort: 'seq' };
    const [one, other] = [await kept(officer(), filter), await kept(officer(), filter)];
    const { next } = (await officer().get(`${one.events}?limit=1`).expect(200)).body as { next: string };
    await officer().get(`${one.events}?limit=1&cursor=${next}`).expect(200);
    expect(said(await officer().get(`${other.events}?limit=1&cursor=${next}`))).toEqual([400, 'http.invalid']);
    expect(said(await officer().get(`/v1/audit/events?limit=1&sort=seq&cursor=${next}`))).toEqual([
      400,
      'http.invalid',
    ]);
    await put(officer(), one.id, 1, { name: one.name, filter: { sort: '-seq' } }).expect(200);
    expect(said(await officer().get(`${one.events}?limit=1&cursor=${next}`))).toEqual([400, 'http.invalid']);
  });

  it("is its officer's own: shared ones may be run by others and changed by nobody else", async () => {
    const [own, shared] = [await kept(officer(), {}), await kept(officer(), {}, { shared: true })];
    const body = { name: 'Taken over', filter: {} };
    for (const answer of [
      await colleague.get(`${QUERIES}/${own.id}`),
      await colleague.get(own.events),
      await put(colleague, own.id, 1, body),
      await colleague.delete(`${QUERIES}/${own.id}`),
      await colleague.get(`${QUERIES}/${NOBODY}`),
    ])
      expect(said(answer)).toEqual([404, 'http.not-found']);
    expect((await colleague.get(`${QUERIES}/${shared.id}`).expect(200)).body).toMatchObject({
      mine: false,
      owner: { id: officer().id, kind: 'person' },
    });
    await colleague.get(shared.events).expect(200);
    expect(said(await put(colleague, shared.id, 1, body))).toEqual([403, 'access.forbidden']);
    expect(said(await colleague.delete(`${QUERIES}/${shared.id}`))).toEqual([403, 'access.forbidden']);

    const idsOf = async (of: string) =>
      (await pages(colleague, `${QUERIES}${of}`, 3)).flat().map((one) => (one as unknown as Saved).id);
    expect(await idsOf('')).toContain(shared.id);
    expect(await idsOf('?of=shared')).toContain(shared.id);
    expect(await idsOf('?of=mine')).toEqual([]);
    expect(await idsOf('')).not.toContain(own.id);
  });

  it('stands under one name of its officer once, and with a filter that a search would take', async () => {
    const { name } = await kept(officer(), {});
    expect(said(await officer().post(QUERIES, { name, filter: {} }))).toEqual([409, 'audit.query-name-taken']);
    await kept(colleague, {}, { name });
    const wrong: [object, unknown[]][] = [
      [{ filter: {} }, [400, 'http.invalid']],
      [{ name: '   ', filter: {} }, [400, 'http.invalid']],
      [{ name: 'No filter' }, [400, 'http.invalid']],
      [{ name: 'Address', filter: { ip: '198.51.100.7' } }, [400, 'http.invalid']],
      [{ name: 'Page', filter: { cursor: 'x' } }, [400, 'http.invalid']],
      [{ name: 'Order', filter: { sort: 'leaf' } }, [400, 'http.invalid']],
      [{ name: 'Somebody', filter: { actorId: ["' OR true --"] } }, [400, 'http.invalid']],
      [{ name: 'Both', filter: { days: 3, from: '2026-01-01T00:00:00Z' } }, [422, 'audit.days-or-period']],
      [
        { name: 'Backwards', filter: { from: '2026-01-02T00:00:00Z', to: '2026-01-01T00:00:00Z' } },
        [422, 'audit.period-backwards'],
      ],
    ];
    for (const [body, answer] of wrong)
      expect([body, ...said(await officer().post(QUERIES, body))]).toEqual([body, ...answer]);
  });

  it('is made once with one Idempotency-Key', async () => {
    const key = randomUUID();
    const ask = () => officer().post(QUERIES, { name: key, filter: {} }).set('Idempotency-Key', key);
    const [first, second] = [await ask().expect(201), await ask().expect(201)];
    expect(second.body).toEqual(first.body);
  });

  it('leaves events that name it, its versions, and whom it looked up', async () => {
    const { anna } = hospital;
    const saved = await kept(officer(), { patientId: [anna.patientId] });
    await put(officer(), saved.id, 1, { name: saved.name, filter: { patientId: [anna.patientId] } }).expect(200);
    await officer().get(saved.events).expect(200);
    await place();
    const { rows } = await hospital.portal.owner.query<{ action: string; res: object[] }>(
      `SELECT action, leaf::jsonb #> '{e,res}' AS res FROM audit.entry WHERE strpos(leaf, $1) > 0 ORDER BY idx`,
      [saved.id],
    );
    expect(rows).toEqual([
      { action: 'AuditQuery.create', res: [{ t: 'AuditQuery', i: saved.id, v: 1 }] },
      { action: 'AuditQuery.update', res: [{ t: 'AuditQuery', i: saved.id, v: 2, p: 1 }] },
      {
        action: 'Event.list',
        res: [
          { t: 'AuditQuery', i: saved.id, v: 2 },
          { t: 'Patient', i: anna.patientId },
        ],
      },
    ]);
    const { rows: named } = await hospital.portal.owner.query('SELECT 1 FROM audit.entry WHERE strpos(leaf, $1) > 0', [
      saved.name,
    ]);
    expect(named).toEqual([]);
  });

  it('is written in the database by officers alone, whatever the server asks, and for nobody else', async () => {
    const { portal, admin } = hospital;
    const saved = await kept(officer(), {});
    const as = async (who: string, sql: string, values: unknown[]): Promise<unknown> => {
      await portal.owner.query('BEGIN');
      await portal.owner.query(`SELECT set_config('app.account_id', $1, true)`, [who]);
      const done = await portal.owner.query<{ done: boolean }>(sql, values).then(
        ({ rows }) => rows[0]!.done,
        (error: { code: string }) => error.code,
      );
      await portal.owner.query('ROLLBACK');
      return done;
    };
    const keep = 'SELECT audit.keep_query($1, $2, $3, false, $4, now()) AS done';
    const drop = 'SELECT audit.drop_query($1) AS done';
    expect(await as(admin.id, keep, [randomUUID(), null, 'x', '{}'])).toBe('42501');
    expect(await as(colleague.id, keep, [saved.id, 1, 'x', '{}'])).toBe(false);
    expect(await as(officer().id, keep, [saved.id, 1, 'x', '{}'])).toBe(true);
    expect(await as(colleague.id, drop, [saved.id])).toBe(false);
    expect(await as(admin.id, drop, [saved.id])).toBe(false);
    expect(await as(officer().id, drop, [saved.id])).toBe(true);
  });
});
