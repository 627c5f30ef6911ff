import { ROLES, SERVICE_ROLES, STAFF_ROLES, type Role } from '../../platform/access/vocabulary.js';
import { PageQuery } from '../../platform/http/cursors.js';
import { Email, Instant, Nested, OneOf, SomeOf, Text, Texts, Uuid, Whole } from '../../platform/http/fields.js';
import { ACCOUNT_STATUSES, type AccountStatus } from './account.entity.js';
import { tidy } from './names.js';
import { NewPractitioner } from './practitioner.dto.js';
import { Username } from './username.js';

/** Roles that an administrator hands out. `patient` comes by activating an invitation, `proxy` by a grant. */
const GIVEN_ROLES: readonly Role[] = [...STAFF_ROLES, ...SERVICE_ROLES];

/** How recent the second factor must be for changing what somebody may do, in seconds. */
export const ROLE_STEP_UP_SECONDS = 300;

export class AccountParams {
  @Uuid({ description: 'Account.' })
  id: string;
}

export class AccountRoleParams extends AccountParams {
  @OneOf(GIVEN_ROLES, { description: 'Role to take away.' })
  role: Role;
}

export class AccountQuery extends PageQuery {
  @OneOf(ACCOUNT_STATUSES, { optional: true, description: 'Only accounts in this state.' })
  status?: AccountStatus;

  @OneOf(ROLES, { optional: true, description: 'Only accounts that hold this role.' })
  role?: Role;

  @Text({ optional: true, max: 100, normalise: tidy, description: 'Beginning of the display name, in either case.' })
  text?: string;
}

export class CreateAccount {
  @Text({ max: 100, normalise: tidy, description: 'Name as others see it.', example: 'Dr. Ines Okafor' })
  displayName: string;

  @Email({ description: 'Where the activation code goes.' })
  email: string;

  @SomeOf(GIVEN_ROLES, { min: 1, description: 'What the account may do. `integration` and `directory` stand alone.' })
  roles: Role[];

  @Text({
    optional: true,
    max: 255,
    pattern: /^(?!urn:portico:)[A-Za-z][A-Za-z0-9+.-]*:\S+$/,
    form: 'an absolute URI, such as https://ehr.hospital.example/fhir',
    description: 'URI of the feed that an integration account speaks for; only with that role.',
    example: 'https://ehr.hospital.example/fhir',
  })
  source?: string;

  @Nested(() => NewPractitioner, {
    optional: true,
    description: 'Entry among the practitioners; exactly with the role `clinician`.',
  })
  practitioner?: NewPractitioner;

  @Username({ optional: true, description: 'Name to sign in with; else it is chosen on activation.' })
  username?: string;
}

export class UpdateAccount {
  @Text({ optional: true, max: 100, normalise: tidy, description: 'Name as others see it.' })
  displayName?: string;
}

export class GrantRole {
  @OneOf(GIVEN_ROLES, { description: 'Role to give.' })
  role: Role;

  @Text({ max: 500, normalise: tidy, description: 'Why; kept with the role.' })
  reason: string;

  @Instant({ optional: true, description: 'From when on it counts. Default: now.' })
  startsAt?: string;

  @Instant({ optional: true, description: 'From when on it no longer counts. Default: until it is taken away.' })
  endsAt?: string;
}

export class Reason {
  @Text({ max: 500, normalise: tidy, description: 'Why; kept with the account.' })
  reason: string;
}

export class AccountView {
  @Uuid({ description: 'Account.' })
  id: string;

  @Text({ nullable: true, description: 'Name to sign in with; null until chosen.' })
  username: string | null;

  @Text({ description: 'Name as others see it.' })
  displayName: string;

  @Email({ description: 'Where notices go.' })
  email: string;

  @OneOf(ACCOUNT_STATUSES, { description: '`invited` until it is activated.' })
  status: AccountStatus;

  @Text({ nullable: true, description: 'Why it is disabled; null when it is not.' })
  disabledReason: string | null;

  @Texts({ description: 'Roles that it holds.' })
  roles: Role[];

  @Uuid({ nullable: true, description: 'Its entry among the practitioners.' })
  practitionerId: string | null;

  @Text({ nullable: true, description: 'Feed that it speaks for.' })
  source: string | null;

  @Whole({ description: 'Version; the ETag for If-Match.' })
  version: number;

  @Instant({ description: 'When it was opened.' })
  createdAt: Date;

  @Instant({ description: 'When it last changed.' })
  updatedAt: Date;
}
