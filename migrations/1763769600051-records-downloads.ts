import type { MigrationInterface, QueryRunner } from 'typeorm';

const OWN = (table: string): string => `${table}.patient_id = ANY (ARRAY(SELECT o.patient_id FROM users.own_chart o))`;
const PROXIED = (table: string): string =>
  `EXISTS (SELECT 1 FROM users.proxied_chart g WHERE g.patient_id = ${table}.patient_id)`;

/** Downloads of charts: jobs that write sealed files for whoever asked, and copies that were sent on at their wish. */
export class RecordsDownloads1763769600051 implements MigrationInterface {
  async up(db: QueryRunner): Promise<void> {
    await db.query(`
      CREATE TABLE records.download (
        download_id uuid CONSTRAINT download__pk PRIMARY KEY,
        patient_id uuid NOT NULL,
        account_id uuid NOT NULL,
        request_id uuid NOT NULL,
        session_id uuid NOT NULL,
        -- What of the chart: from, before, types. What is left out does not narrow it.
        filter jsonb NOT NULL,
        formats text[] NOT NULL CONSTRAINT download__formats CHECK (formats <@ '{fhir,ips,html,pdf}' AND cardinality(formats) > 0),
        -- What was open to a proxy then; null: to the patient, all. Who is let see less later has no file of before.
        open_labels text[],
        rules_version integer NOT NULL,
        status text NOT NULL DEFAULT 'queued'
          CONSTRAINT download__status CHECK (status IN ('queued', 'running', 'ready', 'failed', 'ended', 'expired')),
        failure text,
        records integer NOT NULL DEFAULT 0,
        records_total integer,
        created_at timestamptz NOT NULL,
        finished_at timestamptz,
        expires_at timestamptz NOT NULL,
        -- Raised whenever somebody takes the work up: who was thought dead cannot go on with it.
        turn integer NOT NULL DEFAULT 0,
        attempts integer NOT NULL DEFAULT 0,
        next_at timestamptz NOT NULL,
        CONSTRAINT download__failed CHECK ((status = 'failed') = (failure IS NOT NULL)),
        CONSTRAINT download__finished CHECK ((finished_at IS NULL) = (status IN ('queued', 'running'))));
      CREATE INDEX download__due ON records.download (next_at, download_id) WHERE status IN ('queued', 'running');
      CREATE INDEX download__of_chart ON records.download (patient_id, account_id, download_id DESC);
      CREATE INDEX download__of_account ON records.download (account_id, created_at);
      CREATE INDEX download__by_expiry ON records.download (expires_at) WHERE status <> 'expired';

      CREATE TABLE records.download_file (
        download_id uuid NOT NULL CONSTRAINT download_file__download REFERENCES records.download,
        name text NOT NULL,
        media_type text NOT NULL,
        bytes bigint NOT NULL,
        sha256 text NOT NULL,
        made_at timestamptz NOT NULL,
        CONSTRAINT download_file__pk PRIMARY KEY (download_id, name));
      -- Sealed pieces of one size, so that any byte's piece is found by division.
      CREATE TABLE records.download_chunk (
        download_id uuid NOT NULL CONSTRAINT download_chunk__download REFERENCES records.download,
        name text NOT NULL,
        ordinal integer NOT NULL,
        body text NOT NULL,
        CONSTRAINT download_chunk__pk PRIMARY KEY (download_id, name, ordinal));
      ALTER TABLE records.download_chunk ALTER COLUMN body SET STORAGE EXTERNAL;

      -- Copies that were mailed. To whom lies sealed under the patient's key.
      CREATE TABLE records.transmission (
        transmission_id uuid CONSTRAINT transmission__pk PRIMARY KEY,
        download_id uuid NOT NULL CONSTRAINT transmission__download REFERENCES records.download,
        patient_id uuid NOT NULL,
        account_id uuid NOT NULL,
        recipient text NOT NULL,
        files text[] NOT NULL,
        bytes bigint NOT NULL,
        sha256 text NOT NULL,
        sent_at timestamptz NOT NULL);
      CREATE INDEX transmission__of_chart ON records.transmission (patient_id, transmission_id DESC);
      CREATE INDEX transmission__of_download ON records.transmission (download_id);
      CREATE INDEX transmission__of_account ON records.transmission (account_id, sent_at);

      GRANT SELECT, INSERT ON records.download TO portico_app;
      GRANT UPDATE (status, failure, records, records_total, finished_at, expires_at, attempts, next_at) ON records.download TO portico_app;
      GRANT SELECT, INSERT, DELETE ON records.download_file, records.download_chunk TO portico_app;
      GRANT SELECT, INSERT ON records.transmission TO portico_app;

      -- The version of the sensitivity rules in force; tells a number and nothing of the rules.
      CREATE FUNCTION records.rules_version() RETURNS integer LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
        SELECT COALESCE(max(s.version), 0) FROM records.sensitivity_rule_set s $$;

      ALTER TABLE records.download ENABLE ROW LEVEL SECURITY;
      ALTER TABLE records.download_file ENABLE ROW LEVEL SECURITY;
      ALTER TABLE records.download_chunk ENABLE ROW LEVEL SECURITY;
      ALTER TABLE records.transmission ENABLE ROW LEVEL SECURITY;
      -- Its maker alone, as long as the chart is open to them no less than when it was made.
      CREATE POLICY download__own ON records.download TO portico_app
        USING (account_id = platform.account_id() AND (${OWN('download')} OR EXISTS (
          SELECT 1 FROM users.proxied_chart g WHERE g.patient_id = download.patient_id AND download.open_labels <@ g.open_labels
             AND download.rules_version = (SELECT records.rules_version()))))
        WITH CHECK (account_id = platform.account_id() AND (open_labels IS NULL AND ${OWN('download')} OR open_labels IS NOT NULL AND ${PROXIED('download')}));
      CREATE POLICY download_file__own ON records.download_file TO portico_app
        USING (EXISTS (SELECT 1 FROM records.download d WHERE d.download_id = download_file.download_id));
      CREATE POLICY download_chunk__own ON records.download_chunk TO portico_app
        USING (EXISTS (SELECT 1 FROM records.download d WHERE d.download_id = download_chunk.download_id));
      -- Patients see what was sent of their chart, whoever sent it.
      CREATE POLICY transmission__read ON records.transmission FOR SELECT TO portico_app
        USING (${OWN('transmission')} OR account_id = platform.account_id() AND ${PROXIED('transmission')});
      CREATE POLICY transmission__send ON records.transmission FOR INSERT TO portico_app WITH CHECK (
        account_id = platform.account_id() AND EXISTS (SELECT 1 FROM records.download d WHERE d.download_id = transmission.download_id AND d.patient_id = transmission.patient_id));

      -- The job that is due for longest, for whoever asks first. Tells ids and nothing else; the work is done as its account.
      CREATE FUNCTION records.take_download(_now timestamptz, _until timestamptz) RETURNS TABLE (download_id uuid, account_id uuid, turn integer)
        LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
          UPDATE records.download SET turn = download.turn + 1, next_at = _until WHERE download.download_id = (
            SELECT d.download_id FROM records.download d WHERE d.status IN ('queued', 'running') AND d.next_at <= _now
             ORDER BY d.next_at, d.download_id LIMIT 1 FOR UPDATE SKIP LOCKED)
          RETURNING download.download_id, download.account_id, download.turn $$;
      -- Says that the work goes on; false: somebody else has it, or it is over.
      CREATE FUNCTION records.keep_download(_download_id uuid, _turn integer, _until timestamptz) RETURNS boolean
        LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
          WITH kept AS (UPDATE records.download SET next_at = _until WHERE download_id = _download_id AND turn = _turn AND finished_at IS NULL RETURNING 1)
          SELECT EXISTS (SELECT 1 FROM kept) $$;
      -- Puts the work back until then; answers how often it was begun. For those as well whose account may see the chart no more.
      CREATE FUNCTION records.postpone_download(_download_id uuid, _turn integer, _until timestamptz) RETURNS integer
        LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
          UPDATE records.download SET next_at = _until WHERE download_id = _download_id AND turn = _turn AND finished_at IS NULL RETURNING attempts $$;
      CREATE FUNCTION records.fail_download(_download_id uuid, _turn integer, _failure text, _now timestamptz) RETURNS void
        LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
      BEGIN
        UPDATE records.download SET status = 'failed', failure = _failure, finished_at = _now
         WHERE download_id = _download_id AND turn = _turn AND finished_at IS NULL;
        IF NOT FOUND THEN RETURN; END IF;
        DELETE FROM records.download_chunk WHERE download_id = _download_id;
        DELETE FROM records.download_file WHERE download_id = _download_id;
      END $$;
      -- Files whose days are over, or whose account is: gone. That there was a download stays. Answers how many.
      CREATE FUNCTION records.expire_downloads(_now timestamptz, _account_id uuid) RETURNS integer
        LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
      DECLARE
        _ids uuid[] := ARRAY(SELECT d.download_id FROM records.download d WHERE d.status <> 'expired' AND (d.account_id = _account_id
          OR _account_id IS NULL AND (d.expires_at <= _now OR NOT EXISTS (SELECT 1 FROM users.account a WHERE a.account_id = d.account_id AND a.status = 'active'))) FOR UPDATE);
      BEGIN
        DELETE FROM records.download_chunk WHERE download_id = ANY (_ids);
        DELETE FROM records.download_file WHERE download_id = ANY (_ids);
        UPDATE records.download SET status = 'expired', failure = NULL, finished_at = COALESCE(finished_at, _now), turn = turn + 1 WHERE download_id = ANY (_ids);
        RETURN cardinality(_ids);
      END $$;
      REVOKE ALL ON FUNCTION records.rules_version, records.take_download, records.keep_download, records.postpone_download, records.fail_download, records.expire_downloads FROM PUBLIC;
      GRANT EXECUTE ON FUNCTION records.rules_version, records.take_download, records.keep_download, records.postpone_download, records.fail_download, records.expire_downloads TO portico_app;
    `);
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query(`
      DROP FUNCTION records.take_download, records.keep_download, records.postpone_download, records.fail_download, records.expire_downloads;
      DROP TABLE records.transmission, records.download_chunk, records.download_file, records.download;
      DROP FUNCTION records.rules_version;
    `);
  }
}
