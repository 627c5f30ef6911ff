import { randomUUID } from 'node:crypto';
import { expect } from '@jest/globals';
import type pg from 'pg';
import type { Caller, Patient } from './people.js';

/** One answer as the client saw it, whole; what it says is kept of refusals only. */
export interface Answered {
  requestId: string;
  /** Which server gave it. */
  base: number;
  method: string;
  status: number;
  refusal: { type: string | null; text: string } | null;
  /** When it had arrived (performance.now). */
  at: number;
  ms: number;
}

interface Whole {
  status: number;
  headers: Headers;
  text: string;
}

type Send = (
  method: string,
  path: string,
  by: Caller,
  more?: { body?: object; ifMatch?: string },
) => Promise<Whole | null>;
type Work = (send: Send) => Promise<void>;

const pause = (ms: number) => new Promise((done) => setTimeout(done, ms));

/** Readers and writers that never stop, and remember what they were told. */
export class Load {
  readonly answers: Answered[] = [];
  /** Requests whose answer never came: a cut connection. */
  lost = 0;
  /** Those of them whose answer had begun, with success: its first bytes were there. */
  readonly begun: string[] = [];
  readonly registered: string[] = [];
  readonly renamed = new Map<string, { version: number; name: string }>();
  /** Changes that were acknowledged. */
  renames = 0;
  /** Shortest time from one round of a worker to its next. */
  pauseMs = 5;
  private running: Promise<unknown> = Promise.resolve();
  private stopped = false;

  private readonly bases: (() => string)[];

  /** On one server or several; each worker keeps to one of them. */
  constructor(...bases: (() => string)[]) {
    this.bases = bases;
  }

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
      this.renames++;
    };
  }

  start(works: Work[]): void {
    this.stopped = false;
    this.running = Promise.all(
      works.map(async (work, at) => {
        const send = this.sendTo(at % this.bases.length);
        // Without the pause a refusal that costs nothing would be asked for thousands of times a second.
        while (!this.stopped) await Promise.all([work(send), pause(this.pauseMs)]);
      }),
    );
  }

  async stop(): Promise<void> {
    this.stopped = true;
    await this.running;
  }

  /** The first success of this method, on this server, that was asked for after `since`; it must come in time. */
  async firstSuccess(method: string, since: number, withinMs: number, base = 0): Promise<number> {
    for (let looked = 0; ;) {
      for (; looked < this.answers.length; looked++) {
        const one = this.answers[looked]!;
        const isIt = one.base === base && one.method === method && one.status < 300;
        if (isIt && one.at - one.ms >= since) return one.at - since;
      }
      if (performance.now() - since > withinMs) throw new Error(`no ${method} succeeded within ${withinMs} ms`);
      await pause(20);
    }
  }

  private sendTo(base: number): Send {
    return async (method, path, by, { body, ifMatch } = {}) => {
      const requestId = randomUUID();
      const begun = performance.now();
      let hasBegun = false;
      try {
        const response = await fetch(this.bases[base]!() + path, {
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
        hasBegun = status < 300;
        const text = await response.text();
        const at = performance.now();
        const refusal = status < 300 ? null : { type: headers.get('content-type'), text };
        this.answers.push({ requestId, base, method, status, refusal, at, ms: at - begun });
        return { status, headers, text };
      } catch {
        this.lost++;
        if (hasBegun) this.begun.push(requestId);
        return null;
      }
    };
  }
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

export interface Checked {
  successes: number;
  refusals: number;
  /** Requests that were answered with data, in part at least, and of which no event tells. */
  untold: string[];
  /** Writes that were acknowledged and are not there. */
  lostWrites: string[];
}

/** Every answer that came has its event, refusals hold no data, and nothing that was acknowledged is lost. */
export async function checkLoad(load: Load, owner: pg.Client): Promise<Checked> {
  const successes = load.answers.filter(({ status }) => status < 300);
  await sequenced(owner);
  const { rows: events } = await owner.query<{ request_id: string }>('SELECT request_id FROM audit.entry');
  const told = new Set(events.map(({ request_id: id }) => id));
  const untold = [...successes.map(({ requestId }) => requestId), ...load.begun].filter((id) => !told.has(id));
  expect(untold).toEqual([]);
  let refusals = 0;
  for (const { status, refusal, requestId } of load.answers) {
    if (refusal === null) continue;
    refusals++;
    expect(refusal.type).toContain('application/problem+json');
    const { code } = JSON.parse(refusal.text) as { code: string };
    // 412: the change before was made, and its answer was lost.
    expect([status, code].join(' ')).toMatch(
      /^(503 ((http|audit)\.unavailable|http\.outcome-unknown)|412 http\.stale)$/,
    );
    if (code !== 'audit.unavailable') expect(told.has(requestId)).toBe(true);
  }
  const lostWrites = [...(await unregistered(load, owner)), ...(await unrenamed(load, owner))];
  expect(lostWrites).toEqual([]);
  return { successes: successes.length, refusals, untold, lostWrites };
}

async function unregistered(load: Load, owner: pg.Client): Promise<string[]> {
  const { rows } = await owner.query<{ mrn: string }>('SELECT mrn FROM users.patient');
  const stored = new Set(rows.map(({ mrn }) => mrn));
  return load.registered.filter((mrn) => !stored.has(mrn));
}

/** A name that was given since by a request whose answer was lost is no loss: then the version is a later one. */
async function unrenamed(load: Load, owner: pg.Client): Promise<string[]> {
  const lost: string[] = [];
  for (const [id, { version, name }] of load.renamed) {
    const { rows } = await owner.query<{ version: number; name: string }>(
      'SELECT version, display_name AS name FROM users.account WHERE account_id = $1',
      [id],
    );
    const { version: now, name: stands } = rows[0]!;
    if (now < version || (now === version && stands !== name)) lost.push(`${id} version ${version}`);
  }
  return lost;
}
