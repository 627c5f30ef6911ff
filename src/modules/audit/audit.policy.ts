import type { Person } from '../../platform/access/ability-factory.js';
import type { Policy } from '../../platform/access/ability.js';

/** Compliance officers read the audit trail. Nobody else does, and nobody changes it. */
export function auditPolicy(policy: Policy, person: Person): void {
  if (person.roles.has('compliance_officer')) policy.allow(['list', 'read'], 'Event');
}
