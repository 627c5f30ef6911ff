import type { MigrationInterface, QueryRunner } from 'typeorm';

const lineOf = (more: string): string => `
  CREATE OR REPLACE FUNCTION auth.line_of(_account_id uuid) RETURNS TABLE (account_id uuid)
    LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
      WITH RECURSIVE line (account_id) AS (
        SELECT _account_id
        UNION
        SELECT behind.account_id FROM line CROSS JOIN LATERAL (
                 SELECT r.granted_by FROM users.account_role r WHERE r.account_id = line.account_id AND r.role IN ('admin', 'directory')
          UNION ALL SELECT d.directory_id FROM users.directory_account d WHERE d.account_id = line.account_id
          UNION ALL SELECT i.created_by FROM auth.invitation i WHERE i.account_id = line.account_id
          UNION ALL SELECT i.created_by FROM auth.invitation i JOIN users.patient p ON p.patient_id = i.patient_id WHERE p.account_id = line.account_id
          UNION ALL SELECT k.created_by FROM auth.client_key k WHERE k.account_id = line.account_id
          UNION ALL SELECT t.created_by FROM auth.scim_token t WHERE t.account_id = line.account_id${more}) AS behind (account_id)
         WHERE behind.account_id IS NOT NULL)
      SELECT line.account_id FROM line $$;`;

/**
 * Who stands behind an administrator: also whoever let somebody into the account alone, on an identity check or by another address,
 * while its holder did not work here. A patient's account that was taken over so could be made an administrator by a colleague who knows
 * nothing of it.
 */
export class AuthLines1763769600031 implements MigrationInterface {
  async up(db: QueryRunner): Promise<void> {
    await db.query(
      lineOf(`
          UNION ALL SELECT a.requested_by FROM auth.account_reset a WHERE a.account_id = line.account_id AND a.status = 'executed'
                       AND a.decided_by IS NULL AND NOT a.is_staff AND (a.kind = 'email' OR a.needs_proof)`),
    );
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query(lineOf(''));
  }
}
