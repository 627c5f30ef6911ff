import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ORDERS } from '../../src/modules/audit/entry-order.js';
import { Sequencer } from '../../src/modules/audit/sequencer.js';
import { fillLog } from '../harness/filled-log.js';
import { itemsOf, NOBODY, openHospital, pages, said, waiting, type Hospital } from '../harness/hospital.js';
import { checkLedger } from '../harness/ledger.js';

interface Event {
  seq: number;
  leaf: Record<string, unknown> & {
    act: string;
    actor: { id: string; roles: string[] };
    cat: string[];
    err?: string;
    http: { m: string; ms: number; route: string; st: number };
    id: string;
    net: { _sd: string[] };
    out: number;
    pat?: string;
    purp: string;
    req: string;
    ses: string;
    src: string;
    sub: string;
    t: string;
  };
}

let hospital: Hospital;
/** Made events of one stretch of time in which nothing else happened. */
let made: Event[];
/** What opens the commitments, by digest (RFC 9901). */
let addresses: Map<string, string>;
const PERIOD = 'from=2026-01-01T06:00:00Z&to=2026-01-01T09:00:00Z';

const officer = () => hospital.complianceOfficer;
const search = (query: string) => officer().get(`/v1/audit/events?${query}`);
const seqsOf = (items: object[]): number[] => items.map((item) => (item as { seq: number }).seq);
const addressOf = ({ leaf }: Event): string => addresses.get(leaf.net._sd[0]!)!;

beforeAll(async () => {
  hospital = await openHospital();
  await fillLog(hospital.portal.owner, 1_500);
  const { rows } = await hospital.portal.owner.query<{ idx: string; leaf: string }>(
    `SELECT idx, leaf FROM audit.entry WHERE occurred >= '2026-01-01 06:00Z' AND occurred < '2026-01-01 09:00Z' ORDER BY idx`,
  );
  made = rows.map(({ idx, leaf }) => ({ seq: Number(idx), leaf: (JSON.parse(leaf) as { e: Event['leaf'] }).e }));
  expect(made).toHaveLength(360);
  const { rows: opened } = await hospital.portal.owner.query<{ digest: string; disclosure: string }>(
    'SELECT digest, disclosure FROM audit.disclosure',
  );
  addresses = new Map(
    opened.map(({ digest, disclosure }) => {
      const [, , net] = JSON.parse(Buffer.from(disclosure, 'base64url').toString()) as [string, string, { ip: string }];
      return [digest, net.ip];
    }),
  );
}, 60_000);

afterAll(async () => {
  await checkLedger(hospital.portal);
  await hospital.portal.close();
});

/** What each order compares, by hand. */
const ELEMENTS: Record<string, (event: Event) => string | number> = {
  seq: ({ seq }) => seq,
  at: ({ leaf }) => leaf.t,
  effectiveAt: () => '',
  actorId: ({ leaf }) => leaf.actor.id,
  roles: ({ leaf }) => JSON.stringify(leaf.actor.roles),
  patientId: ({ leaf }) => leaf.pat ?? '',
  action: ({ leaf }) => leaf.sub,
  operation: ({ leaf }) => leaf.act,
  outcome: ({ leaf }) => leaf.out,
  status: ({ leaf }) => leaf.http.st,
  code: ({ leaf }) => leaf.err ?? '',
  categories: ({ leaf }) => JSON.stringify(leaf.cat),
  touched: () => '',
  purpose: ({ leaf }) => leaf.purp,
  sessionId: ({ leaf }) => leaf.ses,
  requestId: ({ leaf }) => leaf.req,
  method: ({ leaf }) => leaf.http.m,
  route: ({ leaf }) => leaf.http.route,
  durationMs: ({ leaf }) => leaf.http.ms,
  bytes: () => 0,
  asked: () => '',
  detail: () => '',
  address: addressOf,
  userAgent: () => 'Agent',
  process: ({ leaf }) => leaf.src,
  eventId: ({ leaf }) => leaf.id,
};

function ordered(name: string): number[] {
  const element = ELEMENTS[name.replace('-', '')]!;
  const sign = name.startsWith('-') ? -1 : 1;
  return [...made]
    .sort((a, b) => {
      const [x, y] = [element(a), element(b)];
      return sign * (x < y ? -1 : x > y ? 1 : a.seq - b.seq);
    })
    .map(({ seq }) => seq);
}

