import { Check, Column, Entity, Index, PrimaryColumn, Unique } from 'typeorm';

export const ACCOUNT_STATUSES = ['invited', 'active', 'disabled'] as const;
export type AccountStatus = (typeof ACCOUNT_STATUSES)[number];

@Entity({ schema: 'users', name: 'account' })
@Unique('account__username_taken', ['usernameKey'])
@Check('account__status', `status IN ('invited', 'active', 'disabled')`)
@Check('account__username_with_key', `(username IS NULL) = (username_key IS NULL)`)
@Check('account__disabled_with_reason', `(status = 'disabled') = (disabled_reason IS NOT NULL)`)
@Check('account__disabled_by_directory', `status = 'disabled' OR NOT is_disabled_by_directory`)
@Index('account__by_name', { synchronize: false })
@Index('account__by_email', { synchronize: false })
export class Account {
  @PrimaryColumn('uuid', { name: 'account_id', primaryKeyConstraintName: 'account__pk' })
  id: string;

  @Column('text', { nullable: true })
  username: string | null;

  @Column('text', { name: 'username_key', nullable: true })
  usernameKey: string | null;

  @Column('text', { name: 'display_name' })
  displayName: string;

  @Column('text')
  email: string;

  @Column('text')
  status: AccountStatus;

  /** Null until the holder has used the invitation: an account enabled again goes back to `invited` then. */
  @Column('timestamptz', { name: 'activated_at', nullable: true })
  activatedAt: Date | null;

  @Column('text', { name: 'disabled_reason', nullable: true })
  disabledReason: string | null;

  /** Then it may enable it again. Whoever else has disabled it, the directory may not. */
  @Column('boolean', { name: 'is_disabled_by_directory', default: false })
  isDisabledByDirectory: boolean;

  @Column('bigint', { name: 'access_version', default: 1 })
  accessVersion: string;

  @Column('integer', { default: 1 })
  version: number;

  @Column('timestamptz', { name: 'created_at' })
  createdAt: Date;

  @Column('timestamptz', { name: 'updated_at' })
  updatedAt: Date;
}
