import { Inject, Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { newId } from '../../../platform/ids.js';
import type { Ctx } from '../../../platform/access/context.js';
import { CONFIG, type Config } from '../../../platform/config/config.js';
import type { SsoProvider } from '../../../platform/config/sso-providers.js';
import { Database } from '../../../platform/database/database.js';
import type { Db } from '../../../platform/database/db.js';

/** As whom a provider's person is known here. `kind`: what it was linked as; a link of a patient never opens an account of staff. */
export interface FederatedIdentity {
  id: string;
  issuer: string;
  subject: string;
  accountId: string;
  kind: 'staff' | 'patient';
  /** The provider opened the account: there is no other way in. */
  isManaged: boolean;
  /** Only the provider lets them in: a password of the account does not count. */
  replacesPassword: boolean;
  createdAt: Date;
}

const COLUMNS = `federated_identity_id AS id, issuer, subject, account_id AS "accountId", kind, is_managed AS "isManaged",
  replaces_password AS "replacesPassword", created_at AS "createdAt"`;

/** Of staff; patients keep their password in any case. */
export const replacesPasswords = ({ forStaff, passwordAlso }: SsoProvider): boolean => forStaff && !passwordAlso;

const lockOf = (issuer: string): string => `portico/sso ${issuer}`;

type NewIdentity = Omit<FederatedIdentity, 'id' | 'createdAt'>;

/** Links between people at providers and accounts: by issuer and subject, never by address or name (ASVS 5.0 V10.5.2). */
@Injectable()
export class FederatedIdentities implements OnApplicationBootstrap {
  constructor(
    private readonly database: Database,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  /** The configuration may have changed: a provider that is gone replaces nothing, one that is strict again replaces all. */
  async onApplicationBootstrap(): Promise<void> {
    const strict = this.config.sso.providers.filter(replacesPasswords).map(({ issuer }) => issuer);
    await this.database.write(null, (db) =>
      db.query(
        `UPDATE auth.federated_identity SET replaces_password = NOT replaces_password
          WHERE replaces_password <> (kind = 'staff' AND issuer = ANY ($1))`,
        [strict],
      ),
    );
  }

  async find(db: Pick<Db, 'query'>, issuer: string, subject: string): Promise<FederatedIdentity | null> {
    const [row] = await db.query<FederatedIdentity>(
      `SELECT ${COLUMNS} FROM auth.federated_identity WHERE issuer = $1 AND subject = $2`,
      [issuer, subject],
    );
    return row ?? null;
  }

  listOf(db: Pick<Db, 'query'>, accountId: string): Promise<FederatedIdentity[]> {
    return db.query<FederatedIdentity>(
      `SELECT ${COLUMNS} FROM auth.federated_identity WHERE account_id = $1 ORDER BY federated_identity_id`,
      [accountId],
    );
  }

  /** Null when the subject, or the account, is linked already: of several at once exactly one succeeds. */
  async create(ctx: Pick<Ctx, 'db' | 'now'>, identity: NewIdentity): Promise<string | null> {
    const { issuer, subject, accountId, kind, isManaged, replacesPassword } = identity;
    const [row] = await ctx.db.query<{ id: string }>(
      `INSERT INTO auth.federated_identity (federated_identity_id, issuer, subject, account_id, kind, is_managed, replaces_password, created_at)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING RETURNING federated_identity_id AS id`,
      [newId(), issuer, subject, accountId, kind, isManaged, replacesPassword, ctx.now],
    );
    return row?.id ?? null;
  }

  /**
   * Taken first by whoever brings somebody back from this provider. They do not wait for each other, but whoever ends what
   * providers have opened waits for all of them, and then finds what they made; those who come later find it ended.
   */
  async hold(db: Pick<Db, 'query'>, issuer: string): Promise<void> {
    await db.query('SELECT pg_advisory_xact_lock_shared(hashtextextended($1, 0))', [lockOf(issuer)]);
  }

  /** The other side of {@link hold}. */
  async holdAlone(db: Pick<Db, 'query'>, issuer: string): Promise<void> {
    await db.query('SELECT pg_advisory_xact_lock(hashtextextended($1, 0))', [lockOf(issuer)]);
  }

  /** Against the last step, the exchange: it holds the account's row, and has committed then or finds its code gone. */
  async holdAccount(db: Pick<Db, 'query'>, accountId: string): Promise<void> {
    await db.query('SELECT 1 FROM users.account WHERE account_id = $1 FOR NO KEY UPDATE', [accountId]);
  }

  /** Takes the link away, for good unless its holder makes it anew. False when somebody else did in the meantime. */
  async remove({ db, now }: Pick<Ctx, 'db' | 'now'>, id: string): Promise<boolean> {
    const rows = await db.query(
      `WITH gone AS (DELETE FROM auth.federated_identity WHERE federated_identity_id = $1 RETURNING account_id, issuer, subject)
       INSERT INTO auth.removed_link (account_id, issuer, subject, removed_at) SELECT account_id, issuer, subject, $2 FROM gone
       ON CONFLICT (account_id, issuer, subject) DO UPDATE SET removed_at = excluded.removed_at RETURNING 1`,
      [id, now],
    );
    return rows.length > 0;
  }

  /** Would there be neither a password nor another provider without this link (null: without one that is to come)? */
  async isOnlyWayIn(db: Pick<Db, 'query'>, accountId: string, link: string | null): Promise<boolean> {
    const [row] = await db.query<{ only: boolean }>(
      `SELECT NOT EXISTS (SELECT 1 FROM auth.credential WHERE account_id = $1)
          AND NOT EXISTS (SELECT 1 FROM auth.federated_identity WHERE account_id = $1 AND federated_identity_id IS DISTINCT FROM $2) AS only`,
      [accountId, link],
    );
    return row!.only;
  }

  /** Has somebody taken this very link away? */
  async wasRemoved(db: Pick<Db, 'query'>, accountId: string, issuer: string, subject: string): Promise<boolean> {
    const rows = await db.query(
      'SELECT 1 FROM auth.removed_link WHERE account_id = $1 AND issuer = $2 AND subject = $3',
      [accountId, issuer, subject],
    );
    return rows.length > 0;
  }
}
