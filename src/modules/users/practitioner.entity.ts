import { Column, Entity, ForeignKey, Index, PrimaryColumn, Unique } from 'typeorm';
import { Account } from './account.entity.js';

@Entity({ schema: 'users', name: 'practitioner' })
@Unique('practitioner__account_taken', ['accountId'])
@Unique('practitioner__npi_taken', ['npi'])
@Index('practitioner__by_name', { synchronize: false })
export class Practitioner {
  @PrimaryColumn('uuid', { name: 'practitioner_id', primaryKeyConstraintName: 'practitioner__pk' })
  id: string;

  @ForeignKey(() => Account, { name: 'practitioner__account' })
  @Column('uuid', { name: 'account_id', nullable: true })
  accountId: string | null;

  @Column('text')
  family: string;

  @Column('text', { array: true })
  given: string[];

  @Column('text', { nullable: true })
  npi: string | null;

  @Column('text')
  specialty: string;

  @Column('integer', { default: 1 })
  version: number;

  @Column('timestamptz', { name: 'created_at' })
  createdAt: Date;

  @Column('timestamptz', { name: 'updated_at' })
  updatedAt: Date;
}
