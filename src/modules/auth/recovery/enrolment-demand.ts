import type { Ctx } from '../../../platform/access/context.js';
import type { Db } from '../../../platform/database/db.js';

/** Whoever had a second factor has one again before they get any further, also where their role would not ask for it. */
export async function demandEnrolment(ctx: Pick<Ctx, 'db' | 'now'>, accountId: string): Promise<void> {
  await ctx.db.query(
    `INSERT INTO auth.factor_reset (account_id, reset_at) VALUES ($1, $2)
     ON CONFLICT (account_id) DO UPDATE SET reset_at = excluded.reset_at`,
    [accountId, ctx.now],
  );
}

/** Were the second factors taken away, and was nobody in with a second factor since? */
export async function isEnrolmentDemanded(db: Pick<Db, 'query'>, accountId: string): Promise<boolean> {
  const rows = await db.query(
    `SELECT 1 FROM auth.factor_reset f WHERE f.account_id = $1 AND NOT EXISTS (
       SELECT 1 FROM auth.session s WHERE s.account_id = f.account_id AND s.acr = 'aal2' AND s.auth_time >= f.reset_at)`,
    [accountId],
  );
  return rows.length > 0;
}
