import type { Person } from '../../platform/access/ability-factory.js';
import type { Policy } from '../../platform/access/ability.js';

/** Compliance officers read the audit trail, patients the proof of what is about them. Nobody changes it. */
export function auditPolicy(policy: Policy, person: Person): void {
  if (person.roles.has('compliance_officer')) {
    policy.allow(['list', 'read'], 'Event').allow('create', 'AuditErasure');
    policy.allow('read', 'EntryBundle').allow('read', 'Proof').allow('read', 'Receipt');
    policy.allow(['create', 'list', 'read', 'download'], 'AuditExport');
    policy.allow(['read', 'check'], 'AuditVerification');
  }
  // Of each event that is about them, patients may keep the proof.
  if (person.roles.has('patient')) policy.allow('read', 'Receipt', { patientId: { $in: [...person.patientIds] } });
}
