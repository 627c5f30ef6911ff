import { AccountRole } from './account-role.entity.js';
import { Account } from './account.entity.js';
import { CareTeamMember } from './care-team-member.entity.js';
import { Feed } from './feed.entity.js';
import { Patient } from './patient.entity.js';
import { Practitioner } from './practitioner.entity.js';

/** For the roof's data source alone. */
export const userEntities = [Account, AccountRole, CareTeamMember, Feed, Patient, Practitioner];
