import { Check, Column, Entity, Exclusion, ForeignKey, Index, PrimaryColumn } from 'typeorm';
import type { Role } from '../../platform/access/vocabulary.js';
import { Account } from './account.entity.js';

/** By what a role came or went: a person, an invitation that was used, the operator at the console, single sign-on, the directory. */
export type GrantedVia = 'person' | 'invitation' | 'operator' | 'sso' | 'directory';

@Entity({ schema: 'users', name: 'account_role' })
@Check(
  'account_role__role',
  `role IN ('patient', 'proxy', 'clinician', 'staff', 'records_officer', 'compliance_officer', 'admin', 'integration', 'directory')`,
)
@Check('account_role__not_to_oneself', `granted_by IS DISTINCT FROM account_id`)
@Check('account_role__not_by_oneself', `revoked_by IS DISTINCT FROM account_id`)
@Check('account_role__granted_via', `granted_via IN ('person', 'invitation', 'operator', 'sso', 'directory')`)
@Check('account_role__revoked_via', `revoked_via IN ('person', 'operator', 'sso', 'directory')`)
@Check('account_role__period', `ends_at > coalesce(starts_at, granted_at) AND starts_at >= granted_at`)
@Exclusion(
  'account_role__already_held',
  `USING gist (account_id WITH =, role WITH =, tstzrange(coalesce(starts_at, granted_at), ends_at) WITH &&) WHERE (revoked_at IS NULL)`,
)
@Index('account_role__begins', { synchronize: false })
@Index('account_role__ends', { synchronize: false })
@Index('account_role__of_account', ['accountId'])
export class AccountRole {
  @PrimaryColumn('uuid', { name: 'account_role_id', primaryKeyConstraintName: 'account_role__pk' })
  id: string;

  @ForeignKey(() => Account, { name: 'account_role__account' })
  @Column('uuid', { name: 'account_id' })
  accountId: string;

  @Column('text')
  role: Role;

  @Column('text')
  reason: string;

  /** Null: from the moment on in which it was given. */
  @Column('timestamptz', { name: 'starts_at', nullable: true })
  startsAt: Date | null;

  /** Null: until it is taken away. */
  @Column('timestamptz', { name: 'ends_at', nullable: true })
  endsAt: Date | null;

  @Column('timestamptz', { name: 'granted_at' })
  grantedAt: Date;

  /** Null: by no account; see {@link grantedVia}. */
  @Column('uuid', { name: 'granted_by', nullable: true })
  grantedBy: string | null;

  @Column('text', { name: 'granted_via', default: 'operator' })
  grantedVia: GrantedVia;

  /** Which single sign-on or which group of the directory. */
  @Column('text', { name: 'granted_from', nullable: true })
  grantedFrom: string | null;

  @Column('timestamptz', { name: 'revoked_at', nullable: true })
  revokedAt: Date | null;

  @Column('uuid', { name: 'revoked_by', nullable: true })
  revokedBy: string | null;

  @Column('text', { name: 'revoked_via', nullable: true })
  revokedVia: Exclude<GrantedVia, 'invitation'> | null;

  @Column('text', { name: 'revoked_from', nullable: true })
  revokedFrom: string | null;

  @Column('text', { name: 'revoke_reason', nullable: true })
  revokeReason: string | null;

  /** When the portal noted that the period had begun, and that it had ended: sessions end and history tells then. */
  @Column('timestamptz', { name: 'begin_noted_at', nullable: true })
  beginNotedAt: Date | null;

  @Column('timestamptz', { name: 'end_noted_at', nullable: true })
  endNotedAt: Date | null;
}
