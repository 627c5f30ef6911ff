import { Check, Column, Entity, ForeignKey, Index, PrimaryColumn, Unique } from 'typeorm';
import { Account } from './account.entity.js';

export const SEXES = ['female', 'male', 'other', 'unknown'] as const;
export type Sex = (typeof SEXES)[number];

@Entity({ schema: 'users', name: 'patient' })
@Unique('patient__mrn_taken', ['mrn', 'mrnSystem'])
@Check('patient__birth_date', `birth_date ~ '^\\d{4}(-\\d\\d(-\\d\\d)?)?$'`)
@Check('patient__sex', `sex IN ('female', 'male', 'other', 'unknown')`)
@Index('patient__of_account', ['accountId'], { where: 'account_id IS NOT NULL' })
@Index('patient__by_name', { synchronize: false })
export class Patient {
  @PrimaryColumn('uuid', { name: 'patient_id', primaryKeyConstraintName: 'patient__pk' })
  id: string;

  /** Set by `users.link_chart` alone: the server's role may not write it. */
  @ForeignKey(() => Account, { name: 'patient__account' })
  @Column({ type: 'uuid', name: 'account_id', nullable: true, update: false })
  accountId: string | null;

  @Column('text', { name: 'mrn_system' })
  mrnSystem: string;

  @Column('text')
  mrn: string;

  @Column('text')
  family: string;

  @Column('text', { array: true })
  given: string[];

  /** FHIR date: YYYY, YYYY-MM or YYYY-MM-DD. */
  @Column('text', { name: 'birth_date', nullable: true })
  birthDate: string | null;

  @Column('text')
  sex: Sex;

  @Column('text', { nullable: true })
  email: string | null;

  @Column('integer', { default: 1 })
  version: number;

  @Column('timestamptz', { name: 'created_at' })
  createdAt: Date;

  @Column('timestamptz', { name: 'updated_at' })
  updatedAt: Date;
}
