import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What patients are told of who used their chart: names for the ids in the trail, asked by those whose chart it is. */
export class AuditActivity1763769600052 implements MigrationInterface {
  async up(db: QueryRunner): Promise<void> {
    await db.query(`
      -- Names of accounts, for somebody whose own chart it is, or who acts for its patient; nothing for anybody else.
      CREATE FUNCTION users.names_for_chart(_patient_id uuid, _accounts uuid[]) RETURNS TABLE (id uuid, name text, kind text)
        LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
          SELECT a.account_id, a.display_name,
              CASE WHEN EXISTS (SELECT 1 FROM users.account_role r WHERE r.account_id = a.account_id AND r.role IN ('integration', 'directory'))
                   THEN 'service' ELSE 'person' END
            FROM users.account a WHERE a.account_id = ANY (_accounts)
             AND (EXISTS (SELECT 1 FROM users.own_chart o WHERE o.patient_id = _patient_id)
                  OR EXISTS (SELECT 1 FROM users.proxied_chart g WHERE g.patient_id = _patient_id)) $$;
      REVOKE ALL ON FUNCTION users.names_for_chart FROM PUBLIC;
      GRANT EXECUTE ON FUNCTION users.names_for_chart TO portico_app;
    `);
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query('DROP FUNCTION users.names_for_chart');
  }
}
