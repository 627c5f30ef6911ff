export { Accounts } from './accounts.js';
export { Charts, type FeedPatient, type RegisteredPatient } from './charts.js';
export { FederatedAccounts, type FederatedPerson, type SourceRole } from './federated-accounts.js';
export { Invitees } from './invitees.js';
export { People, type LoadedPerson } from './people.js';
export { ProvisionedAccounts } from './provisioned-accounts.js';
export { RoleGrants, type RoleBoundary } from './role-grants.js';
export { Username, usernameKey } from './username.js';
export {
  AccountDisabled,
  AccountInvited,
  ChartEmailReplaced,
  EmailReplaced,
  RolesChanged,
  RolesOfManyChanged,
} from './users.events.js';
export { userEntities } from './users.entities.js';
export { UsersModule } from './users.module.js';
export { usersPolicy } from './users.policy.js';
