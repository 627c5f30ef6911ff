import { describe, expect, it } from '@jest/globals';
import canonicalize from 'canonicalize';
import fc from 'fast-check';
import type { Touch, Trail } from '../../platform/access/trail.js';
import { commit, NetCommitments } from './commitment.js';
import { Cookies } from '../../platform/http/cookies.js';
import { eventsOf, systemEvent } from './event.js';

const trail = (change: Partial<Trail> = {}): Trail => ({
  requestId: '0199f1c2-7d5e-7b61-9c0d-3a3f2d5b8e11',
  receivedAt: new Date('2026-11-22T03:51:57.123Z'),
  startedMs: performance.now(),
  peer: '198.51.100.7',
  method: 'GET',
  userAgent: 'curl',
  cookies: new Cookies(undefined),
  carrier: null,
  route: '/v1/records/:id',
  params: { id: '0199f1c2-7d5e-7b61-9c0d-3a3f2d5b8e12' },
  endpoint: { action: 'read', subject: 'Record', summary: '', response: null },
  actor: null,
  accountId: null,
  sessionId: null,
  credentialProblem: null,
  ctx: null,
  touches: [],
  answerHeaders: {},
  code: null,
  settled: false,
  ...change,
});

const parsed = (rows: { event: string }[]) => rows.map((row) => JSON.parse(row.event) as Record<string, unknown>);

describe('eventsOf', () => {
  it('makes one event for each patient whose data was answered', () => {
    const touches: Touch[] = [
      { patientId: 'a', type: 'Observation', id: '1', category: 'laboratory', version: 2 },
      { patientId: 'b', type: 'Condition', id: '2', category: 'problem-list-item' },
      { patientId: 'a', type: 'Observation', id: '3', category: 'vital-signs' },
    ];
    const rows = eventsOf(trail({ touches }), { status: 200, code: null }, 'r', 'd');
    expect(rows.map((row) => row.subject)).toEqual(['a', 'b']);
    expect(parsed(rows)[0]).toMatchObject({
      pat: 'a',
      cat: ['laboratory', 'vital-signs'],
      res: [{ i: '1', t: 'Observation', v: 2 }, { i: '3' }],
      out: 0,
    });
    expect(new Set(rows.map((row) => row.eventId)).size).toBe(2);
  });

  it('tells of a refusal also where the browser was sent elsewhere with it, and of a success where it was only sent on', () => {
    const outcomes = [
      { status: 302, code: null },
      { status: 302, code: 'auth.sso-expired' },
      { status: 201, code: 'http.replayed' },
      { status: 503, code: 'auth.sso-unavailable' },
    ];
    expect(outcomes.map((outcome) => parsed(eventsOf(trail(), outcome, 'r', 'd'))[0]!.out)).toEqual([0, 4, 0, 8]);
  });

  it('tells what was attempted when it was refused, and of no patient', () => {
    const touches: Touch[] = [{ patientId: 'a', type: 'Observation', id: '1' }];
    const rows = eventsOf(trail({ touches }), { status: 404, code: 'http.not-found' }, 'r', 'd');
    expect(rows).toHaveLength(1);
    expect(parsed(rows)[0]).toMatchObject({
      err: 'http.not-found',
      out: 4,
      ask: { id: '0199f1c2-7d5e-7b61-9c0d-3a3f2d5b8e12' },
    });
    expect(rows[0]!.subject).toBeNull();
  });

  it.each([
    [200, 0],
    [404, 4],
    [499, 4],
    [500, 8],
    [503, 8],
  ])('status %i is outcome %i', (status, outcome) => {
    expect(eventsOf(trail(), { status, code: null }, 'r', 'd')[0]!.outcome).toBe(outcome);
  });

  it('cuts a list that would not fit, and says how much is missing', () => {
    const touches = Array.from({ length: 1_000 }, (_, n): Touch => ({
      patientId: 'a',
      type: 'Observation',
      id: `${n}`,
    }));
    const [row] = eventsOf(trail({ touches }), { status: 200, code: null }, 'r', 'd');
    expect(Buffer.byteLength(row!.event)).toBeLessThan(60_000);
    expect(JSON.parse(row!.event)).toMatchObject({ more: 600 });
  });

  it('is canonical, one line, and holds neither address nor user agent, whatever the request said', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'binary', minLength: 6 }),
        fc.constantFrom('GET', 'POST', 'M-SEARCH'),
        (userAgent, method) => {
          for (const row of eventsOf(
            trail({ userAgent: `canary ${userAgent}`, method }),
            { status: 200, code: null },
            'r',
            'd',
          )) {
            expect(canonicalize(JSON.parse(row.event))).toBe(row.event);
            expect(row.event).not.toMatch(/[\r\n]|canary|198\.51/);
          }
        },
      ),
      { seed: 7 },
    );
  });

  it('is canonical (RFC 8785) whichever of its members it has', () => {
    const optional = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined });
    const touch = fc.record({
      patientId: fc.constantFrom('a', 'b', null),
      type: fc.constantFrom('Observation', 'Patient'),
      id: fc.uuid(),
      category: optional(fc.constantFrom('laboratory', 'vital-signs')),
      version: optional(fc.nat()),
      previousVersion: optional(fc.nat()),
      before: optional(fc.array(fc.constantFrom('admin', 'status:active'))),
      after: optional(fc.array(fc.constantFrom('staff', 'status:disabled'))),
    });
    const made = fc.record({
      touches: fc.array(touch, { maxLength: 8 }),
      status: fc.constantFrom(200, 403, 500),
      code: fc.constantFrom(null, 'http.not-found'),
      params: fc.dictionary(fc.constantFrom('id', 'z', 'a', 'memberId'), fc.uuid()),
      accountId: fc.option(fc.uuid()),
      sessionId: fc.option(fc.uuid()),
      endpoint: fc.constantFrom(null, trail().endpoint),
    });
    fc.assert(
      fc.property(made, ({ status, code, ...change }) => {
        for (const { event } of eventsOf(trail(change), { status, code }, 'r', 'd')) {
          expect(canonicalize(JSON.parse(event))).toBe(event);
        }
      }),
      { seed: 7, numRuns: 500 },
    );
  });

  it('gives an automatic logout the same form', () => {
    const row = systemEvent(
      {
        ...{ code: 'Session.end', act: 'E', accountId: 'x', sessionId: 's', reason: 'idle', at: new Date(0) },
        effectiveAt: new Date(-1000),
        detail: { seconds: 60 },
      },
      'r',
    );
    expect(canonicalize(JSON.parse(row.event))).toBe(row.event);
    expect(JSON.parse(row.event)).toMatchObject({
      sub: 'Session.end',
      err: 'idle',
      ses: 's',
      actor: { id: 'x' },
      t: '1970-01-01T00:00:00.000Z',
      te: '1969-12-31T23:59:59.000Z',
    });
  });

  it('never grows beyond what the ledger takes, however much was changed', () => {
    const roles = ['clinician', 'compliance_officer', 'patient', 'records_officer', 'staff'];
    const id = '01990000-0000-7000-8000-000000000000';
    const one = { patientId: null, type: 'Account', id, version: 1, previousVersion: 2, before: roles, after: roles };
    const [row] = eventsOf(
      trail({ touches: Array.from({ length: 500 }, () => one) }),
      { status: 200, code: null },
      'r',
      'd',
    );
    const { res, more } = JSON.parse(row!.event) as { res: object[]; more: number };
    expect(Buffer.byteLength(row!.event)).toBeLessThan(60_000);
    expect([res.length > 100, res.length + more]).toEqual([true, 500]);
  });
});

