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

/** The name that the account signs in with; null before it was activated. */
export async function usernameOf(db: Queries, accountId: string): Promise<string | null> {
  const [row] = await db.query<{ username: string | null }>(
    'SELECT username FROM users.account WHERE account_id = $1',
    [accountId],
  );
  return row?.username ?? null;
}
