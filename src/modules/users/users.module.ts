import { Module } from '@nestjs/common';
import { AccountController } from './account.controller.js';
import { AccountRepository } from './account.repository.js';
import { AccountService } from './account.service.js';
import { Accounts } from './accounts.js';
import { CareTeamController } from './care-team.controller.js';
import { CareTeamRepository } from './care-team.repository.js';
import { CareTeamService } from './care-team.service.js';
import { Charts } from './charts.js';
import { FederatedAccounts } from './federated-accounts.js';
import { Invitees } from './invitees.js';
import { MeController } from './me.controller.js';
import { MeService } from './me.service.js';
import { PatientController } from './patient.controller.js';
import { PatientRepository } from './patient.repository.js';
import { PatientService } from './patient.service.js';
import { People } from './people.js';
import { NamesModule } from './people-names.service.js';
import { PractitionerController } from './practitioner.controller.js';
import { PractitionerRepository } from './practitioner.repository.js';
import { PractitionerService } from './practitioner.service.js';
import { ProvisionedAccounts } from './provisioned-accounts.js';
import { RoleController } from './role.controller.js';
import { RoleGrants } from './role-grants.js';
import { RoleHistoryService } from './role-history.service.js';
import { ScimConfigController } from './scim/scim-config.controller.js';
import { ScimGroupRoles } from './scim/scim-group-roles.js';
import { ScimGroupController } from './scim/scim-group.controller.js';
import { ScimGroupRepository } from './scim/scim-group.repository.js';
import { ScimGroupService } from './scim/scim-group.service.js';
import { ScimUserController } from './scim/scim-user.controller.js';
import { ScimUserRepository } from './scim/scim-user.repository.js';
import { ScimUserService } from './scim/scim-user.service.js';

@Module({
  imports: [NamesModule],
  controllers: [
    AccountController,
    CareTeamController,
    MeController,
    PatientController,
    PractitionerController,
    RoleController,
    ScimConfigController,
    ScimGroupController,
    ScimUserController,
  ],
  providers: [
    AccountRepository,
    AccountService,
    Accounts,
    CareTeamRepository,
    CareTeamService,
    Charts,
    FederatedAccounts,
    Invitees,
    MeService,
    PatientRepository,
    PatientService,
    People,
    PractitionerRepository,
    PractitionerService,
    ProvisionedAccounts,
    RoleGrants,
    RoleHistoryService,
    ScimGroupRepository,
    ScimGroupRoles,
    ScimGroupService,
    ScimUserRepository,
    ScimUserService,
  ],
  exports: [Accounts, Charts, FederatedAccounts, Invitees, People, ProvisionedAccounts, RoleGrants],
})
export class UsersModule {}
