import type { Person } from '../../platform/access/ability-factory.js';
import type { Policy } from '../../platform/access/ability.js';

/** Compliance officers read the audit trail, patients the proof of what is about them. Nobody changes it. */
export function auditPolicy(policy: Policy, person: Person): void {
  if (person.roles.has('compliance_officer')) {
    policy.allow(['list', 'read'], 'Event').allow('create', 'AuditErasure');
    // Saved queries are their officer's own; others may use them, where they are shared.
    policy.allow(['list', 'read'], 'AuditReport').allow(['list', 'create'], 'AuditQuery');
    policy.allow(['read', 'update', 'delete'], 'AuditQuery', { accountId: person.id });
    policy.allow('read', 'AuditQuery', { isShared: true });
    policy.allow('read', 'EntryBundle').allow('read', 'Proof').allow('read', 'Receipt');
    policy.allow(['create', 'list', 'read', 'download', 'end'], 'AuditExport');
    policy.allow('list', 'Block').allow(['create', 'list', 'read', 'release'], 'LegalHold');
    policy.allow(['read', 'check'], 'AuditVerification').allow('read', 'AuditHealth');
  }
  // Who viewed, downloaded and sent on a chart: for the patient, and whoever acts for them.
  const { patientIds, proxied } = person;
  if (person.roles.has('patient')) policy.allow('list', 'ChartActivity', { patientId: { $in: [...patientIds] } });
  if (person.roles.has('proxy')) policy.allow('list', 'ChartActivity', { patientId: { $in: [...proxied.keys()] } });
  // Of each event that is about them, patients may keep the proof.
  if (person.roles.has('patient')) policy.allow('read', 'Receipt', { patientId: { $in: [...person.patientIds] } });
}
