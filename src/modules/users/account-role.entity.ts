import { Check, Column, Entity, ForeignKey, Index, PrimaryColumn } from 'typeorm';
import type { Role } from '../../platform/access/vocabulary.js';
import { Account } from './account.entity.js';

@Entity({ schema: 'users', name: 'account_role' })
@Check(
  'account_role__role',
  `role IN ('patient', 'proxy', 'clinician', 'staff', 'records_officer', 'compliance_officer', 'admin', 'integration')`,
)
@Check('account_role__not_to_oneself', `granted_by IS DISTINCT FROM account_id`)
@Check('account_role__not_by_oneself', `revoked_by IS DISTINCT FROM account_id`)
@Index('account_role__already_held', ['accountId', 'role'], { unique: true, where: 'revoked_at IS NULL' })
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

  @Column('timestamptz', { name: 'granted_at' })
  grantedAt: Date;

  /** Null: by activation, or by the operator of the server. */
  @Column('uuid', { name: 'granted_by', nullable: true })
  grantedBy: string | null;

  @Column('timestamptz', { name: 'revoked_at', nullable: true })
  revokedAt: Date | null;

  @Column('uuid', { name: 'revoked_by', nullable: true })
  revokedBy: string | null;

  @Column('text', { name: 'revoke_reason', nullable: true })
  revokeReason: string | null;
}
