import { randomUUID } from 'node:crypto';
import { expect } from '@jest/globals';
import type pg from 'pg';
import type { Caller, Patient } from './people.js';

/** One answer as the client saw it, whole. */
export interface Answered {
  requestId: string;
  method: string;
  status: number;
  headers: Headers;
  text: string;
  /** When it had arrived (performance.now). */
  at: number;
  ms: number;
}

type Send = (
  method: string,
  path: string,
  by: Caller,
  more?: { body?: object; ifMatch?: string },
) => Promise<Answered | null>;
type Work = (send: Send) => Promise<void>;

const pause = (ms: number) => new Promise((done) => setTimeout(done, ms));

/** Readers and writers that never stop, and remember what they were told. */
export class Load {
  readonly answers: Answered[] = [];
  /** Requests whose answer never came: a cut connection. */
  lost = 0;
  readonly registered: string[] = [];
  readonly renamed = new Map<string, { version: number; name: string }>();
  private running: Promise<unknown> = Promise.resolve();
  private stopped = false;

  constructor(private readonly base: () => string) {}

  reader(patient: Patient, recordId: string): Work {
    return async (send) => {
      await send('GET', `/v1/records/${recordId}`, patient);
      await send('GET', `/v1/patients/${patient.patientId}/records?limit=20`, patient);
    };
  }

  registrar(staff: Caller): Work {
    return async (send) => {
      const mrn = `L-${randomUUID()}`;
      const body = { family: 'Load', given: ['Lou'], birthDate: '1990-04-05', sex: 'female', mrn };
      if ((await send('POST', '/v1/patients', staff, { body }))?.status === 201) this.registered.push(mrn);
    };
  }

  /** One for each account: it counts versions. */
  renamer(person: Caller): Work {
    return async (send) => {
      const me = await send('GET', '/v1/me', person);
      if (me?.status !== 200) return;
      const name = `Name ${randomUUID()}`;
      const ifMatch = me.headers.get('etag')!;
      const answer = await send('PATCH', '/v1/me', person, { body: { displayName: name }, ifMatch });
      if (answer?.status !== 200) return;
      const { id, version } = JSON.parse(answer.text) as { id: string; version: number };
      expect(version).toBeGreaterThan(this.renamed.get(id)?.version ?? 0);
      this.renamed.set(id, { version, name });
    };
  }

  start(works: Work[]): void {
    this.stopped = false;
    this.running = Promise.all(
      works.map(async (work) => {
        // Without the pause a refusal that costs nothing would be asked for thousands of times a second.
        while (!this.stopped) await Promise.all([work(this.send), pause(5)]);
      }),
    );
  }

  async stop(): Promise<void> {
    this.stopped = true;
    await this.running;
  }

  /** The first success of this method that was asked for after `since`; it must come in time. */
  async firstSuccess(method: string, since: number, withinMs: number): Promise<number> {
    for (;;) {
      const found = this.answers.find((one) => one.method === method && one.status < 300 && one.at - one.ms >= since);
      if (found) return found.at - since;
      if (performance.now() - since > withinMs) throw new Error(`no ${method} succeeded within ${withinMs} ms`);
      await pause(20);
    }
  }

  private readonly send: Send = async (method, path, by, { body, ifMatch } = {}) => {
    const requestId = randomUUID();
    const begun = performance.now();
    try {
      const response = await fetch(this.base() + path, {
        method,
        headers: {
          authorization: `Bearer ${by.tokens.accessToken}`,
          'x-request-id': requestId,
          ...(body ? { 'content-type': 'application/json' } : {}),
          ...(ifMatch ? { 'if-match': ifMatch } : {}),
        },
        ...(body ? { body: JSON.stringify(body) } : {}),
      });
      const { status, headers } = response;
      const text = await response.text();
      const at = performance.now();
      const answer = { requestId, method, status, headers, text, at, ms: at - begun };
      this.answers.push(answer);
      return answer;
    } catch {
      this.lost++;
      return null;
    }
  };
}

/** The sequencer goes on by itself after a fault: resolves when it has placed all events. */
async function sequenced(owner: pg.Client): Promise<void> {
  for (let tries = 0; tries < 300; tries++) {
    const { rows } = await owner.query<{ n: number }>('SELECT count(*)::int AS n FROM audit.inbox');
    if (rows[0]!.n === 0) return;
    await pause(50);
  }
  throw new Error('the sequencer does not place the events');
}

/** Every answer that came has its event, refusals hold no data, and nothing that was acknowledged is lost. */
export async function checkLoad(load: Load, owner: pg.Client): Promise<{ successes: number; refusals: number }> {
  const successes = load.answers.filter(({ status }) => status < 300);
  const refusals = load.answers.filter(({ status }) => status >= 300);
  await sequenced(owner);
  const { rows: events } = await owner.query<{ request_id: string }>('SELECT request_id FROM audit.entry');
  const told = new Set(events.map(({ request_id: id }) => id));
  expect(successes.filter(({ requestId }) => !told.has(requestId)).map(({ method, text }) => [method, text])).toEqual(
    [],
  );
  for (const { status, headers, text, requestId } of refusals) {
    expect(headers.get('content-type')).toContain('application/problem+json');
    const { code } = JSON.parse(text) as { code: string };
    // 412: the change before was made, and its answer was lost.
    expect([status, code].join(' ')).toMatch(/^(503 (http|audit)\.unavailable|412 http\.stale)$/);
    if (code !== 'audit.unavailable') expect(told.has(requestId)).toBe(true);
  }
  const { rows: charts } = await owner.query<{ mrn: string }>('SELECT mrn FROM users.patient');
  const stored = new Set(charts.map(({ mrn }) => mrn));
  expect(load.registered.filter((mrn) => !stored.has(mrn))).toEqual([]);
  for (const [id, { version, name }] of load.renamed) {
    const { rows } = await owner.query<{ version: number; name: string }>(
      'SELECT version, display_name AS name FROM users.account WHERE account_id = $1',
      [id],
    );
    expect(rows[0]!.version).toBeGreaterThanOrEqual(version);
    if (rows[0]!.version === version) expect(rows[0]!.name).toBe(name);
  }
  return { successes: successes.length, refusals: refusals.length };
}
