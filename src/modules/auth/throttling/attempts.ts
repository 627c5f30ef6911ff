import { Injectable } from '@nestjs/common';
import ipaddr from 'ipaddr.js';
import type { Db } from '../../../platform/database/db.js';
import type { Problem } from '../../../platform/http/problem.js';
import { tooManyAttempts } from '../auth.errors.js';
import { Secrets } from '../secrets.js';

/** `free` failures in a row cost nothing; then each doubles the wait, from 30 s to 1 h; after `stop` of them nothing is checked. */
interface Limit {
  free: number;
  stop: number | null;
}

// NIST SP 800-63B-4 §3.2.2 allows at most 100 failures in a row for each authenticator. An address is shared by many: no stop.
const LIMITS = {
  password: { free: 5, stop: 100 },
  totp: { free: 5, stop: 100 },
  recovery_code: { free: 5, stop: 100 },
  activation: { free: 5, stop: 100 },
  'activation-address': { free: 20, stop: null },
} as const satisfies Record<string, Limit>;

export type AttemptKind = keyof typeof LIMITS;

export interface Attempt {
  kind: AttemptKind;
  subject: Buffer;
}

type Queries = Pick<Db, 'query'>;

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

/**
 * Throttling by reservation: a try is counted as a failure before the secret is looked at, by one conditional statement,
 * so that any number of parallel tries gets exactly as many checks as serial ones. Success takes the count away.
 */
@Injectable()
export class Attempts {
  constructor(private readonly secrets: Secrets) {}

  /** What is counted together; `name` is never stored, only its MAC, so that unknown names cost the same as known ones. */
  of(kind: AttemptKind, name: string): Attempt {
    return { kind, subject: this.secrets.mac('attempt', `${kind}\0${name}`) };
  }

  /** May this try be checked? Call it in a transaction of its own: a refusal rolls the request's back, and must still count. */
  async reserve(db: Queries, { kind, subject }: Attempt, now: Date): Promise<boolean> {
    const { free, stop } = LIMITS[kind];
    const rows = await db.query(
      `INSERT INTO auth.attempt AS a (subject, failures, blocked_until, last_at) VALUES ($1, 1, NULL, $2)
       ON CONFLICT (subject) DO UPDATE SET failures = a.failures + 1, last_at = $2, blocked_until =
         CASE WHEN a.failures + 1 < $3 THEN NULL
              ELSE $2::timestamptz + least(30 * 2 ^ least(a.failures + 1 - $3, 10), 3600) * interval '1 second' END
       WHERE (a.blocked_until IS NULL OR a.blocked_until <= $2) AND ($4::integer IS NULL OR a.failures < $4)
       RETURNING failures`,
      [subject, now, free, stop],
      'auth_attempt_reserve',
    );
    return rows.length > 0;
  }

  /**
   * Reserves; resolves with the refusal (429 and the time to wait) where that is not allowed, to be thrown after this
   * transaction's commit. Not for sign-in by password, where being locked must not show.
   */
  async refusal(db: Queries, attempt: Attempt, now: Date): Promise<Problem | null> {
    if (await this.reserve(db, attempt, now)) return null;
    const [row] = await db.query<{ failures: number; blocked_until: Date | null }>(
      'SELECT failures, blocked_until FROM auth.attempt WHERE subject = $1',
      [attempt.subject],
    );
    const { stop } = LIMITS[attempt.kind];
    if (row && stop !== null && row.failures >= stop) return tooManyAttempts(null);
    const waitMs = (row?.blocked_until?.getTime() ?? 0) - now.getTime();
    return tooManyAttempts(Math.max(1, Math.ceil(waitMs / 1000)));
  }

  /** The secret was right: failures before it no longer count. Belongs into the transaction of what the secret opened. */
  async succeeded(db: Queries, ...attempts: Attempt[]): Promise<void> {
    await db.query('DELETE FROM auth.attempt WHERE subject = ANY($1)', [attempts.map(({ subject }) => subject)]);
  }

  /** Takes one reservation back, because the secret could not be looked at after all. */
  async withdraw(db: Queries, { kind, subject }: Attempt): Promise<void> {
    await db.query(
      `UPDATE auth.attempt SET failures = failures - 1, blocked_until = CASE WHEN failures - 1 < $2 THEN NULL ELSE blocked_until END
        WHERE subject = $1 AND failures > 0`,
      [subject, LIMITS[kind].free],
    );
  }
}
