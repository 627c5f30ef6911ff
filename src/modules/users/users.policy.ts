import type { Person } from '../../platform/access/ability-factory.js';
import type { Policy } from '../../platform/access/ability.js';

/** Who sees and changes people: accounts, patients' demographics, practitioners, care teams. No clinical content is meant by any of it. */
export function usersPolicy(policy: Policy, person: Person): void {
  const { roles } = person;

  // The hospital's directory keeps the people that it has brought in, over SCIM, and does nothing else.
  if (roles.has('directory')) {
    policy.allow('read', 'ScimConfig');
    policy.allow(['list', 'search', 'read', 'create', 'update', 'delete'], 'ScimUser', { directoryId: person.id });
    policy.allow(['list', 'search', 'read', 'create', 'update', 'delete'], 'ScimGroup', { directoryId: person.id });
    return;
  }

  // Whoever is signed in sees what stands about themselves and what they may do.
  policy.allow('read', 'Self');

  // A feed writes charts through the import and sees nothing of people.
  if (roles.has('integration')) return;

  policy.allow('update', 'Self');

  // Every person may look up who treats at the hospital.
  policy.allow(['list', 'read'], 'Practitioner');

  // Patients see their own demographics and care team.
  if (roles.has('patient')) {
    policy.allow(['list', 'read'], 'Patient', { id: { $in: person.patientIds } });
    policy.allow('list', 'CareTeam', { patientId: { $in: person.patientIds } });
  }

  // Clinicians see the patients whose care team they are on right now.
  if (roles.has('clinician')) {
    const panel = [...person.panel];
    policy.allow(['list', 'read'], 'Patient', { id: { $in: panel } });
    policy.allow('list', 'CareTeam', { patientId: { $in: panel } });
  }

  // The hospital's offices know all its patients. Compliance officers do not: the audit trail tells them names and nothing else.
  if (roles.has('staff') || roles.has('records_officer') || roles.has('admin')) {
    policy.allow(['list', 'read'], 'Patient');
    policy.allow('list', 'CareTeam');
  }

  // The front desk and administrators register patients, invite them to the portal and keep care teams.
  if (roles.has('staff') || roles.has('admin')) {
    policy.allow(['create', 'update', 'invite'], 'Patient');
    policy.allow(['create', 'end'], 'CareTeam');
  }

  // Who holds which role, and every change of it: for who gives access, and for who checks it.
  if (roles.has('admin') || roles.has('compliance_officer')) {
    policy.allow('list', 'Role');
    policy.allow('list', 'RoleChange');
  }

  // Administrators keep accounts and practitioners; nobody decides on their own access.
  if (roles.has('admin')) {
    policy.allow(['list', 'read', 'create', 'update', 'invite', 'grant', 'revoke', 'disable', 'enable'], 'Account');
    policy.forbid(['invite', 'grant', 'revoke', 'disable', 'enable'], 'Account', { id: person.id });
    policy.allow(['create', 'update'], 'Practitioner');
  }
}
