import type { Role } from '../../platform/access/vocabulary.js';
import { integrationApart, practitionerNeeded, sourceNeeded } from './users.errors.js';

/** Throws when roles, feed and practitioner of a new account do not go together. */
export function checkNewAccount(input: { roles: readonly Role[]; source?: string; practitioner?: object }): void {
  const isFeed = input.roles.includes('integration');
  if (isFeed && input.roles.length > 1) throw integrationApart();
  if (isFeed !== (input.source !== undefined)) throw sourceNeeded();
  if (input.roles.includes('clinician') !== (input.practitioner !== undefined)) throw practitionerNeeded();
}

/** A feed's account is no person's: what a person may do, it may not, and the other way round, also later. */
export function checkGrant(account: { source: string | null; practitionerId: string | null }, role: Role): void {
  if ((account.source !== null) !== (role === 'integration')) throw integrationApart();
  if (role === 'clinician' && account.practitionerId === null) throw practitionerNeeded();
}
