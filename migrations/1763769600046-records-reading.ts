import type { MigrationInterface, QueryRunner } from 'typeorm';

const READING = `
  -- Its line in lists, sealed by itself; the day that it is listed under, its sender's.
  ADD gist text NOT NULL DEFAULT '',
  ADD day date NOT NULL DEFAULT '-infinity',
  -- All codings of what it is (and, after a ~, those that are only mentioned in it: rules ask for these too), keyed codes of the
  -- words of its display, departments, visit: what filters and rules ask for.
  ADD codes text[] NOT NULL DEFAULT '{}',
  ADD words bigint[] NOT NULL DEFAULT '{}',
  ADD departments text[] NOT NULL DEFAULT '{}',
  ADD encounter_id uuid,
  -- What limits its reading: what the sender said, and that united with the hospital's rules.
  ADD sender_labels text[] NOT NULL DEFAULT '{}',
  ADD labels text[] NOT NULL DEFAULT '{}',
  -- Who wrote it: a feed, or an account of the portal.
  ADD origin text NOT NULL DEFAULT 'feed',
  ADD written_by uuid`;

const DUTY = (...roles: string[]): string =>
  `EXISTS (SELECT 1 FROM users.duty d WHERE d.account_id = platform.account_id() AND d.role IN (${roles.map((role) => `'${role}'`).join(', ')}))`;

const OWN = (table: string): string => `${table}.patient_id = ANY (ARRAY(SELECT o.patient_id FROM users.own_chart o))`;
const TREATED = (table: string): string =>
  `EXISTS (SELECT 1 FROM users.care_now c WHERE c.practitioner_id = (SELECT o.practitioner_id FROM users.own_practice o) AND c.patient_id = ${table}.patient_id)`;
// While labels are worked out anew those that stand are not relied on.
const LABELS = (table: string): string =>
  `CASE WHEN (SELECT records.is_relabelling()) THEN records.labels_of(${table}.sender_labels, ${table}.codes, ${table}.departments, ${table}.encounter_id) ELSE ${table}.labels END`;
const PROXIED = (table: string): string =>
  `EXISTS (SELECT 1 FROM users.proxied_chart g WHERE g.patient_id = ${table}.patient_id AND ${LABELS(table)} <@ g.open_labels)`;
const OF_FEED = (table: string): string => `${table}.source = (SELECT f.source FROM users.own_feed f)`;

