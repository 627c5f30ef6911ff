import type { Role } from '../../platform/access/vocabulary.js';
import { emptyPeriod, rolesApart, startsInPast } from './users.errors.js';

/**
 * Separation of duties (NIST SP 800-53 AC-5, ISO/IEC 27001:2022 A.5.3): who gives access neither checks it nor decides what is
 * released, and who releases does not check the releases. The database keeps the same list, and the machines' roles as well.
 */
export const ROLES_APART: readonly (readonly [Role, Role])[] = [
  ['admin', 'compliance_officer'],
  ['admin', 'records_officer'],
  ['compliance_officer', 'records_officer'],
];

/** When a role counts: in [starts, ends). `startsAt` null: from the moment on in which it is given; `endsAt` null: until it is taken away. */
export interface RolePeriod {
  startsAt: Date | null;
  endsAt: Date | null;
}

/** The period of a new grant. Throws when it lies in the past or is empty. */
export function periodOf(now: Date, input: { startsAt?: string; endsAt?: string }): RolePeriod {
  const startsAt = input.startsAt === undefined ? null : new Date(input.startsAt);
  const endsAt = input.endsAt === undefined ? null : new Date(input.endsAt);
  if (startsAt !== null && startsAt < now) throw startsInPast();
  if (endsAt !== null && endsAt <= (startsAt ?? now)) throw emptyPeriod();
  return { startsAt, endsAt };
}

const excludes = (one: Role, other: Role): boolean =>
  ROLES_APART.some(([a, b]) => (a === one && b === other) || (a === other && b === one));

/** Throws when two of these roles, for one account at one time, exclude each other. */
export function checkTogether(roles: readonly Role[]): void {
  if (roles.some((one) => roles.some((other) => excludes(one, other)))) throw rolesApart();
}

interface Standing {
  role: Role;
  from: Date;
  endsAt: Date | null;
}

const meet = (a: Standing, b: Standing): boolean =>
  (a.endsAt === null || a.endsAt > b.from) && (b.endsAt === null || b.endsAt > a.from);

/** Throws when a new grant would meet, at any moment, a role that excludes it. */
export function checkApart(standing: readonly Standing[], grant: Standing): void {
  if (standing.some((one) => excludes(one.role, grant.role) && meet(one, grant))) throw rolesApart();
}

/** SQL: does the row of account_role called `alias` count at the time in this parameter? */
export const countsAt = (alias: string, now: string): string =>
  `${alias}.revoked_at IS NULL AND (${alias}.starts_at IS NULL OR ${alias}.starts_at <= ${now}) AND (${alias}.ends_at IS NULL OR ${alias}.ends_at > ${now})`;
