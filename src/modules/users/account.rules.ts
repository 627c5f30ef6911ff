import { SERVICE_ROLES, type Role } from '../../platform/access/vocabulary.js';
import { checkTogether } from './role.rules.js';
import { directoryApart, integrationApart, practitionerNeeded, serviceUnnamed, sourceNeeded } from './users.errors.js';

/** What is said of an account that the directory has disabled. Words for people: that it was the directory, `is_disabled_by_directory` says. */
export const BY_DIRECTORY = 'Deactivated by the directory.';
export const REMOVED_BY_DIRECTORY = 'Removed by the directory.';

/** Throws when roles, feed and practitioner of a new account do not go together. */
export function checkNewAccount(input: {
  roles: readonly Role[];
  source?: string;
  practitioner?: object;
  username?: string;
}): void {
  checkTogether(input.roles);
  if (input.username !== undefined && input.roles.some((role) => SERVICE_ROLES.includes(role))) throw serviceUnnamed();
  const isFeed = input.roles.includes('integration');
  if (isFeed && input.roles.length > 1) throw integrationApart();
  if (input.roles.includes('directory') && input.roles.length > 1) throw directoryApart();
  if (isFeed !== (input.source !== undefined)) throw sourceNeeded();
  if (input.roles.includes('clinician') !== (input.practitioner !== undefined)) throw practitionerNeeded();
}

/** A machine's account is no person's: what a person may do, it may not, and the other way round, also later. */
export function checkGrant(
  account: { source: string | null; practitionerId: string | null; roles?: readonly Role[] },
  role: Role,
): void {
  if (role === 'directory' || account.roles?.includes('directory')) throw directoryApart();
  if ((account.source !== null) !== (role === 'integration')) throw integrationApart();
  if (role === 'clinician' && account.practitionerId === null) throw practitionerNeeded();
}

interface Standing {
  roles: readonly Role[];
  status: string;
}

/** What an account may do, in codes: as the audit trail has it before and after a change (ASTM E2147, changes of privileges). */
export const standingOf = ({ roles, status }: Standing): string[] => [...[...roles].sort(), `status:${status}`];

export function changeOf(before: Standing, after: Standing): { before?: string[]; after?: string[] } {
  const [was, is] = [standingOf(before), standingOf(after)];
  return was.join() === is.join() ? {} : { before: was, after: is };
}