/** Reading charts: lines, filters, sensitivity, holds, the patient's wish to hear from a clinician first, proxies; writing by people. */
export class RecordsReading1763769600046 implements MigrationInterface {
  async up(db: QueryRunner): Promise<void> {
    await db.query(`
      ALTER TABLE records.record ${READING},
        -- A clinician holds it back from the patient until then.
        ADD held_until timestamptz NOT NULL DEFAULT '-infinity',
        -- A result that no clinician has looked at: until then for patients who wish to hear of it from them first.
        ADD waits_until timestamptz NOT NULL DEFAULT '-infinity',
        -- Of what patients supply: what the care team says to it.
        ADD acceptance text NOT NULL DEFAULT '' CONSTRAINT record__acceptance CHECK (acceptance IN ('', 'pending', 'accepted', 'declined')),
        ADD CONSTRAINT record__supplied CHECK ((acceptance = '') = (origin <> 'patient')),
        ADD CONSTRAINT record__origin CHECK (origin IN ('feed', 'clinician', 'patient')),
        ADD CONSTRAINT record__author CHECK ((origin = 'feed') = (written_by IS NULL) AND (origin = 'feed' OR source = 'urn:portico:portal'));
      ALTER TABLE records.record_version ${READING},
        ADD CONSTRAINT record_version__origin CHECK (origin IN ('feed', 'clinician', 'patient')),
        ADD CONSTRAINT record_version__author CHECK ((origin = 'feed') = (written_by IS NULL) AND (origin = 'feed' OR source = 'urn:portico:portal'));
      -- What is written here is no feed's to read or to change.
      ALTER TABLE users.feed ADD CONSTRAINT feed__not_the_portal CHECK (source NOT LIKE 'urn:portico:%');
      UPDATE records.record SET day = (sort_at AT TIME ZONE 'UTC')::date;
      UPDATE records.record_version SET day = (sort_at AT TIME ZONE 'UTC')::date;
      CREATE INDEX record__by_day ON records.record (patient_id, day DESC, sort_at DESC, record_id DESC);
      CREATE INDEX record__series ON records.record (patient_id, code_system, code, sort_at DESC, record_id DESC) WHERE type = 'Observation';
      CREATE INDEX record__of_visit ON records.record (encounter_id) WHERE encounter_id IS NOT NULL;

      -- The hospital's rules of sensitivity: each change is a whole new set, old ones stay.
      CREATE TABLE records.sensitivity_rule_set (
        version integer CONSTRAINT sensitivity_rule_set__pk PRIMARY KEY,
        account_id uuid NOT NULL,
        reason text NOT NULL,
        made_at timestamptz NOT NULL,
        -- How far the records' labels have been worked out under it.
        relabelled_to uuid,
        relabelled_at timestamptz);
      CREATE TABLE records.sensitivity_rule (
        version integer NOT NULL CONSTRAINT sensitivity_rule__set REFERENCES records.sensitivity_rule_set,
        ordinal integer NOT NULL,
        label text NOT NULL,
        code text,
        department text,
        CONSTRAINT sensitivity_rule__pk PRIMARY KEY (version, ordinal),
        CONSTRAINT sensitivity_rule__one_of CHECK (num_nonnulls(code, department) = 1));
      CREATE INDEX sensitivity_rule__of_code ON records.sensitivity_rule (version, code);
      CREATE INDEX sensitivity_rule__of_department ON records.sensitivity_rule (version, department);
      GRANT SELECT, INSERT ON records.sensitivity_rule_set, records.sensitivity_rule TO portico_app;
      ALTER TABLE records.sensitivity_rule_set ENABLE ROW LEVEL SECURITY;
      ALTER TABLE records.sensitivity_rule ENABLE ROW LEVEL SECURITY;
      CREATE POLICY sensitivity_rule_set__read ON records.sensitivity_rule_set FOR SELECT TO portico_app USING (${DUTY('records_officer', 'compliance_officer')});
      CREATE POLICY sensitivity_rule_set__make ON records.sensitivity_rule_set FOR INSERT TO portico_app
        WITH CHECK (account_id = platform.account_id() AND relabelled_at IS NULL AND relabelled_to IS NULL AND ${DUTY('records_officer')});
      CREATE POLICY sensitivity_rule__read ON records.sensitivity_rule FOR SELECT TO portico_app USING (${DUTY('records_officer', 'compliance_officer')});
      CREATE POLICY sensitivity_rule__make ON records.sensitivity_rule FOR INSERT TO portico_app WITH CHECK (${DUTY('records_officer')});

      -- What limits the reading of a record: the sender's labels and those of the rules now in force, for its codes, its departments and those of its visit.
      CREATE FUNCTION records.labels_of(_sender text[], _codes text[], _departments text[], _encounter_id uuid) RETURNS text[]
        LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
      DECLARE
        _version integer := (SELECT max(s.version) FROM records.sensitivity_rule_set s);
      BEGIN
        IF _version IS NULL THEN RETURN _sender; END IF;
        RETURN ARRAY(
          SELECT unnest(_sender)
          UNION SELECT r.label FROM records.sensitivity_rule r WHERE r.version = _version AND r.code = ANY (ARRAY(SELECT ltrim(c, '~') FROM unnest(_codes) c))
          UNION SELECT r.label FROM records.sensitivity_rule r WHERE r.version = _version AND r.department = ANY (
            _departments || COALESCE((SELECT e.departments FROM records.record e WHERE e.record_id = _encounter_id AND e.type = 'Encounter'), '{}'))
          ORDER BY 1);
      END $$;
      CREATE FUNCTION records.is_relabelling() RETURNS boolean LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
        SELECT COALESCE((SELECT s.relabelled_at IS NULL FROM records.sensitivity_rule_set s ORDER BY s.version DESC LIMIT 1), false) $$;
      -- Works out the labels of the next records under the newest rules; answers how many records it has passed, 0 when all are done.
      CREATE FUNCTION records.relabel(_batch integer, _now timestamptz) RETURNS integer LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
      DECLARE
        _set records.sensitivity_rule_set;
        _ids uuid[];
      BEGIN
        SELECT s.* INTO _set FROM records.sensitivity_rule_set s WHERE s.version = (SELECT max(m.version) FROM records.sensitivity_rule_set m)
           AND s.relabelled_at IS NULL FOR UPDATE SKIP LOCKED;
        IF NOT FOUND THEN RETURN 0; END IF;
        -- Whoever was writing when the rules changed labels by those before: they come to their end first, or their records would be passed
        -- over. Who begins later sees the new rules.
        IF _set.relabelled_to IS NULL THEN
          BEGIN
            PERFORM set_config('lock_timeout', '5s', true);
            LOCK TABLE records.record IN SHARE MODE;
          EXCEPTION WHEN lock_not_available THEN RETURN 0; -- A long one: the next try is soon enough, until then the rules themselves are asked.
          END;
        END IF;
        _ids := ARRAY(SELECT r.record_id FROM records.record r WHERE _set.relabelled_to IS NULL OR r.record_id > _set.relabelled_to ORDER BY r.record_id LIMIT _batch);
        IF cardinality(_ids) = 0 THEN
          UPDATE records.sensitivity_rule_set s SET relabelled_at = _now WHERE s.version = _set.version;
          RETURN 0;
        END IF;
        UPDATE records.record r SET labels = x.labels FROM (
          SELECT o.record_id, records.labels_of(o.sender_labels, o.codes, o.departments, o.encounter_id) AS labels FROM records.record o WHERE o.record_id = ANY (_ids)) x
         WHERE x.record_id = r.record_id AND r.labels IS DISTINCT FROM x.labels;
        UPDATE records.record_version v SET labels = x.labels FROM (
          SELECT o.record_id, o.version, records.labels_of(o.sender_labels, o.codes, o.departments, o.encounter_id) AS labels FROM records.record_version o WHERE o.record_id = ANY (_ids)) x
         WHERE x.record_id = v.record_id AND x.version = v.version AND v.labels IS DISTINCT FROM x.labels;
        UPDATE records.sensitivity_rule_set s SET relabelled_to = _ids[cardinality(_ids)] WHERE s.version = _set.version;
        RETURN cardinality(_ids);
      END $$;

      -- Whoever writes a record, and by whatever way: its labels are those of the rules, and a new result has been seen by nobody.
      -- 14 days: the wish to hear of a result from a clinician first is no wish never to hear of it.
      CREATE FUNCTION records.labelled() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
      BEGIN
        NEW.labels := records.labels_of(NEW.sender_labels, NEW.codes, NEW.departments, NEW.encounter_id);
        RETURN NEW;
      END $$;
      CREATE FUNCTION records.unseen() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        NEW.waits_until := CASE WHEN NEW.origin = 'feed' AND (NEW.type = 'DiagnosticReport' OR NEW.type = 'Observation' AND NEW.category && '{laboratory,imaging}')
          THEN NEW.received_at + interval '14 days' ELSE '-infinity' END;
        RETURN NEW;
      END $$;
      CREATE TRIGGER labelled BEFORE INSERT OR UPDATE OF version, sender_labels, codes, departments, encounter_id ON records.record FOR EACH ROW EXECUTE FUNCTION records.labelled();
      CREATE TRIGGER labelled BEFORE INSERT ON records.record_version FOR EACH ROW EXECUTE FUNCTION records.labelled();
      CREATE TRIGGER unseen_new BEFORE INSERT ON records.record FOR EACH ROW EXECUTE FUNCTION records.unseen();
      CREATE TRIGGER unseen_again BEFORE UPDATE OF version ON records.record FOR EACH ROW WHEN (OLD.version <> NEW.version) EXECUTE FUNCTION records.unseen();
      -- A visit that comes, or moves to another department, after what belongs to it.
      CREATE FUNCTION records.visit_labelled() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
      BEGIN
        IF EXISTS (SELECT 1 FROM records.sensitivity_rule r WHERE r.version = (SELECT max(s.version) FROM records.sensitivity_rule_set s)
                      AND r.department = ANY (NEW.departments || CASE WHEN TG_OP = 'UPDATE' THEN OLD.departments ELSE '{}' END)) THEN
          UPDATE records.record r SET labels = records.labels_of(r.sender_labels, r.codes, r.departments, r.encounter_id) WHERE r.encounter_id = NEW.record_id;
          UPDATE records.record_version r SET labels = records.labels_of(r.sender_labels, r.codes, r.departments, r.encounter_id) WHERE r.encounter_id = NEW.record_id;
        END IF;
        RETURN NULL;
      END $$;
      CREATE TRIGGER visit_labelled AFTER INSERT OR UPDATE OF departments ON records.record FOR EACH ROW
        WHEN (NEW.type = 'Encounter') EXECUTE FUNCTION records.visit_labelled();
      CREATE INDEX record_version__of_visit ON records.record_version (encounter_id) WHERE encounter_id IS NOT NULL;
      REVOKE ALL ON FUNCTION records.labels_of, records.is_relabelling, records.relabel, records.labelled, records.unseen, records.visit_labelled FROM PUBLIC;
      GRANT EXECUTE ON FUNCTION records.labels_of, records.is_relabelling, records.relabel TO portico_app;

      -- Patients who wish to hear of results from a clinician first.
      CREATE TABLE records.chart_wish (
        patient_id uuid CONSTRAINT chart_wish__pk PRIMARY KEY,
        account_id uuid NOT NULL,
        since timestamptz NOT NULL);
      GRANT SELECT, INSERT, DELETE ON records.chart_wish TO portico_app;
      ALTER TABLE records.chart_wish ENABLE ROW LEVEL SECURITY;
      CREATE POLICY chart_wish__read ON records.chart_wish FOR SELECT TO portico_app USING (${OWN('chart_wish')} OR ${TREATED('chart_wish')});
      CREATE POLICY chart_wish__own ON records.chart_wish FOR INSERT TO portico_app WITH CHECK (${OWN('chart_wish')} AND account_id = platform.account_id());
      CREATE POLICY chart_wish__end ON records.chart_wish FOR DELETE TO portico_app USING (${OWN('chart_wish')});
      -- Asked by the second wall: the charts of the acting account whose patients have that wish, theirs and those that they act for.
      CREATE VIEW records.waiting_chart AS SELECT w.patient_id FROM records.chart_wish w
        JOIN (SELECT o.patient_id FROM users.own_chart o UNION SELECT g.patient_id FROM users.proxied_chart g) mine ON mine.patient_id = w.patient_id;
      GRANT SELECT ON records.waiting_chart TO portico_app;

      DROP POLICY record__read ON records.record;
      DROP POLICY record__feed_insert ON records.record;
      DROP POLICY record__feed_update ON records.record;
      CREATE POLICY record__read ON records.record FOR SELECT TO portico_app USING (
        (${OWN('record')} OR ${PROXIED('record')}) AND record.held_until <= statement_timestamp()
          AND (record.waits_until <= statement_timestamp() OR record.patient_id <> ALL (ARRAY(SELECT w.patient_id FROM records.waiting_chart w)))
        OR ${TREATED('record')}
        OR ${OF_FEED('record')});
      CREATE POLICY record__feed_insert ON records.record FOR INSERT TO portico_app WITH CHECK (origin = 'feed' AND ${OF_FEED('record')});
      CREATE POLICY record__feed_update ON records.record FOR UPDATE TO portico_app
        USING (origin = 'feed' AND ${OF_FEED('record')}) WITH CHECK (origin = 'feed' AND ${OF_FEED('record')});
      -- An earlier version: whoever may read the record as it is, and may read what the version itself was.
      DROP POLICY record_version__read ON records.record_version;
      CREATE POLICY record_version__read ON records.record_version FOR SELECT TO portico_app USING (
        ${OF_FEED('record_version')}
        OR EXISTS (SELECT 1 FROM records.record r WHERE r.record_id = record_version.record_id AND r.patient_id = record_version.patient_id)
           AND (${OWN('record_version')} OR ${TREATED('record_version')} OR ${PROXIED('record_version')}));

      -- What each Provenance of a sender speaks about.
      CREATE TABLE records.provenance_target (
        record_id uuid NOT NULL CONSTRAINT provenance_target__record REFERENCES records.record,
        target_id uuid NOT NULL,
        CONSTRAINT provenance_target__pk PRIMARY KEY (target_id, record_id));
      CREATE INDEX provenance_target__of_record ON records.provenance_target (record_id);
      GRANT SELECT, INSERT, DELETE ON records.provenance_target TO portico_app;
      ALTER TABLE records.provenance_target ENABLE ROW LEVEL SECURITY;
      CREATE POLICY provenance_target__read ON records.provenance_target FOR SELECT TO portico_app
        USING (EXISTS (SELECT 1 FROM records.record r WHERE r.record_id = provenance_target.record_id));
      CREATE POLICY provenance_target__feed_insert ON records.provenance_target FOR INSERT TO portico_app
        WITH CHECK (EXISTS (SELECT 1 FROM records.record r WHERE r.record_id = provenance_target.record_id AND ${OF_FEED('r')}));
      CREATE POLICY provenance_target__feed_delete ON records.provenance_target FOR DELETE TO portico_app
        USING (EXISTS (SELECT 1 FROM records.record r WHERE r.record_id = provenance_target.record_id AND ${OF_FEED('r')}));
    `);
    await this.holds(db);
    await this.people(db);
  }

