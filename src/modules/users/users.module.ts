import { Module } from '@nestjs/common';
import { AccountController } from './account.controller.js';
import { AccountRepository } from './account.repository.js';
import { AccountService } from './account.service.js';
import { Accounts } from './accounts.js';
import { CareTeamController } from './care-team.controller.js';
import { CareTeamRepository } from './care-team.repository.js';
import { CareTeamService } from './care-team.service.js';
import { Charts } from './charts.js';
import { MeController } from './me.controller.js';
import { MeService } from './me.service.js';
import { PatientController } from './patient.controller.js';
import { PatientRepository } from './patient.repository.js';
import { PatientService } from './patient.service.js';
import { People } from './people.js';
import { PractitionerController } from './practitioner.controller.js';
import { PractitionerRepository } from './practitioner.repository.js';
import { PractitionerService } from './practitioner.service.js';

@Module({
  controllers: [AccountController, CareTeamController, MeController, PatientController, PractitionerController],
  providers: [
    AccountRepository,
    AccountService,
    Accounts,
    CareTeamRepository,
    CareTeamService,
    Charts,
    MeService,
    PatientRepository,
    PatientService,
    People,
    PractitionerRepository,
    PractitionerService,
  ],
  exports: [Accounts, Charts, People],
})
export class UsersModule {}
