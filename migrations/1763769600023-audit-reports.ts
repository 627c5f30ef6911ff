import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * What officers need to read the trail: queries that they keep, and the names behind its ids. Both functions ask the database itself
 * whether a compliance officer is on duty, whatever the server has checked before.
 */
export class AuditReports1763769600023 implements MigrationInterface {
  async up(db: QueryRunner): Promise<void> {
    await db.query(`
      CREATE TABLE audit.saved_query (
        query_id uuid CONSTRAINT saved_query__pk PRIMARY KEY,
        account_id uuid NOT NULL,
        name text NOT NULL CONSTRAINT saved_query__name_length CHECK (length(name) BETWEEN 1 AND 100),
        is_shared boolean NOT NULL,
        filter jsonb NOT NULL CONSTRAINT saved_query__filter_is_object CHECK (jsonb_typeof(filter) = 'object'),
        version integer NOT NULL DEFAULT 1,
        created_at timestamptz NOT NULL,
        updated_at timestamptz NOT NULL,
        CONSTRAINT saved_query__name_taken UNIQUE (account_id, name));

      CREATE FUNCTION users.is_compliance_officer() RETURNS boolean LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
        SELECT EXISTS (SELECT 1 FROM users.duty d WHERE d.account_id = platform.account_id() AND d.role = 'compliance_officer') $$;

      -- Keeps a query of the officer who acts: a new one (_version null), or the next version of their own. False: it is not theirs, or it has changed.
      CREATE FUNCTION audit.keep_query(_id uuid, _version integer, _name text, _is_shared boolean, _filter jsonb, _at timestamptz) RETURNS boolean
        LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
        BEGIN
          IF NOT users.is_compliance_officer() THEN RAISE insufficient_privilege USING MESSAGE = 'only an officer keeps queries'; END IF;
          IF _version IS NULL THEN
            INSERT INTO audit.saved_query (query_id, account_id, name, is_shared, filter, created_at, updated_at)
              VALUES (_id, platform.account_id(), _name, _is_shared, _filter, _at, _at);
          ELSE
            UPDATE audit.saved_query SET name = _name, is_shared = _is_shared, filter = _filter, updated_at = _at, version = version + 1
              WHERE query_id = _id AND account_id = platform.account_id() AND version = _version;
          END IF;
          RETURN FOUND;
        END $$;
      CREATE FUNCTION audit.drop_query(_id uuid) RETURNS boolean
        LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
        BEGIN
          DELETE FROM audit.saved_query WHERE query_id = _id AND account_id = platform.account_id() AND users.is_compliance_officer();
          RETURN FOUND;
        END $$;

      -- Names behind the ids of a page of the trail, for an officer alone: no birth date, no record number.
      CREATE FUNCTION users.names_of(_accounts uuid[], _patients uuid[]) RETURNS TABLE (id uuid, name text, kind text)
        LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
          SELECT a.account_id, a.display_name,
              CASE WHEN EXISTS (SELECT 1 FROM users.account_role r WHERE r.account_id = a.account_id AND r.role IN ('integration', 'directory'))
                   THEN 'service' ELSE 'person' END
            FROM users.account a WHERE a.account_id = ANY (_accounts) AND users.is_compliance_officer()
          UNION ALL
          SELECT p.patient_id, concat_ws(', ', p.family, nullif(array_to_string(p.given, ' '), '')), 'patient'
            FROM users.patient p WHERE p.patient_id = ANY (_patients) AND users.is_compliance_officer() $$;

      REVOKE ALL ON FUNCTION audit.keep_query, audit.drop_query, users.is_compliance_officer, users.names_of FROM PUBLIC;
      GRANT EXECUTE ON FUNCTION audit.keep_query, audit.drop_query, users.names_of TO portico_app;
      GRANT SELECT ON audit.saved_query TO portico_auditor;
    `);
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query(`
      DROP FUNCTION users.names_of, audit.drop_query, audit.keep_query;
      DROP FUNCTION users.is_compliance_officer;
      DROP TABLE audit.saved_query;
    `);
  }
}
