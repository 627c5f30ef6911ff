import type { Person } from '../../platform/access/ability-factory.js';
import type { Policy } from '../../platform/access/ability.js';

/**
 * Patients open their own charts, clinicians those of their panel, nobody else any. A feed brings records in and sees what
 * became of its own imports; it reads no chart.
 */
export function recordsPolicy(policy: Policy, person: Person): void {
  // Also with no chart in reach: then every chart is one that is not there, as for anybody else's.
  if (person.roles.has('patient'))
    policy.allow(['read', 'list'], 'Record', { patientId: { $in: [...person.patientIds] } });
  if (person.roles.has('clinician'))
    policy.allow(['read', 'list'], 'Record', { patientId: { $in: [...person.panel] } });
  if (person.roles.has('integration') && person.source !== null) {
    policy.allow(['import', 'read', 'list'], 'Import', { accountId: person.id });
  }
}