  /** Holding back, and looking at results: a clinician who treats the patient, and nobody else. */
  private async holds(db: QueryRunner): Promise<void> {
    const treats = `EXISTS (SELECT 1 FROM records.record r JOIN users.care_now c ON c.patient_id = r.patient_id
      WHERE r.record_id = _record_id AND c.practitioner_id = (SELECT o.practitioner_id FROM users.own_practice o))`;
    const readable = (table: string): string =>
      `EXISTS (SELECT 1 FROM records.record r WHERE r.record_id = ${table}.record_id AND ${TREATED('r')})`;
    await db.query(`
      CREATE TABLE records.hold (
        hold_id uuid CONSTRAINT hold__pk PRIMARY KEY,
        record_id uuid NOT NULL CONSTRAINT hold__record REFERENCES records.record,
        account_id uuid NOT NULL,
        -- Exceptions of 45 CFR 171 (171.201, 171.202) and of State law.
        reason text NOT NULL CONSTRAINT hold__reason CHECK (reason IN ('preventing-harm', 'privacy', 'state-law')),
        -- Sealed under the patient's key.
        explanation text NOT NULL,
        held_at timestamptz NOT NULL,
        until timestamptz NOT NULL,
        lifted_at timestamptz,
        lifted_by uuid,
        CONSTRAINT hold__period CHECK (until > held_at),
        CONSTRAINT hold__lifted CHECK ((lifted_at IS NULL) = (lifted_by IS NULL)));
      CREATE INDEX hold__of_record ON records.hold (record_id, held_at DESC);
      CREATE TABLE records.review (
        record_id uuid NOT NULL CONSTRAINT review__record REFERENCES records.record,
        version integer NOT NULL,
        account_id uuid NOT NULL,
        reviewed_at timestamptz NOT NULL,
        CONSTRAINT review__pk PRIMARY KEY (record_id, version, account_id));
      GRANT SELECT ON records.hold, records.review TO portico_app;
      ALTER TABLE records.hold ENABLE ROW LEVEL SECURITY;
      ALTER TABLE records.review ENABLE ROW LEVEL SECURITY;
      CREATE POLICY hold__read ON records.hold FOR SELECT TO portico_app USING (${readable('hold')});
      CREATE POLICY review__read ON records.review FOR SELECT TO portico_app USING (${readable('review')});

      CREATE FUNCTION records.hold_back(_hold_id uuid, _record_id uuid, _reason text, _explanation text, _now timestamptz, _until timestamptz) RETURNS boolean
        LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
      BEGIN
        UPDATE records.record r SET held_until = _until WHERE r.record_id = _record_id AND r.held_until <= _now AND ${treats};
        IF NOT FOUND THEN RETURN false; END IF;
        INSERT INTO records.hold (hold_id, record_id, account_id, reason, explanation, held_at, until)
          VALUES (_hold_id, _record_id, platform.account_id(), _reason, _explanation, _now, _until);
        RETURN true;
      END $$;
      CREATE FUNCTION records.lift_hold(_record_id uuid, _now timestamptz) RETURNS boolean
        LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
      BEGIN
        UPDATE records.record r SET held_until = '-infinity' WHERE r.record_id = _record_id AND r.held_until > _now AND ${treats};
        IF NOT FOUND THEN RETURN false; END IF;
        UPDATE records.hold h SET lifted_at = _now, lifted_by = platform.account_id()
         WHERE h.record_id = _record_id AND h.lifted_at IS NULL AND h.until > _now;
        RETURN true;
      END $$;
      -- Says that a clinician has looked at this version of a result.
      CREATE FUNCTION records.look_at(_record_id uuid, _version integer, _now timestamptz) RETURNS boolean
        LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
      BEGIN
        UPDATE records.record r SET waits_until = '-infinity' WHERE r.record_id = _record_id AND r.version = _version AND ${treats};
        IF NOT FOUND THEN RETURN false; END IF;
        INSERT INTO records.review (record_id, version, account_id, reviewed_at)
          VALUES (_record_id, _version, platform.account_id(), _now) ON CONFLICT DO NOTHING;
        RETURN true;
      END $$;
      REVOKE ALL ON FUNCTION records.hold_back, records.lift_hold, records.look_at FROM PUBLIC;
      GRANT EXECUTE ON FUNCTION records.hold_back, records.lift_hold, records.look_at TO portico_app;
    `);
  }

