import { Inject, Injectable } from '@nestjs/common';
import ipaddr from 'ipaddr.js';
import type { Ctx } from '../../../platform/access/context.js';
import { CONFIG, type Config } from '../../../platform/config/config.js';
import type { Db } from '../../../platform/database/db.js';
import type { Problem } from '../../../platform/http/problem.js';
import { tooManyAttempts } from '../auth.errors.js';
import { Secrets } from '../secrets.js';

/**
 * `free` failures cost nothing; then each doubles the wait, from 30 s to `longestSeconds`; after `stop` of them nothing is
 * checked. They count in a row, until a success; where there is a window, only those of the window.
 */
interface Limit {
  free: number;
  stop: number | null;
  longestSeconds?: number;
  windowSeconds?: number;
}

export const HOUR = 3_600;
const WINDOW = 900;

// NIST SP 800-63B-4 §3.2.2 allows at most 100 failures in a row for each authenticator. An address is shared by many: no stop.
export const LIMITS = {
  password: { free: 5, stop: 100 },
  // Whoever holds the token of a remembered device is nobody who guesses from afar, and still gets few guesses.
  device: { free: 5, stop: 10 },
  totp: { free: 5, stop: 100 },
  recovery_code: { free: 5, stop: 100 },
  sms: { free: 5, stop: 100 },
  activation: { free: 5, stop: 100 },
  'address-check': { free: 5, stop: 100 },
  'lost-factor': { free: 5, stop: 100 },
  'activation-address': { free: 20, stop: null, windowSeconds: HOUR },
  // A signature is not guessed: this is against the cost of checking. A client's workers may all ask at once.
  client: { free: 100, stop: null },
  'client-network': { free: 200, stop: null, longestSeconds: WINDOW, windowSeconds: WINDOW },
  'sign-in-network': { free: 100, stop: null, longestSeconds: WINDOW, windowSeconds: WINDOW },
} as const satisfies Record<string, Limit>;

export type AttemptKind = keyof typeof LIMITS;

export interface Attempt {
  kind: AttemptKind;
  subject: Buffer;
  limit: Limit;
}

type Queries = Pick<Db, 'query'>;

interface Counted {
  failures: number;
  since: Date;
  blockedUntil: Date | null;
}

/** An IPv6 customer holds a whole /64: counting single addresses would count nothing. */
export function networkOf(address: string): string {
  if (!ipaddr.isValid(address)) return address;
  const parsed = ipaddr.process(address);
  if (parsed.kind() === 'ipv4') return parsed.toString();
  return (parsed as ipaddr.IPv6).parts
    .slice(0, 4)
    .map((part) => part.toString(16))
    .join(':');
}

function isWithin(address: string, networks: readonly string[]): boolean {
  if (!ipaddr.isValid(address)) return false;
  const parsed = ipaddr.process(address);
  return networks.some((network) => {
    const [base, bits] = ipaddr.parseCIDR(network);
    return parsed.kind() === base.kind() && parsed.match(base, bits);
  });
}

/** A hospital's own network has many people behind few addresses: so many times as much is free there. */
const OWN_NETWORK_FACTOR = 100;

/**
 * Counts one try of `$first` as a failure, if that may be checked: parameters subject, free, stop, longest wait, window; `$1`
 * is the time. No row: not allowed.
 */
function counting(first: number, source: string): string {
  const [subject, free, stop, longest, window] = [0, 1, 2, 3, 4].map((offset) => `$${first + offset}`);
  const isOver = `a.since + ${window}::integer * interval '1 second' <= $1`;
  const failures = `CASE WHEN ${isOver} THEN 1 ELSE a.failures + 1 END`;
  return `INSERT INTO auth.attempt AS a (subject, failures, blocked_until, last_at, since, window_seconds)
     SELECT ${subject}::bytea, 1, NULL::timestamptz, $1::timestamptz, $1, ${window} ${source}
     ON CONFLICT (subject) DO UPDATE SET failures = ${failures}, last_at = $1, since = CASE WHEN ${isOver} THEN $1 ELSE a.since END,
       blocked_until = CASE WHEN ${failures} < ${free} THEN NULL
         ELSE $1 + least(30 * 2 ^ least(${failures} - ${free}, 10), ${longest}::integer) * interval '1 second' END
     WHERE (a.blocked_until IS NULL OR a.blocked_until <= $1) AND (${stop}::integer IS NULL OR a.failures < ${stop})
     RETURNING failures, since, blocked_until AS "blockedUntil"`;
}

const RESERVE = counting(2, '');

// The network first: from one that waits, nobody adds to anybody's failures.
const RESERVE_BOTH = `WITH network AS (${counting(2, '')}),
    allowed AS (SELECT count(*) > 0 AS is_allowed FROM network),
    account AS (${counting(7, 'FROM allowed WHERE is_allowed OR NOT $12')})
  SELECT n.failures, n.since, n."blockedUntil", EXISTS (SELECT 1 FROM account) AS "isAllowed" FROM allowed LEFT JOIN network n ON true`;

/** The count of what was just refused: it is there, and nobody takes it away before this transaction ends. */
async function look(db: Queries, { subject }: Attempt): Promise<Counted> {
  const [row] = await db.query<Counted>(
    'SELECT failures, since, blocked_until AS "blockedUntil" FROM auth.attempt WHERE subject = $1',
    [subject],
  );
  return row!;
}

const parametersOf = ({ subject, limit }: Attempt): unknown[] => [
  subject,
  limit.free,
  limit.stop,
  limit.longestSeconds ?? HOUR,
  limit.windowSeconds ?? null,
];