describe("the officer's search", () => {
  it('sorts by every recorded element, both ways, with pages that lose nothing and repeat nothing', async () => {
    expect(ORDERS).toEqual(Object.keys(ELEMENTS).flatMap((name) => [name, `-${name}`]));
    for (const order of ORDERS) {
      const found = (await pages(officer(), `/v1/audit/events?${PERIOD}&sort=${order}`, 97)).flat();
      expect([order, seqsOf(found)]).toEqual([order, ordered(order)]);
    }
    expect(said(await search('sort=leaf'))).toEqual([400, 'http.invalid']);
    expect(said(await search('sort=seq,at'))).toEqual([400, 'http.invalid']);
  }, 120_000);

  it('goes on where it was while events come in, newest first of itself', async () => {
    const placed = seqsOf((await pages(officer(), '/v1/audit/events?sort=-seq', 200)).flat());
    expect(placed).toEqual([...Array(placed.length).keys()].reverse());
    const found = (await pages(officer(), '/v1/audit/events', 200)).flat();
    const times = found.map((event) => event.at as string);
    expect(times).toEqual([...times].sort().reverse());
    expect(new Set(seqsOf(found)).size).toBeGreaterThanOrEqual(placed.length);
  });

  it('finds by each filter, and by several patients and several people at once', async () => {
    const [first, second, third] = made.filter(({ leaf }) => leaf.pat) as [Event, Event, Event];
    const patients = [first.leaf.pat!, second.leaf.pat!];
    const actors = [first.leaf.actor.id, third.leaf.actor.id];
    const filters: [string, (event: Event) => boolean][] = [
      [`patientId=${patients[0]}`, ({ leaf }) => leaf.pat === patients[0]],
      [`patientId=${patients[0]!.toUpperCase()}`, ({ leaf }) => leaf.pat === patients[0]],
      [patients.map((id) => `patientId=${id}`).join('&'), ({ leaf }) => patients.includes(leaf.pat ?? '')],
      [actors.map((id) => `actorId=${id}`).join('&'), ({ leaf }) => actors.includes(leaf.actor.id)],
      [`actorId=${actors[0]}&patientId=${patients[0]}`, ({ seq }) => seq === first.seq],
      ['subjectType=Record', ({ leaf }) => leaf.sub.startsWith('Record.')],
      ['subjectType=Rec', () => false],
      ['subjectType=Record&action=Record.list', ({ leaf }) => leaf.sub === 'Record.list'],
      ['action=Session', ({ leaf }) => leaf.sub === 'Session.login'],
      ['outcome=refused', ({ leaf }) => leaf.out === 4],
      ['role=patient', ({ leaf }) => leaf.actor.roles.includes('patient')],
      ['role=admin', () => false],
      ['code=access.forbidden', ({ leaf }) => leaf.err === 'access.forbidden'],
      ['category=imaging', ({ leaf }) => leaf.cat.includes('imaging')],
      ['kind=failed-sign-in', ({ leaf }) => leaf.sub === 'Session.login' && leaf.out !== 0],
      ['kind=automatic-logout', () => false],
      ['purpose=PATRQT', ({ leaf }) => leaf.purp === 'PATRQT'],
      [`sessionId=${first.leaf.ses}`, ({ leaf }) => leaf.ses === first.leaf.ses],
      [`requestId=${first.leaf.req}`, ({ seq }) => seq === first.seq],
      [`ip=${addressOf(first)}`, (event) => addressOf(event) === addressOf(first)],
      ['ip=203.0.113.9', () => false],
      [`patientId=${NOBODY}`, () => false],
    ];
    for (const [query, isMeant] of filters) {
      const answer = await search(`${PERIOD}&sort=seq&limit=200&${query}`).expect(200);
      const meant = made.filter(isMeant).map(({ seq }) => seq);
      expect([query, seqsOf(itemsOf(answer))]).toEqual([query, meant.slice(0, 200)]);
    }
    const many = Array.from({ length: 51 }, () => `actorId=${NOBODY}`).join('&');
    for (const query of [
      many,
      'actorId=',
      'ip=hospital',
      "purpose='",
      'subjectType=Record.',
      `patientId=${NOBODY}&patientId=x`,
    ])
      expect([query, ...said(await search(query))]).toEqual([query, 400, 'http.invalid']);
  });

  it("is a session's or a chart's timeline, and finds no address that was erased", async () => {
    const { portal, anna } = hospital;
    for (const path of ['/v1/me', `/v1/patients/${anna.patientId}`, '/v1/me']) await anna.get(path).expect(200);
    await portal.app.get(Sequencer).sequence();
    const session = `sessionId=${anna.tokens.session.id}`;
    const timeline = itemsOf(await search(`${session}&sort=at`).expect(200));
    const times = timeline.map((event) => event.at as string);
    expect(times).toEqual([...times].sort());
    expect(timeline.map((event) => event.action).slice(-3)).toEqual(['Self.read', 'Patient.read', 'Self.read']);
    expect(new Set(timeline.map((event) => event.address))).toEqual(new Set(['127.0.0.1']));
    const chart = itemsOf(await search(`patientId=${anna.patientId}&sort=at`).expect(200));
    expect(chart.at(-1)).toMatchObject({ action: 'Patient.read', actorId: anna.id });

    const found = async () => itemsOf(await search(`${session}&ip=127.0.0.1`).expect(200)).length;
    expect(await found()).toBe(timeline.length);
    await portal.owner.query(
      `DELETE FROM audit.disclosure WHERE digest IN (SELECT leaf::json #>> '{e,net,_sd,0}' FROM audit.entry WHERE session_id = $1)`,
      [anna.tokens.session.id],
    );
    expect(await found()).toBe(0);
    const erased = itemsOf(await search(`${session}&sort=at`).expect(200));
    expect(erased.map((event) => [event.address, event.userAgent])).toEqual(times.map(() => [null, null]));
  });

  it('leaves in the trail whom and what was looked up', async () => {
    const { anna } = hospital;
    const session = made[0]!.leaf.ses;
    const answer = await search(`patientId=${anna.patientId}&actorId=${anna.id}&sessionId=${session}`).expect(200);
    await hospital.portal.app.get(Sequencer).sequence();
    const [event] = itemsOf(await search(`requestId=${answer.headers['x-request-id']}`).expect(200));
    expect(event).toMatchObject({
      action: 'Event.list',
      actorId: officer().id,
      patientId: null,
      operation: 'E',
      method: 'GET',
      touched: [
        { type: 'Patient', id: anna.patientId },
        { type: 'Account', id: anna.id },
        { type: 'Session', id: session },
      ],
    });
  });

  it('takes a cursor only for the search that it is of', async () => {
    const { next } = (await search(`${PERIOD}&sort=at&limit=5`)).body as { next: string };
    const wrong = [`${PERIOD}&sort=-at`, `${PERIOD}&sort=actorId`, `${PERIOD}`, `${PERIOD}&sort=at&outcome=failed`];
    for (const query of wrong)
      expect(said(await search(`${query}&limit=5&cursor=${next}`))).toEqual([400, 'http.invalid']);
    await search(`${PERIOD}&sort=at&limit=7&cursor=${next}`).expect(200);
  });

  it('that takes too long says how it would be shorter', async () => {
    const { owner } = hospital.portal;
    await owner.query('BEGIN; LOCK TABLE audit.entry IN ACCESS EXCLUSIVE MODE');
    const answer = search('sort=process').then((response) => said(response));
    await waiting(hospital.portal, 1);
    await owner.query(
      "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE application_name = 'portico-auditor' AND wait_event_type = 'Lock' AND datname = current_database()",
    );
    expect(await answer).toEqual([422, 'audit.search-too-wide']);
    await owner.query('ROLLBACK');
  });
});

