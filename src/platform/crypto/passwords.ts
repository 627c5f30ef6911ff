import { availableParallelism } from 'node:os';
import { Piscina } from 'piscina';
import {
  decoyBcrypt,
  formatStored,
  MAX_COST,
  MIN_COST,
  parseStored,
  prehash,
  StoredPasswordError,
} from './password-format.js';
import { type PasswordTask } from './password.worker.js';
import { type Pepper } from './key-ring.js';

/** Where peppers come from: the active one, or that of an id (undefined when unknown); KeyRing is one. */
export interface PepperSource {
  pepper(): Pepper;
  pepper(id: string): Pepper | undefined;
}

export interface PasswordHasherOptions {
  /** bcrypt cost, 4 to 16; production needs 12 or more, which the configuration enforces. */
  readonly cost: number;
  /** Worker threads; see defaultThreads. */
  readonly threads?: number;
  /** Computations that may wait beyond the running ones; default as many as take about 4 s: 16 per thread at cost 12. */
  readonly maxQueue?: number;
}

/** The hasher has more waiting work than it accepts; the caller answers 503 with Retry-After, never "wrong password". */
export class HasherBusyError extends Error {
  override readonly name = 'HasherBusyError';
  constructor() {
    super('password hashing is at its limit');
  }
}

export interface PasswordCheck {
  readonly ok: boolean;
  /** True when ok and the stored form is not of the current pepper and cost: hash anew and store while the password is at hand. */
  readonly needsRehash: boolean;
}

const MAX_DEFAULT_THREADS = 8;

/**
 * Costs of the hashes that are missing from one cost to a higher one, so that an account that nobody signed in to since it was
 * raised answers in no shorter time: work doubles with each step, and 2^c + (2^c + 2^(c+1) + … + 2^(C-1)) = 2^C.
 */
export const missingCosts = (from: number, to: number): number[] =>
  Array.from({ length: Math.max(0, to - from) }, (_, step) => from + step);

const queueOf = (cost: number): number => Math.max(2, 16 * 2 ** (12 - cost));

/**
 * As many as there are cores where hashing runs at a lower priority of its own (Linux, see password.worker): it then takes
 * what the event loop and the database leave. Elsewhere one core is left to them. Beyond eight, a flood of sign-ins would be
 * worth more to an attacker than to patients.
 */
export function defaultThreads(cores = availableParallelism(), hasPriorities = process.platform === 'linux'): number {
  return Math.min(hasPriorities ? cores : Math.max(1, cores - 1), MAX_DEFAULT_THREADS);
}

/**
 * Hashes and checks passwords as bcrypt(base64(HMAC-SHA-384(pepper, NFC(password)))) on worker threads of its own, started at first use;
 * the pepper stays in this thread, a worker sees only the HMAC. Length and blocklist rules are the caller's.
 */
export class PasswordHasher {
  readonly #peppers: PepperSource;
  readonly #cost: number;
  readonly #threads: number;
  readonly #limit: number;
  #pool: Piscina<PasswordTask, string | boolean> | null = null;
  #pending = 0;
  #closed = false;

  constructor(peppers: PepperSource, options: PasswordHasherOptions) {
    const { cost, threads = defaultThreads(), maxQueue = threads * queueOf(options.cost) } = options;
    requireInteger('cost', cost, MIN_COST, MAX_COST);
    requireInteger('threads', threads, 1, 64);
    requireInteger('maxQueue', maxQueue, 0, 100_000);
    this.#peppers = peppers;
    this.#cost = cost;
    this.#threads = threads;
    this.#limit = threads + maxQueue;
  }

  /** The form to store, `p1$<pepper id>$<bcrypt>`; rejects with HasherBusyError, and with RangeError on text that is not Unicode. */
  async hash(password: string): Promise<string> {
    // a lone surrogate encodes as U+FFFD, so different passwords would be the same
    if (!password.isWellFormed()) throw new RangeError('password is not well-formed Unicode');
    const pepper = this.#peppers.pepper();
    const bcrypt = await this.run({ kind: 'hash', input: prehash(password, pepper.key), cost: this.#cost });
    return formatStored(pepper.id, String(bcrypt));
  }

  /** Checks a password with the stored pepper and cost; rejects with HasherBusyError or StoredPasswordError, never guesses. */
  async verify(password: string, stored: string): Promise<PasswordCheck> {
    const { pepperId, cost, bcrypt } = parseStored(stored);
    const pepper = this.#peppers.pepper(pepperId);
    if (!pepper) throw new StoredPasswordError('unknown-pepper');
    const input = prehash(password, pepper.key);
    const matches = await this.run({
      kind: 'verify',
      input,
      hash: bcrypt,
      more: missingCosts(cost, this.#cost).map(decoyBcrypt),
    });
    const ok = matches === true && password.isWellFormed();
    return { ok, needsRehash: ok && (cost !== this.#cost || pepperId !== this.#peppers.pepper().id) };
  }

  /** Does the work of one verification at the current cost and answers false, so that an unknown account costs the same time; rejects with HasherBusyError. */
  async decoy(password: string): Promise<false> {
    const input = prehash(password, this.#peppers.pepper().key);
    await this.run({ kind: 'verify', input, hash: decoyBcrypt(this.#cost), more: [] });
    return false;
  }

  /** Ends the worker threads after the work that they have; whatever is asked later is refused as busy. */
  async close(): Promise<void> {
    this.#closed = true;
    const pool = this.#pool;
    this.#pool = null;
    await pool?.close();
  }

  private async run(task: PasswordTask): Promise<string | boolean> {
    if (this.#closed || this.#pending >= this.#limit) throw new HasherBusyError();
    this.#pending++;
    try {
      this.#pool ??= this.startPool();
      return await this.#pool.run(task);
    } finally {
      this.#pending--;
    }
  }

  private startPool(): Piscina<PasswordTask, string | boolean> {
    const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
    const filename = new URL(`./password.worker.${extension}`, import.meta.url).href;
    return new Piscina({ filename, minThreads: this.#threads, maxThreads: this.#threads, env: {}, execArgv: [] });
  }
}

function requireInteger(name: string, value: number, min: number, max: number): void {
  if (!Number.isInteger(value) || value < min || value > max) throw new RangeError(`${name} needs ${min} to ${max}`);
}
