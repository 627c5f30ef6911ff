import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Who acts for a patient, and which sensitive records are open to them. The grants are given elsewhere. */
export class UsersProxies1763769600045 implements MigrationInterface {
  async up(db: QueryRunner): Promise<void> {
    await db.query(`
      CREATE TABLE users.proxy_grant (
        proxy_grant_id uuid CONSTRAINT proxy_grant__pk PRIMARY KEY,
        account_id uuid NOT NULL CONSTRAINT proxy_grant__account REFERENCES users.account,
        patient_id uuid NOT NULL CONSTRAINT proxy_grant__patient REFERENCES users.patient,
        -- A record with any other label is none of their business, also under labels that do not exist yet.
        open_labels text[] NOT NULL,
        starts_at timestamptz NOT NULL,
        ends_at timestamptz,
        CONSTRAINT proxy_grant__period CHECK (ends_at >= starts_at),
        CONSTRAINT proxy_grant__one_at_a_time EXCLUDE USING gist
          (account_id extension.gist_uuid_ops WITH =, patient_id extension.gist_uuid_ops WITH =, tstzrange(starts_at, ends_at) WITH &&));
      CREATE INDEX proxy_grant__of_patient ON users.proxy_grant (patient_id);
      CREATE INDEX proxy_grant__of_account ON users.proxy_grant (account_id, patient_id);
      -- The server reads them by the view and the function below; this is for the day on which it may ask for more.
      ALTER TABLE users.proxy_grant ENABLE ROW LEVEL SECURITY;
      CREATE POLICY proxy_grant__own ON users.proxy_grant FOR SELECT TO portico_app USING (account_id = platform.account_id());
      CREATE VIEW users.proxied_chart AS
        SELECT g.patient_id, g.open_labels FROM users.proxy_grant g
          JOIN users.duty r ON r.account_id = g.account_id AND r.role = 'proxy'
         WHERE g.account_id = platform.account_id() AND g.starts_at <= statement_timestamp() AND (g.ends_at IS NULL OR g.ends_at > statement_timestamp());
      GRANT SELECT ON users.proxied_chart TO portico_app;
      CREATE TRIGGER access_changed AFTER INSERT OR UPDATE ON users.proxy_grant FOR EACH ROW EXECUTE FUNCTION users.access_changed();
      -- In one look with all else that an actor carries.
      CREATE FUNCTION users.proxied(_account_id uuid, _now timestamptz)
        RETURNS TABLE (patient_id uuid, open_labels text[], is_now boolean, changes_at timestamptz)
        LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
          SELECT g.patient_id, g.open_labels, g.starts_at <= _now, CASE WHEN g.starts_at > _now THEN g.starts_at ELSE g.ends_at END FROM users.proxy_grant g
           WHERE g.account_id = _account_id AND (g.ends_at IS NULL OR g.ends_at > _now) $$;
      REVOKE ALL ON FUNCTION users.proxied FROM PUBLIC;
      GRANT EXECUTE ON FUNCTION users.proxied TO portico_app;
    `);
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query(`
      DROP VIEW users.proxied_chart;
      DROP FUNCTION users.proxied;
      DROP TABLE users.proxy_grant;
    `);
  }
}
