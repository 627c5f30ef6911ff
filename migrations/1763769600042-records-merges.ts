import type { MigrationInterface, QueryRunner } from 'typeorm';

const OFFICE = `EXISTS (SELECT 1 FROM users.duty d WHERE d.account_id = platform.account_id() AND d.role = 'records_officer')`;

/**
 * Two charts that turn out to be one person's. Records keep the chart that their sender named and are shown in the one that goes on,
 * so that a merge can be undone at any time; accounts are cut off from both until somebody has looked at it.
 */
export class RecordsMerges1763769600042 implements MigrationInterface {
  async up(db: QueryRunner): Promise<void> {
    await db.query(`
      CREATE TABLE users.suspended_link (
        merge_id uuid NOT NULL,
        patient_id uuid NOT NULL CONSTRAINT suspended_link__patient REFERENCES users.patient,
        account_id uuid NOT NULL CONSTRAINT suspended_link__account REFERENCES users.account,
        suspended_at timestamptz NOT NULL,
        settled_at timestamptz,
        CONSTRAINT suspended_link__pk PRIMARY KEY (merge_id, patient_id));
      CREATE INDEX suspended_link__of_patient ON users.suspended_link (patient_id);
      CREATE INDEX suspended_link__of_account ON users.suspended_link (account_id);
      GRANT SELECT ON users.suspended_link TO portico_app;
      ALTER TABLE users.suspended_link ENABLE ROW LEVEL SECURITY;
      CREATE POLICY suspended_link__office ON users.suspended_link FOR SELECT TO portico_app USING (${OFFICE});

      -- Nobody reads these charts by an account of their own, or for somebody else, until it is settled. Called by merges alone.
      CREATE FUNCTION users.suspend_links(_merge_id uuid, _patient_ids uuid[], _now timestamptz) RETURNS void
        LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
      BEGIN
        INSERT INTO users.suspended_link (merge_id, patient_id, account_id, suspended_at)
          SELECT _merge_id, p.patient_id, p.account_id, _now FROM users.patient p WHERE p.patient_id = ANY (_patient_ids) AND p.account_id IS NOT NULL;
        UPDATE users.patient SET account_id = NULL, version = version + 1, updated_at = _now WHERE patient_id = ANY (_patient_ids) AND account_id IS NOT NULL;
        -- Who acts for a patient has to be named anew: for which of the two persons they did, nobody can tell.
        UPDATE users.proxy_grant SET ends_at = greatest(_now, starts_at) WHERE patient_id = ANY (_patient_ids) AND (ends_at IS NULL OR ends_at > _now);
      END $$;
      -- Ties suspended accounts to charts again, each to where its own chart is shown now; a chart that somebody was tied to meanwhile keeps
      -- them. Where another merge of that chart has not been looked at, they stay cut off until that one is settled.
      CREATE FUNCTION users.settle_links(_merge_id uuid, _now timestamptz) RETURNS void
        LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
      DECLARE
        l record;
        _other uuid;
      BEGIN
        FOR l IN SELECT s.account_id, s.patient_id, records.surviving_chart(s.patient_id) AS shown_id FROM users.suspended_link s
                  WHERE s.merge_id = _merge_id AND s.settled_at IS NULL
                  ORDER BY s.patient_id = records.surviving_chart(s.patient_id) DESC, s.patient_id LOOP
          _other := records.merge_in_review(l.shown_id);
          IF _other IS NULL THEN
            UPDATE users.patient p SET account_id = l.account_id, version = p.version + 1, updated_at = _now
             WHERE p.patient_id = l.shown_id AND p.account_id IS NULL;
          ELSE
            INSERT INTO users.suspended_link (merge_id, patient_id, account_id, suspended_at)
              VALUES (_other, l.patient_id, l.account_id, _now) ON CONFLICT DO NOTHING;
          END IF;
        END LOOP;
        UPDATE users.suspended_link SET settled_at = _now WHERE merge_id = _merge_id AND settled_at IS NULL;
      END $$;
      REVOKE ALL ON FUNCTION users.suspend_links, users.settle_links FROM PUBLIC;

      CREATE TABLE records.chart_merge (
        merge_id uuid CONSTRAINT chart_merge__pk PRIMARY KEY,
        from_patient_id uuid NOT NULL,
        into_patient_id uuid NOT NULL,
        source text NOT NULL,
        kind text NOT NULL CONSTRAINT chart_merge__kind CHECK (kind IN ('fhir-link', 'hl7-a40')),
        import_id uuid NOT NULL,
        import_file uuid,
        import_line integer,
        message_id text,
        merged_at timestamptz NOT NULL,
        state text NOT NULL CONSTRAINT chart_merge__state CHECK (state IN ('review', 'confirmed', 'undone')),
        settled_at timestamptz,
        settled_by uuid,
        reason text CONSTRAINT chart_merge__reason CHECK (length(reason) BETWEEN 1 AND 500),
        CONSTRAINT chart_merge__two_charts CHECK (from_patient_id <> into_patient_id),
        CONSTRAINT chart_merge__settled CHECK ((state = 'review') = (settled_at IS NULL) AND (state = 'review') = (settled_by IS NULL)),
        CONSTRAINT chart_merge__undone_for_a_reason CHECK (state <> 'undone' OR reason IS NOT NULL));
      CREATE UNIQUE INDEX chart_merge__one_survivor ON records.chart_merge (from_patient_id) WHERE state <> 'undone';
      CREATE INDEX chart_merge__work ON records.chart_merge (state, merge_id);
      CREATE INDEX record__named ON records.record (named_patient_id) WHERE named_patient_id IS NOT NULL AND type = 'Patient';
      GRANT SELECT ON records.chart_merge TO portico_app;
      ALTER TABLE records.chart_merge ENABLE ROW LEVEL SECURITY;
      CREATE POLICY chart_merge__office ON records.chart_merge FOR SELECT TO portico_app USING (${OFFICE});

      -- The chart that goes on for this one. A circle cannot arise: merge_charts refuses it.
      CREATE FUNCTION records.surviving_chart(_patient_id uuid) RETURNS uuid
        LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
          WITH RECURSIVE way AS (
            SELECT _patient_id AS patient_id, 0 AS step
            UNION ALL SELECT m.into_patient_id, way.step + 1 FROM way JOIN records.chart_merge m ON m.from_patient_id = way.patient_id AND m.state <> 'undone')
          SELECT patient_id FROM way ORDER BY step DESC LIMIT 1 $$;
      CREATE FUNCTION records.surviving_charts(_patient_ids uuid[]) RETURNS TABLE (patient_id uuid, shown_id uuid)
        LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
          SELECT m.from_patient_id, records.surviving_chart(m.from_patient_id) FROM records.chart_merge m
           WHERE m.from_patient_id = ANY (_patient_ids) AND m.state <> 'undone' $$;

      -- A merge that this chart takes part in and nobody has looked at.
      CREATE FUNCTION records.merge_in_review(_patient_id uuid) RETURNS uuid
        LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
          SELECT m.merge_id FROM records.chart_merge m WHERE m.state = 'review'
             AND _patient_id IN (m.from_patient_id, m.into_patient_id, records.surviving_chart(m.into_patient_id)) ORDER BY m.merge_id LIMIT 1 $$;
      -- An invitation that was given before the merge, or meanwhile, opens nothing before somebody has looked at it either.
      CREATE OR REPLACE FUNCTION users.link_chart(_patient_id uuid, _account_id uuid, _birth_date text, _now timestamptz) RETURNS boolean
        LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
          WITH linked AS (UPDATE users.patient SET account_id = _account_id, version = version + 1, updated_at = _now
                           WHERE patient_id = _patient_id AND account_id IS NULL AND birth_date = _birth_date
                             AND records.merge_in_review(_patient_id) IS NULL RETURNING 1)
          SELECT EXISTS (SELECT 1 FROM linked) $$;

      -- A feed says that two of its patients are one person. Only of charts that it has a Patient in, each; never again what was undone here.
      CREATE FUNCTION records.merge_charts(_merge_id uuid, _from uuid, _into uuid, _kind text, _import_id uuid, _file uuid, _line integer, _message_id text, _now timestamptz)
        RETURNS text LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
      DECLARE
        _source text := (SELECT f.source FROM users.own_feed f);
        _target uuid;
        _known text;
      BEGIN
        IF _source IS NULL THEN RAISE insufficient_privilege USING MESSAGE = 'only a feed merges charts'; END IF;
        PERFORM pg_advisory_xact_lock(hashtext('records.chart_merge'));
        IF _from = _into OR EXISTS (SELECT 1 FROM unnest(ARRAY[_from, _into]) AS c(id) WHERE NOT EXISTS (
             SELECT 1 FROM records.record r WHERE r.named_patient_id = c.id AND r.type = 'Patient' AND r.source = _source)) THEN
          RETURN 'unknown-chart';
        END IF;
        SELECT m.state INTO _known FROM records.chart_merge m WHERE m.from_patient_id = _from AND m.into_patient_id = _into ORDER BY m.merge_id DESC LIMIT 1;
        IF _known = 'undone' THEN RETURN 'undone'; END IF;
        IF _known IS NOT NULL THEN RETURN 'known'; END IF;
        _target := records.surviving_chart(_into);
        IF _target = _from THEN RETURN 'circular'; END IF;
        IF EXISTS (SELECT 1 FROM records.chart_merge m WHERE m.from_patient_id = _from AND m.state <> 'undone') THEN RETURN 'elsewhere'; END IF;
        INSERT INTO records.chart_merge (merge_id, from_patient_id, into_patient_id, source, kind, import_id, import_file, import_line, message_id, merged_at, state)
          VALUES (_merge_id, _from, _into, _source, _kind, _import_id, _file, _line, _message_id, _now, 'review');
        PERFORM users.suspend_links(_merge_id, ARRAY[_from, _into, _target], _now);
        UPDATE records.record_version SET patient_id = _target WHERE patient_id = _from;
        UPDATE records.record SET patient_id = _target WHERE patient_id = _from;
        RETURN 'merged';
      END $$;

      -- The records office has looked at it: the two are one, or they are not, and each record goes back to the chart that was named for it.
      CREATE FUNCTION records.settle_merge(_merge_id uuid, _state text, _reason text, _now timestamptz) RETURNS boolean
        LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
      DECLARE
        m records.chart_merge;
        _shown uuid;
      BEGIN
        IF NOT ${OFFICE} THEN RAISE insufficient_privilege USING MESSAGE = 'only the records office settles merges'; END IF;
        PERFORM pg_advisory_xact_lock(hashtext('records.chart_merge'));
        SELECT * INTO m FROM records.chart_merge c WHERE c.merge_id = _merge_id AND (c.state = 'review' OR c.state = 'confirmed' AND _state = 'undone') FOR UPDATE;
        IF NOT FOUND THEN RETURN false; END IF;
        _shown := records.surviving_chart(m.into_patient_id);
        UPDATE records.chart_merge SET state = _state, reason = _reason, settled_at = _now, settled_by = platform.account_id() WHERE merge_id = _merge_id;
        IF _state = 'confirmed' THEN
          -- A wish of one of the two to hear of results from a clinician first is the wish of both. (The table comes with reading.)
          INSERT INTO records.chart_wish (patient_id, account_id, since)
            SELECT _shown, w.account_id, w.since FROM records.chart_wish w WHERE w.patient_id = m.from_patient_id ON CONFLICT DO NOTHING;
          PERFORM users.settle_links(_merge_id, _now);
          RETURN true;
        END IF;
        -- After a confirmed merge somebody reads both as one: that ends as well.
        IF m.state = 'confirmed' THEN PERFORM users.suspend_links(gen_random_uuid(), ARRAY[_shown], _now);
        ELSE PERFORM users.settle_links(_merge_id, _now); END IF;
        UPDATE records.record_version r SET patient_id = records.surviving_chart(r.named_patient_id)
          WHERE r.patient_id = _shown AND r.named_patient_id <> _shown AND records.surviving_chart(r.named_patient_id) <> _shown;
        UPDATE records.record r SET patient_id = records.surviving_chart(r.named_patient_id)
          WHERE r.patient_id = _shown AND r.named_patient_id <> _shown AND records.surviving_chart(r.named_patient_id) <> _shown;
        RETURN true;
      END $$;
      REVOKE ALL ON FUNCTION records.surviving_chart, records.surviving_charts, records.merge_in_review, records.merge_charts, records.settle_merge FROM PUBLIC;
      GRANT EXECUTE ON FUNCTION records.surviving_charts, records.merge_charts, records.settle_merge TO portico_app;
    `);
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query(`
      UPDATE records.record_version SET patient_id = named_patient_id WHERE patient_id <> named_patient_id;
      UPDATE records.record SET patient_id = named_patient_id WHERE patient_id <> named_patient_id;
      CREATE OR REPLACE FUNCTION users.link_chart(_patient_id uuid, _account_id uuid, _birth_date text, _now timestamptz) RETURNS boolean
        LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
          WITH linked AS (UPDATE users.patient SET account_id = _account_id, version = version + 1, updated_at = _now
                           WHERE patient_id = _patient_id AND account_id IS NULL AND birth_date = _birth_date RETURNING 1)
          SELECT EXISTS (SELECT 1 FROM linked) $$;
      DROP FUNCTION records.settle_merge, records.merge_charts, records.merge_in_review, records.surviving_charts, records.surviving_chart;
      DROP INDEX records.record__named;
      DROP TABLE records.chart_merge;
      UPDATE users.patient p SET account_id = s.account_id FROM users.suspended_link s
        WHERE s.patient_id = p.patient_id AND s.settled_at IS NULL AND p.account_id IS NULL;
      DROP FUNCTION users.suspend_links, users.settle_links;
      DROP TABLE users.suspended_link;
    `);
  }
}
