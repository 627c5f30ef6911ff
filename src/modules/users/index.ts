export { Accounts } from './accounts.js';
export { Charts, type FeedPatient } from './charts.js';
export { People, type LoadedPerson } from './people.js';
export { Username, usernameKey } from './username.js';
export { AccountDisabled, AccountInvited, PatientInvited, RolesChanged } from './users.events.js';
export { userEntities } from './users.entities.js';
export { UsersModule } from './users.module.js';
export { usersPolicy } from './users.policy.js';
