import { expect } from '@jest/globals';
import { cloneDatabase } from './database.js';
import { checkLedger } from './ledger.js';
import { Mailbox } from './mailbox.js';
import { makeAdmin, makePatient, signInAs, type Caller, type Patient } from './people.js';
import { startPortal, type Portal } from './portal.js';
import { checkEvents, Replicas, tally, type Said, type Shot } from './replicas.js';

/** A small sample by default; the full size is PORTICO_RACES=50 PORTICO_PARALLEL=100. */
const ROUNDS = Number(process.env.PORTICO_RACES ?? 2);
export const PARALLEL = Number(process.env.PORTICO_PARALLEL ?? 40);
export const TIME = 30_000 + ROUNDS * 30_000;

/** A step-up counts for 5 minutes; every sign-in needs a code of its own half minute. */
const FRESH_MS = 4 * 60_000;

const ENV = {
  ACCESS_TOKEN_MINUTES: '600',
  STAFF_IDLE_MINUTES: '600',
  STAFF_SESSION_MINUTES: '600',
  TRUSTED_PROXIES: '127.0.0.1',
  // More of them are under way at the same moment than in the usual ten connections.
  DATABASE_POOL_SIZE: '25',
};

/** Some were told 503: this machine was too slow for so many at once, and the round says nothing of how they are refused. */
class Overloaded extends Error {
  constructor(readonly answers: readonly Said[]) {
    super(`the servers had no time for all: ${JSON.stringify(tally(answers))}`);
  }
}

export const everyone = (shot: (index: number) => Shot): Shot[] =>
  Array.from({ length: PARALLEL }, (_, index) => shot(index));

interface Round {
  /** What is sent, all of it at once. */
  shots: Shot[];
  /** What must be true afterwards, besides that one won. */
  check: (winner: Said, answers: Said[]) => Promise<void>;
}

export interface Race {
  /** Audit code. */
  action: string;
  /** `status code` of every refusal that the contract has for who comes too late. */
  refusals: readonly string[];
  /** A round with people, codes and tokens of its own. */
  prepare: () => Promise<Round>;
}

/** Two servers under test, a third that makes the people, and the figures of what came out. */
export class Races {
  readonly mailbox: Mailbox;
  private readonly figures: string[] = [];
  private signedInAt = 0;

  private constructor(
    readonly seed: Portal,
    readonly replicas: Replicas,
    /** Of whom the last two may approve what the first asks for. */
    private readonly admins: [Caller, Caller, Caller],
  ) {
    this.mailbox = new Mailbox(seed);
    this.signedInAt = Date.now();
  }

  static async start(more: Record<string, string> = {}): Promise<Races> {
    const database = await cloneDatabase();
    const env = { ...ENV, ...more };
    const seed = await startPortal({ database, env });
    const admins: [Caller, Caller, Caller] = [await makeAdmin(seed), await makeAdmin(seed), await makeAdmin(seed)];
    return new Races(seed, await Replicas.start(seed, database, env), admins);
  }

  /** Resolves with the figures. */
  async end(): Promise<string> {
    await this.replicas.end();
    await checkLedger(this.seed);
    await this.seed.close();
    return [`${ROUNDS} rounds of ${PARALLEL} requests each:`, ...this.figures].join('\n');
  }

  /** Three administrators, with a second factor of the last minutes. */
  async administrators(): Promise<readonly [Caller, Caller, Caller]> {
    if (Date.now() - this.signedInAt > FRESH_MS) {
      for (const [index, { credentials }] of this.admins.entries())
        this.admins[index] = await signInAs(this.seed, credentials);
      this.signedInAt = Date.now();
    }
    return this.admins;
  }

  async admin(): Promise<Caller> {
    return (await this.administrators())[0];
  }

  async patient(): Promise<Patient> {
    return makePatient(this.seed, await this.admin());
  }

  /** All at once; nothing fails, and every answer has its one event. Rejects with {@link Overloaded}. */
  async rush(shots: Shot[], action: string): Promise<Said[]> {
    const answers = await this.replicas.rush(shots);
    await checkEvents(this.seed, shots, answers, action);
    const failed = Object.keys(tally(answers)).filter((said) => said.startsWith('5'));
    expect(failed.filter((said) => said !== '503 http.unavailable')).toEqual([]);
    if (failed.length > 0) throw new Overloaded(answers);
    return answers;
  }

  /** So many rounds, of which in each exactly one request wins and all others are told so. */
  async race(name: string, { action, refusals, prepare }: Race): Promise<void> {
    const wins = [0, 0];
    await this.measured(name, async () => {
      const { shots, check } = await prepare();
      const answers = await this.rush(shots, action).catch((error: unknown) => {
        // Not even then may two win.
        if (error instanceof Overloaded) expect(error.answers.filter(isSuccess).length).toBeLessThanOrEqual(1);
        throw error;
      });
      const [winners, losers] = [answers.filter(isSuccess), answers.filter((one) => !isSuccess(one))];
      expect(Object.keys(tally(losers)).filter((said) => !refusals.includes(said))).toEqual([]);
      expect(winners).toHaveLength(1);
      const [winner] = winners as [Said];
      await check(winner, answers);
      wins[winner.replica]!++;
      return answers;
    });
    this.note(`  won on one server ${wins[0]}, on the other ${wins[1]}`);
  }

  /** A round that the machine was too slow for is done again, with other people; as often as there are rounds, and no more. */
  async measured(name: string, round: () => Promise<Said[]>): Promise<void> {
    const begun = performance.now();
    const all: Said[] = [];
    let again = 0;
    for (let n = 0; n < ROUNDS; n++) {
      try {
        all.push(...(await round()));
      } catch (error) {
        if (!(error instanceof Overloaded) || again++ >= ROUNDS + 3) throw error;
        n--;
      }
    }
    const seconds = Math.round((performance.now() - begun) / 1000);
    this.note(`${name}: ${JSON.stringify(tally(all))}, ${seconds} s${again > 0 ? `, ${again} rounds again` : ''}`);
  }

  note(line: string): void {
    this.figures.push(line);
  }

  async one<T extends object>(sql: string, ...parameters: unknown[]): Promise<T> {
    return (await this.seed.owner.query<T>(sql, parameters)).rows[0]!;
  }

  /** Rows of a table, `count('auth.session WHERE account_id = $1', id)`. */
  async count(from: string, ...parameters: unknown[]): Promise<number> {
    return (await this.one<{ n: number }>(`SELECT count(*)::int AS n FROM ${from}`, ...parameters)).n;
  }

  sessionsOf(accountId: string): Promise<number> {
    return this.count('auth.session WHERE account_id = $1', accountId);
  }
}

const isSuccess = ({ status }: Said): boolean => status < 300;
