import type { Db } from '../../platform/database/db.js';

type Queries = Pick<Db, 'query'>;

/**
 * Is the account active, and does it stay so until this transaction ends? Taken before any other lock wherever somebody is
 * let in: whoever disables the account or changes its roles waits, and then finds and ends the session that was opened.
 */
export async function holdActive(db: Queries, accountId: string): Promise<boolean> {
  const rows = await db.query("SELECT 1 FROM users.account WHERE account_id = $1 AND status = 'active' FOR SHARE", [
    accountId,
  ]);
  return rows.length > 0;
}

/**
 * The same, and nobody is let in meanwhile: for recovery, which takes away what others may just be showing. Waits for those who
 * are on their way in; they have ended or hold their session by then.
 */
export async function holdAlone(db: Queries, accountId: string): Promise<boolean> {
  const rows = await db.query(
    "SELECT 1 FROM users.account WHERE account_id = $1 AND status = 'active' FOR NO KEY UPDATE",
    [accountId],
  );
  return rows.length > 0;
}

/** SQL: does an identity provider alone let the holder of this account in, so that nothing that they know here does? */
export const onlyBySso = (accountId: string): string =>
  `EXISTS (SELECT 1 FROM auth.federated_identity sso WHERE sso.account_id = ${accountId} AND sso.replaces_password)`;

export async function isOnlyBySso(db: Queries, accountId: string): Promise<boolean> {
  const [row] = await db.query<{ only: boolean }>(`SELECT ${onlyBySso('$1')} AS only`, [accountId]);
  return row!.only;
}

/** Words that stand for an account's holder, and are not to be their password. */
export interface Holder {
  username: string | null;
  email: string | null;
}

export async function holderOf(db: Queries, accountId: string): Promise<Holder> {
  const [row] = await db.query<{ username: string | null; email: string | null }>(
    'SELECT username, email FROM users.account WHERE account_id = $1',
    [accountId],
  );
  return { username: row?.username ?? null, email: row?.email ?? null };
}

/** The name that the account signs in with; null before it was activated. */
export async function usernameOf(db: Queries, accountId: string): Promise<string | null> {
  const [row] = await db.query<{ username: string | null }>(
    'SELECT username FROM users.account WHERE account_id = $1',
    [accountId],
  );
  return row?.username ?? null;
}

export async function isAccount(db: Queries, accountId: string): Promise<boolean> {
  return (await db.query('SELECT 1 FROM users.account WHERE account_id = $1', [accountId])).length > 0;
}