describe('commitments', () => {
  it('open to their value and differ by their salt', () => {
    const [a, b] = [commit('net', { ip: '198.51.100.7' }), commit('net', { ip: '198.51.100.7' })];
    expect(a.digest).not.toBe(b.digest);
    expect(JSON.parse(Buffer.from(a.disclosure, 'base64url').toString())).toEqual([
      expect.stringMatching(/^[\w-]{22}$/),
      'net',
      { ip: '198.51.100.7' },
    ]);
  });

  it('has the digest of RFC 9901 (worked example of the ledger)', async () => {
    const { createHash } = await import('node:crypto');
    const disclosure = Buffer.from('["AAECAwQFBgcICQoLDA0ODw","net.ip","198.51.100.7"]').toString('base64url');
    expect(createHash('sha256').update(disclosure, 'ascii').digest('base64url')).toBe(
      'IAOKE3Fnr2L_8mX9PwgwIW823-ysq6vu-5V_-wKd9DY',
    );
  });

  it('are shared by the requests of one session from one place, and by no others', () => {
    const nets = new NetCommitments();
    const first = nets.of(trail());
    expect(nets.of(trail())).toBe(first);
    expect(nets.of(trail({ peer: '198.51.100.8' }))).not.toBe(first);
    expect(nets.of(trail({ userAgent: 'other' }))).not.toBe(first);
  });
});
