import type { Policy } from '../../platform/access/ability.js';
import type { Person } from '../../platform/access/ability-factory.js';

/** Everybody who is signed in looks after their own sessions, password and second factor, and after nobody else's. */
export function authPolicy(policy: Policy, person: Person): void {
  policy.allow(['list', 'read', 'logout', 'logout-all', 'revoke', 'step-up'], 'Session', { accountId: person.id });
  policy.allow(['enrol', 'confirm', 'delete'], 'SecondFactor', { accountId: person.id });
  policy.allow('update', 'Password', { accountId: person.id });
}