/**
 * Throttling by reservation: a try is counted as a failure before the secret is looked at, by one conditional statement,
 * so that any number of parallel tries gets exactly as many checks as serial ones. Success takes the count away.
 */
@Injectable()
export class Attempts {
  constructor(
    private readonly secrets: Secrets,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  /** What is counted together; `name` is never stored, only its MAC, so that unknown names cost the same as known ones. */
  of(kind: AttemptKind, name: string): Attempt {
    return { kind, subject: this.secrets.mac('attempt', `${kind}\0${name}`), limit: LIMITS[kind] };
  }

  /** All sign-ins that come from one network: the address, of IPv6 its /64. Proxies count as their clients where they are trusted. */
  ofNetwork(address: string): Attempt {
    const { failures, ownNetworks } = this.config.throttling;
    const network = this.of('sign-in-network', networkOf(address));
    const free = failures * (isWithin(address, ownNetworks) ? OWN_NETWORK_FACTOR : 1);
    return { ...network, limit: { ...network.limit, free } };
  }

  /** May this try be checked? Call it in a transaction of its own: a refusal rolls the request's back, and must still count. */
  async reserve(db: Queries, attempt: Attempt, now: Date): Promise<boolean> {
    const rows = await db.query(RESERVE, [now, ...parametersOf(attempt)], 'auth_attempt_reserve');
    return rows.length > 0;
  }

  /**
   * The same for a sign-in, together with its network. Resolves with the refusal of a network that waits (429); whether the
   * account waits must not show. A remembered device is let past its network (`mayPass`), which counts it all the same.
   */
  async reserveSignIn(
    ctx: Ctx,
    db: Queries,
    network: Attempt,
    attempt: Attempt,
    mayPass: boolean,
  ): Promise<{ isAllowed: boolean; refused: Problem | null }> {
    const [row] = await db.query<{ [K in keyof Counted]: Counted[K] | null } & { isAllowed: boolean }>(
      RESERVE_BOTH,
      [ctx.now, ...parametersOf(network), ...parametersOf(attempt), !mayPass],
      'auth_attempt_reserve_both',
    );
    const { isAllowed, ...counted } = row!;
    const isCounted = counted.failures !== null;
    const state = isCounted ? (counted as Counted) : await look(db, network);
    const seconds = showLimit(ctx, 'sign-in', network.limit, state, !isCounted);
    return { isAllowed, refused: isCounted || mayPass ? null : tooManyAttempts(seconds) };
  }

  /**
   * Reserves; resolves with the refusal (429 and the time to wait) where that is not allowed, to be thrown after this
   * transaction's commit. Not for sign-in by password, where being locked must not show.
   */
  async refusal(db: Queries, attempt: Attempt, now: Date): Promise<Problem | null> {
    if (await this.reserve(db, attempt, now)) return null;
    const { failures, blockedUntil } = await look(db, attempt);
    const { stop } = attempt.limit;
    return tooManyAttempts(stop !== null && failures >= stop ? null : secondsUntil(blockedUntil ?? now, now));
  }

  /** The same for a network, whose count is nobody's secret: the answer says what is left of it. */
  async networkRefusal(ctx: Ctx, db: Queries, network: Attempt, policy: string): Promise<Problem | null> {
    const [counted] = await db.query<Counted>(RESERVE, [ctx.now, ...parametersOf(network)], 'auth_attempt_reserve');
    const seconds = showLimit(ctx, policy, network.limit, counted ?? (await look(db, network)), !counted);
    return counted ? null : tooManyAttempts(seconds);
  }

  /**
   * The secret was right: failures before it no longer count. Belongs into the transaction of what the secret opened. Resolves
   * with how many there were, this try not among them.
   */
  async succeeded(db: Queries, ...attempts: Attempt[]): Promise<number> {
    const rows = await db.query<{ failures: number }>(
      // In the order in which they were reserved: otherwise the next try and this one would wait for each other.
      `DELETE FROM auth.attempt WHERE subject IN (
         SELECT subject FROM auth.attempt WHERE subject = ANY($1) ORDER BY array_position($1::bytea[], subject) FOR UPDATE)
       RETURNING failures`,
      [attempts.map(({ subject }) => subject)],
    );
    return rows.reduce((sum, { failures }) => sum + Math.max(0, failures - 1), 0);
  }

  /**
   * Takes reservations back: one, because the secret could not be looked at after all; two, when it was right in a network
   * that many share, so that there a failure and a success make nothing.
   */
  async withdraw(db: Queries, { subject, limit }: Attempt, count = 1): Promise<void> {
    await db.query(
      `UPDATE auth.attempt SET failures = greatest(failures - $3, 0),
              blocked_until = CASE WHEN failures - $3 < $2 THEN NULL ELSE blocked_until END
        WHERE subject = $1 AND failures > 0`,
      [subject, limit.free, count],
    );
  }
}

const secondsUntil = (then: Date, now: Date): number => Math.max(1, Math.ceil((then.getTime() - now.getTime()) / 1000));

/** Says what is left (draft-ietf-httpapi-ratelimit-headers-10); resolves with the seconds until there is more. */
function showLimit(ctx: Ctx, policy: string, limit: Limit, state: Counted, isRefused: boolean): number {
  const window = limit.windowSeconds ?? HOUR;
  const endOfWindow = new Date(state.since.getTime() + window * 1000);
  const seconds = secondsUntil((isRefused ? state.blockedUntil : null) ?? endOfWindow, ctx.now);
  const left = isRefused ? 0 : Math.max(0, limit.free - state.failures);
  ctx.answerHeader('ratelimit-policy', `"${policy}";q=${limit.free};w=${window}`);
  ctx.answerHeader('ratelimit', `"${policy}";r=${left};t=${seconds}`);
  return seconds;
}
