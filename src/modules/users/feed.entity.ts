import { Check, Column, Entity, ForeignKey, PrimaryColumn, Unique } from 'typeorm';
import { Account } from './account.entity.js';

/** The feed that an integration account speaks for. */
@Entity({ schema: 'users', name: 'feed' })
@Unique('feed__source_taken', ['source'])
@Check('feed__not_the_portal', `source NOT LIKE 'urn:portico:%'`)
export class Feed {
  @ForeignKey(() => Account, { name: 'feed__account' })
  @PrimaryColumn('uuid', { name: 'account_id', primaryKeyConstraintName: 'feed__pk' })
  accountId: string;

  @Column('text')
  source: string;
}
