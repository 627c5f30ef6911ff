import type { MigrationInterface, QueryRunner } from 'typeorm';

/** The chart: FHIR resources, sealed; in columns only what lists and filters need. */
export class RecordsChart1763769600004 implements MigrationInterface {
  async up(db: QueryRunner): Promise<void> {
    await db.query(`
      CREATE SCHEMA records;
      GRANT USAGE ON SCHEMA records TO portico_app;

      CREATE TABLE records.import (
        import_id uuid CONSTRAINT import__pk PRIMARY KEY,
        account_id uuid NOT NULL,
        source text NOT NULL,
        bundle_type text NOT NULL,
        status text NOT NULL CONSTRAINT import__status CHECK (status IN ('completed', 'completed-with-issues', 'failed')),
        entries integer NOT NULL,
        created integer NOT NULL,
        updated integer NOT NULL,
        unchanged integer NOT NULL,
        rejected integer NOT NULL,
        by_type jsonb NOT NULL,
        received_at timestamptz NOT NULL,
        finished_at timestamptz NOT NULL);
      CREATE INDEX import__of_account ON records.import (account_id, received_at);
      GRANT SELECT, INSERT ON records.import TO portico_app;

      CREATE TABLE records.import_issue (
        import_id uuid NOT NULL CONSTRAINT import_issue__import REFERENCES records.import,
        ordinal integer NOT NULL,
        entry integer,
        full_url text,
        severity text NOT NULL CONSTRAINT import_issue__severity CHECK (severity IN ('error', 'warning')),
        code text NOT NULL,
        path text NOT NULL,
        detail text NOT NULL,
        CONSTRAINT import_issue__pk PRIMARY KEY (import_id, ordinal));
      GRANT SELECT, INSERT ON records.import_issue TO portico_app;

      -- patient_id NULL: of no patient (a directory entry), or held until its patient comes; visible to nobody but its feed.
      CREATE TABLE records.record (
        record_id uuid CONSTRAINT record__pk PRIMARY KEY,
        patient_id uuid,
        source text NOT NULL,
        type text NOT NULL,
        source_id text NOT NULL,
        version integer NOT NULL,
        category text[] NOT NULL,
        code_system text NOT NULL,
        code text NOT NULL,
        status text NOT NULL,
        effective_at timestamptz,
        sort_at timestamptz NOT NULL,
        source_updated_at timestamptz,
        content_mac bytea NOT NULL,
        -- Sealed, in base64: PostgreSQL takes 50 times as long to write bytea into an answer as it takes to copy text.
        resource text NOT NULL,
        import_id uuid,
        received_at timestamptz NOT NULL,
        CONSTRAINT record__same_source UNIQUE (source, type, source_id)) WITH (toast_tuple_target = 4080);
      -- What is sealed does not compress, and the usual resource (2 kB) is read with its row and not from another place.
      ALTER TABLE records.record ALTER COLUMN resource SET STORAGE EXTERNAL;
      CREATE INDEX record__timeline ON records.record (patient_id, sort_at DESC, record_id DESC);
      CREATE INDEX record__timeline_of_type ON records.record (patient_id, type, sort_at DESC, record_id DESC);
      GRANT SELECT, INSERT, UPDATE ON records.record TO portico_app;

      CREATE TABLE records.record_version (
        record_id uuid NOT NULL CONSTRAINT record_version__record REFERENCES records.record,
        version integer NOT NULL,
        patient_id uuid,
        source text NOT NULL,
        category text[] NOT NULL,
        code_system text NOT NULL,
        code text NOT NULL,
        status text NOT NULL,
        effective_at timestamptz,
        sort_at timestamptz NOT NULL,
        source_updated_at timestamptz,
        content_mac bytea NOT NULL,
        resource text NOT NULL,
        import_id uuid,
        received_at timestamptz NOT NULL,
        CONSTRAINT record_version__pk PRIMARY KEY (record_id, version));
      ALTER TABLE records.record_version ALTER COLUMN resource SET STORAGE EXTERNAL;
      GRANT SELECT, INSERT ON records.record_version TO portico_app;

      -- Business identifiers of directory entries (practitioners, organisations, places), for conditional references.
      CREATE TABLE records.directory_identifier (
        record_id uuid NOT NULL CONSTRAINT directory_identifier__record REFERENCES records.record,
        source text NOT NULL,
        type text NOT NULL,
        system text NOT NULL,
        value text NOT NULL,
        CONSTRAINT directory_identifier__pk PRIMARY KEY (record_id, system, value));
      CREATE INDEX directory_identifier__by_value ON records.directory_identifier (source, type, value, system);
      GRANT SELECT, INSERT, DELETE ON records.directory_identifier TO portico_app;

      -- THE SECOND WALL for charts. Readers: whom the grant tables let in. A feed: only its own rows.
      ALTER TABLE records.record ENABLE ROW LEVEL SECURITY;
      CREATE POLICY record__read ON records.record FOR SELECT TO portico_app USING (
        record.patient_id = ANY (ARRAY(SELECT o.patient_id FROM users.own_chart o))
        OR EXISTS (SELECT 1 FROM users.care_now c WHERE c.practitioner_id = (SELECT o.practitioner_id FROM users.own_practice o) AND c.patient_id = record.patient_id)
        OR source = (SELECT f.source FROM users.own_feed f));
      CREATE POLICY record__feed_insert ON records.record FOR INSERT TO portico_app WITH CHECK (source = (SELECT f.source FROM users.own_feed f));
      CREATE POLICY record__feed_update ON records.record FOR UPDATE TO portico_app
        USING (source = (SELECT f.source FROM users.own_feed f)) WITH CHECK (source = (SELECT f.source FROM users.own_feed f));

      ALTER TABLE records.record_version ENABLE ROW LEVEL SECURITY;
      CREATE POLICY record_version__read ON records.record_version FOR SELECT TO portico_app USING (
        record_version.patient_id = ANY (ARRAY(SELECT o.patient_id FROM users.own_chart o))
        OR EXISTS (SELECT 1 FROM users.care_now c WHERE c.practitioner_id = (SELECT o.practitioner_id FROM users.own_practice o) AND c.patient_id = record_version.patient_id)
        OR source = (SELECT f.source FROM users.own_feed f));
      CREATE POLICY record_version__feed ON records.record_version FOR INSERT TO portico_app WITH CHECK (source = (SELECT f.source FROM users.own_feed f));

      ALTER TABLE records.directory_identifier ENABLE ROW LEVEL SECURITY;
      CREATE POLICY directory_identifier__feed ON records.directory_identifier TO portico_app
        USING (source = (SELECT f.source FROM users.own_feed f)) WITH CHECK (source = (SELECT f.source FROM users.own_feed f));

      ALTER TABLE records.import ENABLE ROW LEVEL SECURITY;
      CREATE POLICY import__own ON records.import TO portico_app USING (account_id = platform.account_id()) WITH CHECK (account_id = platform.account_id());
      ALTER TABLE records.import_issue ENABLE ROW LEVEL SECURITY;
      CREATE POLICY import_issue__own ON records.import_issue TO portico_app
        USING (EXISTS (SELECT 1 FROM records.import i WHERE i.import_id = import_issue.import_id))
        WITH CHECK (EXISTS (SELECT 1 FROM records.import i WHERE i.import_id = import_issue.import_id));
    `);
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query(`DROP SCHEMA records CASCADE`);
  }
}
