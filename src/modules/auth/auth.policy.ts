import type { Policy } from '../../platform/access/ability.js';
import type { Person } from '../../platform/access/ability-factory.js';
import { SERVICE_ROLES } from '../../platform/access/vocabulary.js';

/** Everybody who is signed in looks after their own sessions, password and second factor, and after nobody else's. */
export function authPolicy(policy: Policy, person: Person): void {
  // A machine has no password, no second factor and no screen: it may sign out.
  if (SERVICE_ROLES.some((role) => person.roles.has(role))) {
    policy.allow('logout', 'Session', { accountId: person.id });
    return;
  }
  policy.allow(['list', 'read', 'logout', 'logout-all', 'logout-others', 'revoke', 'challenge', 'step-up'], 'Session', {
    accountId: person.id,
  });
  policy.allow('list', 'SecurityEvent', { accountId: person.id });
  policy.allow(['read', 'list', 'enrol', 'confirm', 'update', 'delete'], 'SecondFactor', { accountId: person.id });
  policy.allow('create', 'RecoveryCode', { accountId: person.id });
  policy.allow(['list', 'enrol', 'delete'], 'FederatedIdentity', { accountId: person.id });
  policy.allow('update', 'Password', { accountId: person.id });
  policy.allow(['list', 'read', 'revoke'], 'Device', { accountId: person.id });
  policy.allow(['read', 'update', 'confirm'], 'Email', { accountId: person.id });

  // Administrators keep the keys of machines, and invitations; the front desk those of patients.
  if (person.roles.has('admin')) {
    policy.allow(['list', 'create', 'revoke'], 'ClientKey');
    policy.allow(['list', 'delete', 'search'], 'Invitation');
  } else if (person.roles.has('staff')) policy.allow(['list', 'delete'], 'Invitation', { of: 'patient' });
  // Who releases records looks after who lets patients in to them: the front desk invites, and sees not what others did.
  if (person.roles.has('records_officer')) policy.allow('search', 'Invitation', { of: 'patient' });

  // Administrators help others back in, and nobody helps themselves. What takes second factors away needs two of them.
  if (person.roles.has('admin')) {
    policy.allow(['unlock', 'reset-factors', 'reset-password', 'change-email'], 'Account');
    policy.forbid(['unlock', 'reset-factors', 'reset-password', 'change-email'], 'Account', { id: person.id });
    policy.allow(['list', 'read', 'approve', 'decline'], 'AccountReset');
    policy.forbid(['approve', 'decline'], 'AccountReset', { accountId: person.id });
    policy.forbid('approve', 'AccountReset', { requestedBy: person.id });
  }

  // Administrators see who signs in by which identity provider, and take a wrong link away; not their own that way.
  if (person.roles.has('admin')) {
    policy.allow(['read', 'revoke'], 'FederatedIdentity');
    policy.forbid('revoke', 'FederatedIdentity', { accountId: person.id });
  }

  // Administrators hand a directory its bearer secrets, and take them away.
  if (person.roles.has('admin')) policy.allow(['list', 'create', 'revoke'], 'ScimToken');

  // Administrators sign others out, without seeing where those are signed in.
  if (person.roles.has('admin')) policy.allow(['end', 'end-all'], 'Session');
  // Administrators have others change a password that somebody else may know; they never set one.
  if (person.roles.has('admin')) policy.allow('expire', 'Password');
}
