import { ROLES, type Role } from '../../platform/access/vocabulary.js';
import { PageQuery } from '../../platform/http/cursors.js';
import { Instant, OneOf, Text, Texts, Uuid } from '../../platform/http/fields.js';
import type { GrantedVia } from './account-role.entity.js';

const ROLE_CHANGES = ['granted', 'revoked', 'began', 'ended', 'changed'] as const;
const VIA = ['person', 'invitation', 'operator', 'sso', 'directory', 'period'] as const;

export class RolesQuery extends PageQuery {}

export class RoleView {
  @Uuid({ description: 'The grant.' })
  id: string;

  @OneOf(ROLES, { description: 'What was given.' })
  role: Role;

  @Text({ description: 'Why.' })
  reason: string;

  @Instant({ nullable: true, description: 'From when on it counts; null: since it was given.' })
  startsAt: Date | null;

  @Instant({ nullable: true, description: 'From when on it no longer counts; null: until it is taken away.' })
  endsAt: Date | null;

  @Instant({ description: 'When it was given.' })
  grantedAt: Date;

  @Uuid({ nullable: true, description: 'Account of who gave it.' })
  grantedBy: string | null;

  @OneOf(VIA, { description: 'By what it was given.' })
  grantedVia: GrantedVia;

  @Text({ nullable: true, description: "Which single sign-on or which group of the hospital's directory." })
  grantedFrom: string | null;
}

/** Filters of one account's history. */
export class RoleChangeQuery extends PageQuery {
  @OneOf(ROLES, { optional: true, description: 'Only changes of this role.' })
  role?: Role;

  @Uuid({ optional: true, description: 'Only changes by this account.' })
  actorId?: string;

  @Instant({ optional: true, description: 'Only changes at or after this time.' })
  from?: string;

  @Instant({ optional: true, description: 'Only changes before this time.' })
  to?: string;
}

export class RoleChangeView {
  @Uuid({ description: 'The change.' })
  id: string;

  @Uuid({ description: 'Whose roles.' })
  accountId: string;

  @OneOf(ROLES, { description: 'Which role.' })
  role: Role;

  @OneOf(ROLE_CHANGES, {
    description: '`began` and `ended`: by its period. `changed`: in the database itself, past the portal.',
  })
  kind: string;

  @Texts({ description: 'Roles that the account held before.' })
  rolesBefore: Role[];

  @Texts({ description: 'Roles that it held from then on; the same for a role that begins later.' })
  rolesAfter: Role[];

  @Instant({ nullable: true, description: 'From when on the role counts; null: since it was given.' })
  startsAt: Date | null;

  @Instant({ nullable: true, description: 'From when on it no longer counts; null: open.' })
  endsAt: Date | null;

  @Text({ description: 'Why.' })
  reason: string;

  @Instant({ description: 'When it took place.' })
  changedAt: Date;

  @Uuid({ nullable: true, description: 'Account of who did it; null: no account.' })
  changedBy: string | null;

  @OneOf(VIA, { description: 'By what it was done.' })
  via: string;

  @Text({ nullable: true, description: "Which single sign-on or which group of the hospital's directory." })
  viaName: string | null;
}
