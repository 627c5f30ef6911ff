import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Accounts, roles, patients, practitioners, care teams; and the view from which every row policy derives access to charts. */
export class UsersPeople1763769600002 implements MigrationInterface {
  async up(db: QueryRunner): Promise<void> {
    await db.query(`
      CREATE SCHEMA users;
      GRANT USAGE ON SCHEMA users TO portico_app;

      CREATE TABLE users.account (
        account_id uuid CONSTRAINT account__pk PRIMARY KEY,
        username text,
        username_key text CONSTRAINT account__username_taken UNIQUE,
        display_name text NOT NULL,
        email text NOT NULL,
        status text NOT NULL CONSTRAINT account__status CHECK (status IN ('invited', 'active', 'disabled')),
        activated_at timestamptz,
        disabled_reason text,
        access_version bigint NOT NULL DEFAULT 1,
        version integer NOT NULL DEFAULT 1,
        created_at timestamptz NOT NULL,
        updated_at timestamptz NOT NULL,
        CONSTRAINT account__username_with_key CHECK ((username IS NULL) = (username_key IS NULL)),
        CONSTRAINT account__disabled_with_reason CHECK ((status = 'disabled') = (disabled_reason IS NOT NULL)));
      CREATE INDEX account__by_name ON users.account (lower(display_name) COLLATE "C", account_id);
      GRANT SELECT, INSERT, UPDATE ON users.account TO portico_app;

      CREATE TABLE users.account_role (
        account_role_id uuid CONSTRAINT account_role__pk PRIMARY KEY,
        account_id uuid NOT NULL CONSTRAINT account_role__account REFERENCES users.account,
        role text NOT NULL CONSTRAINT account_role__role CHECK (role IN
          ('patient', 'proxy', 'clinician', 'staff', 'records_officer', 'compliance_officer', 'admin', 'integration', 'directory')),
        reason text NOT NULL,
        -- The role counts in [starts_at, ends_at); without starts_at from the moment on in which it was given.
        starts_at timestamptz,
        ends_at timestamptz,
        granted_at timestamptz NOT NULL,
        granted_by uuid,
        granted_via text NOT NULL DEFAULT 'operator' CONSTRAINT account_role__granted_via CHECK (granted_via IN
          ('person', 'invitation', 'operator', 'sso', 'directory')),
        granted_from text,
        revoked_at timestamptz,
        revoked_by uuid,
        revoked_via text CONSTRAINT account_role__revoked_via CHECK (revoked_via IN ('person', 'operator', 'sso', 'directory')),
        revoked_from text,
        revoke_reason text,
        CONSTRAINT account_role__not_to_oneself CHECK (granted_by IS DISTINCT FROM account_id),
        CONSTRAINT account_role__not_by_oneself CHECK (revoked_by IS DISTINCT FROM account_id),
        CONSTRAINT account_role__period CHECK (ends_at > coalesce(starts_at, granted_at) AND starts_at >= granted_at));
      CREATE INDEX account_role__of_account ON users.account_role (account_id);
      -- What was given stays as it was given; all that can happen to it is that it is taken away.
      GRANT SELECT, INSERT, UPDATE (revoked_at, revoked_by, revoked_via, revoked_from, revoke_reason) ON users.account_role TO portico_app;

      -- The feed that an integration account speaks for. Its records are told from another feed's by this.
      CREATE TABLE users.feed (
        account_id uuid CONSTRAINT feed__pk PRIMARY KEY CONSTRAINT feed__account REFERENCES users.account,
        source text NOT NULL CONSTRAINT feed__source_taken UNIQUE);
      GRANT SELECT, INSERT ON users.feed TO portico_app;

      CREATE TABLE users.patient (
        patient_id uuid CONSTRAINT patient__pk PRIMARY KEY,
        account_id uuid CONSTRAINT patient__account REFERENCES users.account,
        mrn_system text NOT NULL,
        mrn text NOT NULL,
        family text NOT NULL,
        given text[] NOT NULL,
        birth_date text CONSTRAINT patient__birth_date CHECK (birth_date ~ '^\\d{4}(-\\d\\d(-\\d\\d)?)?$'),
        sex text NOT NULL CONSTRAINT patient__sex CHECK (sex IN ('female', 'male', 'other', 'unknown')),
        email text,
        version integer NOT NULL DEFAULT 1,
        created_at timestamptz NOT NULL,
        updated_at timestamptz NOT NULL,
        CONSTRAINT patient__mrn_taken UNIQUE (mrn, mrn_system));
      CREATE INDEX patient__of_account ON users.patient (account_id) WHERE account_id IS NOT NULL;
      CREATE INDEX patient__by_name ON users.patient (lower(family) COLLATE "C", patient_id);
      -- account_id is not among the columns that the server may change: whose chart it is, link_chart alone decides.
      GRANT SELECT, INSERT, UPDATE (family, given, birth_date, sex, email, version, updated_at) ON users.patient TO portico_app;

      CREATE TABLE users.practitioner (
        practitioner_id uuid CONSTRAINT practitioner__pk PRIMARY KEY,
        account_id uuid CONSTRAINT practitioner__account REFERENCES users.account CONSTRAINT practitioner__account_taken UNIQUE,
        family text NOT NULL,
        given text[] NOT NULL,
        npi text CONSTRAINT practitioner__npi_taken UNIQUE,
        specialty text NOT NULL,
        version integer NOT NULL DEFAULT 1,
        created_at timestamptz NOT NULL,
        updated_at timestamptz NOT NULL);
      CREATE INDEX practitioner__by_name ON users.practitioner (lower(family) COLLATE "C", practitioner_id);
      GRANT SELECT, INSERT, UPDATE ON users.practitioner TO portico_app;

      CREATE TABLE users.care_team_member (
        care_team_member_id uuid CONSTRAINT care_team_member__pk PRIMARY KEY,
        patient_id uuid NOT NULL CONSTRAINT care_team_member__patient REFERENCES users.patient,
        practitioner_id uuid NOT NULL CONSTRAINT care_team_member__practitioner REFERENCES users.practitioner,
        starts_at timestamptz NOT NULL,
        ends_at timestamptz,
        created_at timestamptz NOT NULL,
        created_by uuid NOT NULL,
        CONSTRAINT care_team_member__period CHECK (ends_at >= starts_at));
      CREATE UNIQUE INDEX care_team_member__already_on_it ON users.care_team_member (patient_id, practitioner_id) WHERE ends_at IS NULL;
      CREATE INDEX care_team_member__of_practitioner ON users.care_team_member (practitioner_id, patient_id);
      CREATE INDEX care_team_member__of_patient ON users.care_team_member (patient_id, practitioner_id);
      GRANT SELECT, INSERT, UPDATE (ends_at) ON users.care_team_member TO portico_app;

      -- THE SECOND WALL. Which charts an account may open, from the grant tables alone. Owned by the owner of the tables,
      -- so that it sees through their row policies; the server's role can only read it.
      -- What depends on the acting account alone is a list of its own, looked up once a statement and not once a row.
      -- A role counts within its period alone: every view goes through duty.
      CREATE VIEW users.duty AS SELECT account_id, role FROM users.account_role
         WHERE revoked_at IS NULL AND (starts_at IS NULL OR starts_at <= statement_timestamp()) AND (ends_at IS NULL OR ends_at > statement_timestamp());
      CREATE VIEW users.own_chart AS
        SELECT p.patient_id FROM users.patient p
          JOIN users.duty r ON r.account_id = p.account_id AND r.role = 'patient'
         WHERE p.account_id = platform.account_id();
      CREATE VIEW users.own_practice AS
        SELECT pr.practitioner_id FROM users.practitioner pr
          JOIN users.duty r ON r.account_id = pr.account_id AND r.role = 'clinician'
         WHERE pr.account_id = platform.account_id();
      CREATE VIEW users.care_now AS
        SELECT c.patient_id, c.practitioner_id FROM users.care_team_member c
         WHERE c.starts_at <= statement_timestamp() AND (c.ends_at IS NULL OR c.ends_at > statement_timestamp());
      CREATE VIEW users.own_feed AS
        SELECT f.source FROM users.feed f JOIN users.duty r ON r.account_id = f.account_id AND r.role = 'integration'
         WHERE f.account_id = platform.account_id();
      GRANT SELECT ON users.own_chart, users.own_practice, users.care_now, users.duty, users.own_feed TO portico_app;

      -- Duty comes first: it does not depend on the row, so it is looked up once a statement and spares the front desk the rest.
      ALTER TABLE users.patient ENABLE ROW LEVEL SECURITY;
      CREATE POLICY patient__read ON users.patient FOR SELECT TO portico_app USING (
        EXISTS (SELECT 1 FROM users.duty d WHERE d.account_id = platform.account_id() AND d.role IN ('staff', 'records_officer', 'admin'))
        OR patient.patient_id = ANY (ARRAY(SELECT o.patient_id FROM users.own_chart o))
        OR EXISTS (SELECT 1 FROM users.care_now c WHERE c.practitioner_id = (SELECT o.practitioner_id FROM users.own_practice o) AND c.patient_id = patient.patient_id));
      CREATE POLICY patient__insert ON users.patient FOR INSERT TO portico_app WITH CHECK (
        account_id IS NULL AND EXISTS (SELECT 1 FROM users.duty d WHERE d.account_id = platform.account_id() AND d.role IN ('staff', 'admin')));
      CREATE POLICY patient__update ON users.patient FOR UPDATE TO portico_app USING (
        EXISTS (SELECT 1 FROM users.duty d WHERE d.account_id = platform.account_id() AND d.role IN ('staff', 'admin')));

      ALTER TABLE users.care_team_member ENABLE ROW LEVEL SECURITY;
      CREATE POLICY care_team_member__read ON users.care_team_member FOR SELECT TO portico_app USING (
        EXISTS (SELECT 1 FROM users.duty d WHERE d.account_id = platform.account_id() AND d.role IN ('staff', 'records_officer', 'admin'))
        OR care_team_member.patient_id = ANY (ARRAY(SELECT o.patient_id FROM users.own_chart o))
        OR EXISTS (SELECT 1 FROM users.care_now c WHERE c.practitioner_id = (SELECT o.practitioner_id FROM users.own_practice o) AND c.patient_id = care_team_member.patient_id));
      -- Nobody lets themselves into a chart.
      CREATE POLICY care_team_member__write ON users.care_team_member FOR INSERT TO portico_app WITH CHECK (
        EXISTS (SELECT 1 FROM users.duty d WHERE d.account_id = platform.account_id() AND d.role IN ('staff', 'admin'))
        AND NOT EXISTS (SELECT 1 FROM users.practitioner pr
                         WHERE pr.practitioner_id = care_team_member.practitioner_id AND pr.account_id = platform.account_id()));
      CREATE POLICY care_team_member__end ON users.care_team_member FOR UPDATE TO portico_app USING (
        EXISTS (SELECT 1 FROM users.duty d WHERE d.account_id = platform.account_id() AND d.role IN ('staff', 'admin')));

      -- Whatever changes what an account may do moves its access_version, in the same transaction: an Actor remembered
      -- under an older version is not used again, on any replica.
      CREATE FUNCTION users.touch_access(_account_id uuid) RETURNS void LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
        AS $$ UPDATE users.account SET access_version = access_version + 1 WHERE account_id = _account_id $$;
      REVOKE ALL ON FUNCTION users.touch_access FROM PUBLIC;
      CREATE FUNCTION users.access_changed() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
      BEGIN
        IF TG_TABLE_NAME = 'care_team_member' THEN
          PERFORM users.touch_access(p.account_id) FROM users.practitioner p WHERE p.practitioner_id = NEW.practitioner_id;
        ELSE
          PERFORM users.touch_access(NEW.account_id);
          IF TG_OP = 'UPDATE' AND OLD.account_id IS DISTINCT FROM NEW.account_id THEN PERFORM users.touch_access(OLD.account_id); END IF;
        END IF;
        RETURN NEW;
      END $$;
      CREATE TRIGGER access_changed AFTER INSERT OR UPDATE ON users.account_role FOR EACH ROW EXECUTE FUNCTION users.access_changed();
      CREATE TRIGGER access_changed AFTER INSERT OR UPDATE ON users.feed FOR EACH ROW EXECUTE FUNCTION users.access_changed();
      CREATE TRIGGER access_changed AFTER INSERT OR UPDATE OF account_id ON users.patient FOR EACH ROW EXECUTE FUNCTION users.access_changed();
      CREATE TRIGGER access_changed AFTER INSERT OR UPDATE OF account_id ON users.practitioner FOR EACH ROW EXECUTE FUNCTION users.access_changed();
      CREATE TRIGGER access_changed AFTER INSERT OR UPDATE ON users.care_team_member FOR EACH ROW EXECUTE FUNCTION users.access_changed();

      -- Everything that an Actor carries, in one look. changes_at: when a role or a care-team period begins or ends next.
      CREATE FUNCTION users.actor(_account_id uuid, _now timestamptz)
        RETURNS TABLE (roles text[], patient_ids uuid[], practitioner_id uuid, panel uuid[], source text, changes_at timestamptz, access_version bigint)
        LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
          SELECT
            ARRAY(SELECT DISTINCT r.role FROM users.account_role r WHERE r.account_id = a.account_id AND r.revoked_at IS NULL
                     AND (r.starts_at IS NULL OR r.starts_at <= _now) AND (r.ends_at IS NULL OR r.ends_at > _now) ORDER BY r.role),
            ARRAY(SELECT p.patient_id FROM users.patient p WHERE p.account_id = a.account_id ORDER BY p.patient_id),
            pr.practitioner_id,
            ARRAY(SELECT c.patient_id FROM users.care_team_member c WHERE c.practitioner_id = pr.practitioner_id
                     AND c.starts_at <= _now AND (c.ends_at IS NULL OR c.ends_at > _now) ORDER BY c.patient_id),
            f.source,
            (SELECT min(t) FROM (
               SELECT c.starts_at AS t FROM users.care_team_member c WHERE c.practitioner_id = pr.practitioner_id AND c.starts_at > _now
               UNION ALL SELECT c.ends_at FROM users.care_team_member c WHERE c.practitioner_id = pr.practitioner_id AND c.ends_at > _now
               UNION ALL SELECT r.starts_at FROM users.account_role r WHERE r.account_id = a.account_id AND r.revoked_at IS NULL AND r.starts_at > _now
               UNION ALL SELECT r.ends_at FROM users.account_role r WHERE r.account_id = a.account_id AND r.revoked_at IS NULL AND r.ends_at > _now) s),
            a.access_version
          FROM users.account a
          LEFT JOIN users.practitioner pr ON pr.account_id = a.account_id
          LEFT JOIN users.feed f ON f.account_id = a.account_id
          WHERE a.account_id = _account_id $$;

      -- A chart is tied to an account only by an invitation to this very chart and the birth date on it (never by demographics alone).
      CREATE FUNCTION users.link_chart(_patient_id uuid, _account_id uuid, _birth_date text, _now timestamptz) RETURNS boolean
        LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
          WITH linked AS (UPDATE users.patient SET account_id = _account_id, version = version + 1, updated_at = _now
                           WHERE patient_id = _patient_id AND account_id IS NULL AND birth_date = _birth_date RETURNING 1)
          SELECT EXISTS (SELECT 1 FROM linked) $$;

      -- The chart that a feed's Patient resource belongs to: found by the medical record number and who assigned it, or opened.
      -- Gives the id and nothing else: a feed does not read demographics. The insert decides a race.
      CREATE FUNCTION users.chart_of_feed(_new_id uuid, _mrn_system text, _mrn text, _family text, _given text[], _birth_date text, _sex text, _now timestamptz)
        RETURNS TABLE (patient_id uuid, is_new boolean) LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
      BEGIN
        IF NOT EXISTS (SELECT 1 FROM users.duty d WHERE d.account_id = platform.account_id() AND d.role = 'integration') THEN
          RAISE insufficient_privilege USING MESSAGE = 'only a feed opens charts';
        END IF;
        INSERT INTO users.patient AS p (patient_id, mrn_system, mrn, family, given, birth_date, sex, created_at, updated_at)
          VALUES (_new_id, _mrn_system, _mrn, _family, _given, _birth_date, _sex, _now, _now) ON CONFLICT (mrn_system, mrn) DO NOTHING;
        IF FOUND THEN RETURN QUERY SELECT _new_id, true; RETURN; END IF;
        UPDATE users.patient p SET family = _family, given = _given, birth_date = _birth_date, sex = _sex, version = p.version + 1, updated_at = _now
          WHERE p.mrn_system = _mrn_system AND p.mrn = _mrn
            AND (p.family, p.given, p.birth_date, p.sex) IS DISTINCT FROM (_family, _given, _birth_date, _sex);
        RETURN QUERY SELECT p.patient_id, false FROM users.patient p WHERE p.mrn_system = _mrn_system AND p.mrn = _mrn;
      END $$;

      REVOKE ALL ON FUNCTION users.actor, users.link_chart, users.chart_of_feed, users.access_changed FROM PUBLIC;
      GRANT EXECUTE ON FUNCTION users.actor, users.link_chart, users.chart_of_feed TO portico_app;
    `);
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query(`DROP SCHEMA users CASCADE`);
  }
}