  /** What clinicians and patients write themselves: new versions of it, never another's. */
  private async people(db: QueryRunner): Promise<void> {
    const mine = (table: string): string => `${table}.written_by = platform.account_id()`;
    const clinicians = (table: string): string => `${table}.origin = 'clinician' AND ${TREATED(table)}`;
    const patients = (table: string): string => `${table}.origin = 'patient' AND ${OWN(table)}`;
    await db.query(`
      CREATE POLICY record__write ON records.record FOR INSERT TO portico_app WITH CHECK (
        ${mine('record')} AND (${clinicians('record')} OR ${patients('record')} AND acceptance = 'pending'));
      -- A clinician corrects, retracts, and says whether the team goes by what the patient supplied; a patient only withdraws that.
      CREATE POLICY record__rewrite ON records.record FOR UPDATE TO portico_app
        USING (${clinicians('record')} OR origin = 'patient' AND (${TREATED('record')} OR ${OWN('record')}))
        WITH CHECK (${clinicians('record')} AND ${mine('record')} OR origin = 'patient' AND (${TREATED('record')} OR ${OWN('record')} AND status = 'entered-in-error'));
      CREATE POLICY record_version__write ON records.record_version FOR INSERT TO portico_app WITH CHECK (
        ${clinicians('record_version')} OR origin = 'patient' AND (${TREATED('record_version')} OR ${OWN('record_version')}));
    `);
  }