describe('everything around an event', () => {
  const around = (seq: number, query: string) => officer().get(`/v1/audit/events/${seq}/around?${query}`);

  it('comes in the order of time, with what it has in common', async () => {
    const middle = made[120]!;
    const minutes = 30;
    const distance = (event: Event) => Math.abs(Date.parse(event.leaf.t) - Date.parse(middle.leaf.t)) / 60_000;
    const near = made.filter((event) => distance(event) <= minutes);
    const found = (await pages(officer(), `/v1/audit/events/${middle.seq}/around?minutes=${minutes}`, 50)).flat();
    expect(seqsOf(found)).toEqual(near.map(({ seq }) => seq));
    expect(found.find(({ seq }) => seq === middle.seq)).toMatchObject({
      same: ['request', 'session', 'actor', ...(middle.leaf.pat ? ['patient'] : []), 'address'],
    });
    const stranger = found.find(({ seq }) => seq === middle.seq + 1);
    expect(stranger).toMatchObject({ same: [] });
  });

  it('can be only what belongs to its person, session or patient', async () => {
    const middle = made.find(({ leaf }) => leaf.pat)!;
    const { pat, actor, ses } = middle.leaf;
    const isRelated = ({ leaf }: Event) => leaf.pat === pat || leaf.actor.id === actor.id || leaf.ses === ses;
    const answer = await around(middle.seq, 'minutes=1440&related=true&limit=200').expect(200);
    const found = seqsOf(itemsOf(answer)).filter((seq) => made.some((event) => event.seq === seq));
    expect(found).toEqual(made.filter(isRelated).map(({ seq }) => seq));
    expect(found.length).toBeGreaterThan(1);
  });

  it('is not there for an event that is not there', async () => {
    expect(said(await around(999_999_999, 'minutes=5'))).toEqual([404, 'http.not-found']);
    expect(said(await around(0, 'minutes=0'))).toEqual([400, 'http.invalid']);
    expect(said(await around(0, 'minutes=1441'))).toEqual([400, 'http.invalid']);
  });
});
