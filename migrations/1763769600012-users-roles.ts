import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Roles with a period, duties that exclude each other, and the history of every change of what an account may do. */
export class UsersRoles1763769600012 implements MigrationInterface {
  async up(db: QueryRunner): Promise<void> {
    await db.query(`
      -- Trusted since PostgreSQL 13: the owner of the schema may install it. Its functions stay out of our schemas.
      CREATE SCHEMA IF NOT EXISTS extension;
      CREATE EXTENSION IF NOT EXISTS btree_gist SCHEMA extension;

      -- The same role twice at the same time is nothing more than once; a later period of its own may be given before.
      ALTER TABLE users.account_role
        ADD COLUMN begin_noted_at timestamptz,
        ADD COLUMN end_noted_at timestamptz,
        ADD CONSTRAINT account_role__already_held EXCLUDE USING gist
          (account_id WITH =, role WITH =, tstzrange(coalesce(starts_at, granted_at), ends_at) WITH &&) WHERE (revoked_at IS NULL);
      CREATE INDEX account_role__begins ON users.account_role (starts_at)
        WHERE starts_at IS NOT NULL AND begin_noted_at IS NULL AND revoked_at IS NULL;
      CREATE INDEX account_role__ends ON users.account_role (ends_at)
        WHERE ends_at IS NOT NULL AND end_noted_at IS NULL AND revoked_at IS NULL;

      -- SEPARATION OF DUTIES (NIST SP 800-53 AC-5, ISO/IEC 27001 A.5.3): nobody holds both of a pair at any moment.
      CREATE TABLE users.role_apart (
        role text NOT NULL,
        other_role text NOT NULL,
        CONSTRAINT role_apart__pk PRIMARY KEY (role, other_role),
        CONSTRAINT role_apart__two CHECK (role <> other_role));
      INSERT INTO users.role_apart VALUES
        -- Who gives access does not check it.
        ('admin', 'compliance_officer'),
        -- Who opens accounts does not decide what is released to them.
        ('admin', 'records_officer'),
        -- Who releases records does not check the releases.
        ('compliance_officer', 'records_officer');
      -- A machine is no person.
      INSERT INTO users.role_apart
        SELECT machine, other FROM unnest('{integration,directory}'::text[]) AS machine,
          unnest('{patient,proxy,clinician,staff,records_officer,compliance_officer,admin}'::text[]) AS other
        UNION ALL SELECT 'directory', 'integration';
      GRANT SELECT ON users.role_apart TO portico_app;

      -- The account's row is locked first, so that of two changes at once the second sees what the first has made.
      CREATE FUNCTION users.keep_roles_apart() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
      BEGIN
        IF NEW.revoked_at IS NOT NULL THEN RETURN NULL; END IF;
        PERFORM 1 FROM users.account a WHERE a.account_id = NEW.account_id FOR NO KEY UPDATE;
        IF EXISTS (
          SELECT 1 FROM users.account_role r
            JOIN users.role_apart x ON (x.role, x.other_role) IN ((r.role, NEW.role), (NEW.role, r.role))
           WHERE r.account_id = NEW.account_id AND r.account_role_id <> NEW.account_role_id
             -- What was ever a machine is never a person, and the other way round.
             AND ('{integration,directory}' && ARRAY[r.role, NEW.role] OR r.revoked_at IS NULL
             AND tstzrange(coalesce(r.starts_at, r.granted_at), r.ends_at) && tstzrange(coalesce(NEW.starts_at, NEW.granted_at), NEW.ends_at))) THEN
          RAISE check_violation USING MESSAGE = 'these duties exclude each other', CONSTRAINT = 'account_role__apart';
        END IF;
        RETURN NULL;
      END $$;
      CREATE CONSTRAINT TRIGGER account_role__apart AFTER INSERT OR UPDATE ON users.account_role
        FOR EACH ROW EXECUTE FUNCTION users.keep_roles_apart();

      -- Every change of what an account may do, by whatever way it came: the trigger writes it, the server may only read it.
      CREATE TABLE users.role_change (
        role_change_id uuid CONSTRAINT role_change__pk PRIMARY KEY DEFAULT gen_random_uuid(),
        -- In the order of writing: what a period began or ended is noted a little later than it happened.
        seq bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT role_change__seq UNIQUE,
        changed_at timestamptz NOT NULL,
        account_id uuid NOT NULL CONSTRAINT role_change__account REFERENCES users.account,
        account_role_id uuid NOT NULL,
        role text NOT NULL,
        kind text NOT NULL CONSTRAINT role_change__kind CHECK (kind IN ('granted', 'revoked', 'began', 'ended', 'changed')),
        roles_before text[] NOT NULL,
        roles_after text[] NOT NULL,
        starts_at timestamptz,
        ends_at timestamptz,
        reason text NOT NULL,
        changed_by uuid,
        via text NOT NULL,
        via_name text);
      CREATE INDEX role_change__of_account ON users.role_change (account_id, seq);
      CREATE INDEX role_change__of_role ON users.role_change (account_role_id);
      GRANT SELECT ON users.role_change TO portico_app;

      CREATE FUNCTION users.role_counts(_role users.account_role, _at timestamptz) RETURNS boolean LANGUAGE sql IMMUTABLE AS $$
        SELECT _role.revoked_at IS NULL AND (_role.starts_at IS NULL OR _role.starts_at <= _at) AND (_role.ends_at IS NULL OR _role.ends_at > _at) $$;

      CREATE FUNCTION users.note_role_change() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
      DECLARE
        _it users.account_role := CASE WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END;
        _kind text := CASE TG_OP WHEN 'INSERT' THEN 'granted' ELSE 'changed' END;
        _at timestamptz := CASE TG_OP WHEN 'INSERT' THEN NEW.granted_at ELSE statement_timestamp() END;
        _others text[];
      BEGIN
        IF TG_OP = 'UPDATE' THEN
          IF OLD.revoked_at IS NOT NULL AND NEW.revoked_at IS DISTINCT FROM OLD.revoked_at THEN
            RAISE insufficient_privilege USING MESSAGE = 'a role that was taken away stays so';
          ELSIF NEW.revoked_at IS DISTINCT FROM OLD.revoked_at THEN
            _kind := 'revoked'; _at := NEW.revoked_at;
          ELSIF NEW.end_noted_at IS DISTINCT FROM OLD.end_noted_at THEN
            _kind := 'ended'; _at := NEW.ends_at;
          ELSIF NEW.begin_noted_at IS DISTINCT FROM OLD.begin_noted_at THEN
            _kind := 'began'; _at := NEW.starts_at;
          END IF;
        END IF;
        SELECT coalesce(array_agg(DISTINCT r.role), '{}') INTO _others FROM users.account_role r
         WHERE r.account_id = _it.account_id AND r.account_role_id <> _it.account_role_id AND users.role_counts(r, _at);
        INSERT INTO users.role_change (changed_at, account_id, account_role_id, role, kind, roles_before, roles_after, starts_at, ends_at,
                                       reason, changed_by, via, via_name)
        SELECT _at, _it.account_id, _it.account_role_id, _it.role, _kind,
               ARRAY(SELECT unnest(_others) UNION SELECT OLD.role
                      WHERE TG_OP <> 'INSERT' AND CASE _kind WHEN 'ended' THEN true WHEN 'began' THEN false ELSE users.role_counts(OLD, _at) END ORDER BY 1),
               ARRAY(SELECT unnest(_others) UNION SELECT NEW.role WHERE TG_OP <> 'DELETE' AND users.role_counts(NEW, _at) ORDER BY 1),
               _it.starts_at, _it.ends_at,
               CASE _kind WHEN 'revoked' THEN coalesce(_it.revoke_reason, '') WHEN 'changed' THEN 'Changed in the database itself.' ELSE _it.reason END,
               CASE _kind WHEN 'granted' THEN _it.granted_by WHEN 'revoked' THEN _it.revoked_by WHEN 'changed' THEN platform.account_id() END,
               CASE _kind WHEN 'granted' THEN _it.granted_via
                          WHEN 'revoked' THEN coalesce(_it.revoked_via, CASE WHEN _it.revoked_by IS NULL THEN 'operator' ELSE 'person' END)
                          WHEN 'changed' THEN 'operator' ELSE 'period' END,
               CASE _kind WHEN 'granted' THEN _it.granted_from WHEN 'revoked' THEN _it.revoked_from END;
        RETURN NULL;
      END $$;
      CREATE TRIGGER role_change AFTER INSERT OR UPDATE OR DELETE ON users.account_role FOR EACH ROW EXECUTE FUNCTION users.note_role_change();

      -- Periods that have begun or ended since somebody looked: each once, on whatever replica. The triggers write history and void actors.
      CREATE FUNCTION users.note_role_periods(_now timestamptz, _limit integer) RETURNS TABLE (account_id uuid, role text, kind text, at timestamptz)
        LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
      BEGIN
        RETURN QUERY UPDATE users.account_role r SET begin_noted_at = _now WHERE r.account_role_id IN (
          SELECT d.account_role_id FROM users.account_role d WHERE d.starts_at <= _now AND d.begin_noted_at IS NULL AND d.revoked_at IS NULL
           LIMIT _limit FOR NO KEY UPDATE SKIP LOCKED) RETURNING r.account_id, r.role, 'began', r.starts_at;
        RETURN QUERY UPDATE users.account_role r SET end_noted_at = _now WHERE r.account_role_id IN (
          SELECT d.account_role_id FROM users.account_role d WHERE d.ends_at <= _now AND d.end_noted_at IS NULL AND d.revoked_at IS NULL
           LIMIT _limit FOR NO KEY UPDATE SKIP LOCKED) RETURNING r.account_id, r.role, 'ended', r.ends_at;
      END $$;

      REVOKE ALL ON FUNCTION users.keep_roles_apart, users.role_counts, users.note_role_change, users.note_role_periods FROM PUBLIC;
      GRANT EXECUTE ON FUNCTION users.note_role_periods TO portico_app;
    `);
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query(`
      DROP FUNCTION users.note_role_periods(timestamptz, integer);
      DROP TRIGGER role_change ON users.account_role;
      DROP FUNCTION users.note_role_change();
      DROP FUNCTION users.role_counts(users.account_role, timestamptz);
      DROP TABLE users.role_change;
      DROP TRIGGER account_role__apart ON users.account_role;
      DROP FUNCTION users.keep_roles_apart();
      DROP TABLE users.role_apart;
      ALTER TABLE users.account_role DROP CONSTRAINT account_role__already_held, DROP COLUMN begin_noted_at, DROP COLUMN end_noted_at;
      DROP SCHEMA extension CASCADE;
    `);
  }
}