  async down(db: QueryRunner): Promise<void> {
    const columns =
      'DROP gist, DROP day, DROP codes, DROP words, DROP departments, DROP encounter_id, DROP sender_labels, DROP labels, DROP origin, DROP written_by';
    await db.query(`
      DROP POLICY record__write ON records.record;
      DROP POLICY record__rewrite ON records.record;
      DROP POLICY record__read ON records.record;
      DROP POLICY record__feed_insert ON records.record;
      DROP POLICY record__feed_update ON records.record;
      DROP POLICY record_version__write ON records.record_version;
      DROP POLICY record_version__read ON records.record_version;
      DROP TABLE records.provenance_target, records.hold, records.review;
      DROP VIEW records.waiting_chart;
      DROP TABLE records.chart_wish;
      DROP FUNCTION records.hold_back, records.lift_hold, records.look_at, records.relabel;
      DROP TRIGGER labelled ON records.record;
      DROP TRIGGER labelled ON records.record_version;
      DROP TRIGGER unseen_new ON records.record;
      DROP TRIGGER unseen_again ON records.record;
      DROP TRIGGER visit_labelled ON records.record;
      DROP FUNCTION records.labelled, records.unseen, records.visit_labelled, records.labels_of, records.is_relabelling;
      DROP TABLE records.sensitivity_rule, records.sensitivity_rule_set;
      DELETE FROM records.record_version WHERE origin <> 'feed';
      DELETE FROM records.record WHERE origin <> 'feed';
      ALTER TABLE users.feed DROP CONSTRAINT feed__not_the_portal;
      ALTER TABLE records.record ${columns}, DROP held_until, DROP waits_until, DROP acceptance;
      ALTER TABLE records.record_version ${columns};
      CREATE POLICY record__read ON records.record FOR SELECT TO portico_app USING (${OWN('record')} OR ${TREATED('record')} OR ${OF_FEED('record')});
      CREATE POLICY record__feed_insert ON records.record FOR INSERT TO portico_app WITH CHECK (${OF_FEED('record')});
      CREATE POLICY record__feed_update ON records.record FOR UPDATE TO portico_app USING (${OF_FEED('record')}) WITH CHECK (${OF_FEED('record')});
      CREATE POLICY record_version__read ON records.record_version FOR SELECT TO portico_app USING (
        ${OWN('record_version')} OR ${TREATED('record_version')} OR ${OF_FEED('record_version')});
    `);
  }
}
