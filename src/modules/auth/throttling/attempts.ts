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

/** One try of what is counted together. */
export interface Attempt {
  kind: AttemptKind;
  subject: Buffer;
  limit: Limit;
  /** What this very try has counted, if it was: this and nothing else can be withdrawn. */
  counted?: Mark | null;
}

type Queries = Pick<Db, 'query'>;

interface Counted {
  failures: number;
  since: Date;
  blockedUntil: Date | null;
}

/** Tells one counted try from all others: which count it was in, and the wait that it began. */
type Mark = Pick<Counted, 'since' | 'blockedUntil'>;

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
  SELECT n.failures, n.since, n."blockedUntil", a.since AS "accountSince", a."blockedUntil" AS "accountBlockedUntil"
    FROM allowed LEFT JOIN network n ON true LEFT JOIN account a ON true`;

interface BothCounted {
  failures: number | null;
  since: Date | null;
  blockedUntil: Date | null;
  accountSince: Date | null;
  accountBlockedUntil: Date | null;
}

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

  /** All sign-ins that come from one network: the address, of IPv6 its /64. Proxies count as their clients where they are trusted, and on this machine as strangers where they are not. */
  ofNetwork({ address, isByUnnamedProxy }: Ctx['client']): Attempt {
    const { failures, ownNetworks } = this.config.throttling;
    const network = this.of('sign-in-network', networkOf(address));
    const isOwn = isWithin(address, ownNetworks) && !isByUnnamedProxy;
    const free = failures * (isOwn ? OWN_NETWORK_FACTOR : 1);
    return { ...network, limit: { ...network.limit, free } };
  }

  /** May this try be checked? Call it in a transaction of its own: a refusal rolls the request's back, and must still count. */
  async reserve(db: Queries, attempt: Attempt, now: Date): Promise<boolean> {
    return (await this.count(db, attempt, now)) !== null;
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
    const [row] = await db.query<BothCounted>(
      RESERVE_BOTH,
      [ctx.now, ...parametersOf(network), ...parametersOf(attempt), !mayPass],
      'auth_attempt_reserve_both',
    );
    const { accountSince, accountBlockedUntil, ...counted } = row!;
    const isCounted = counted.since !== null;
    const state = isCounted ? (counted as Counted) : await look(db, network);
    network.counted = isCounted ? state : null;
    attempt.counted = accountSince === null ? null : { since: accountSince, blockedUntil: accountBlockedUntil };
    const seconds = showLimit(ctx, 'sign-in', network.limit, state, !isCounted);
    return { isAllowed: accountSince !== null, refused: isCounted || mayPass ? null : tooManyAttempts(seconds) };
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
    const counted = await this.count(db, network, ctx.now);
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
   * Takes back what this try has counted and nothing else, as if it had not been: the secret could not be looked at after all,
   * or was right in a network that many share. So nobody makes up for failures by an account of their own, and a wait ends early
   * only where the tries that began it were none.
   */
  async withdraw(db: Queries, attempt: Attempt): Promise<void> {
    const { subject, limit, counted } = attempt;
    if (!counted) return;
    attempt.counted = null;
    await db.query(
      `UPDATE auth.attempt SET failures = failures - 1,
              blocked_until = CASE WHEN failures - 1 < $4 OR blocked_until = $3 THEN NULL ELSE blocked_until END
        WHERE subject = $1 AND since = $2 AND failures > 0`,
      [subject, counted.since, counted.blockedUntil, limit.free],
    );
  }

  /** Null: not allowed. */
  private async count(db: Queries, attempt: Attempt, now: Date): Promise<Counted | null> {
    const [counted = null] = await db.query<Counted>(RESERVE, [now, ...parametersOf(attempt)], 'auth_attempt_reserve');
    attempt.counted = counted;
    return counted;
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
