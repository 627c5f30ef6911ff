import type { MigrationInterface, QueryRunner } from 'typeorm';

const OF_FEED = (table: string): string => `${table}.source = (SELECT f.source FROM users.own_feed f)`;

/** Attachments of records: what is known of them sealed under the key of their record, their contents in sealed chunks. */
export class RecordsAttachments1763769600049 implements MigrationInterface {
  async up(db: QueryRunner): Promise<void> {
    await db.query(`
      CREATE TABLE records.attachment (
        attachment_id uuid CONSTRAINT attachment__pk PRIMARY KEY,
        -- The version that it is part of: whoever may read that may read it, and nobody else. It goes with its record.
        record_id uuid NOT NULL CONSTRAINT attachment__record REFERENCES records.record ON DELETE CASCADE,
        version integer NOT NULL,
        ordinal integer NOT NULL,
        source text NOT NULL,
        -- 'Binary/<id>' within the feed, where its content is a record of its own; and the attachment of it whose content this is.
        wants text CONSTRAINT attachment__wants_binary CHECK (wants LIKE 'Binary/%'),
        of_binary uuid,
        -- Where its bytes lie, and where its base64 does as it was sent, if that is not the one way to write them.
        content_id uuid,
        literal_id uuid,
        -- Title, type, digests, findings, and what opens the content; sealed, in base64.
        head text NOT NULL,
        received_at timestamptz NOT NULL,
        CONSTRAINT attachment__place UNIQUE (record_id, version, ordinal));
      CREATE INDEX attachment__of_content ON records.attachment (content_id) WHERE content_id IS NOT NULL;
      CREATE INDEX attachment__of_literal ON records.attachment (literal_id) WHERE literal_id IS NOT NULL;
      CREATE INDEX attachment__by_binary ON records.attachment (source, wants) WHERE wants IS NOT NULL;
      GRANT SELECT, INSERT, UPDATE (content_id, literal_id, head, of_binary) ON records.attachment TO portico_app;

      CREATE TABLE records.attachment_chunk (
        content_id uuid NOT NULL,
        ordinal integer NOT NULL,
        source text NOT NULL,
        body text NOT NULL,
        received_at timestamptz NOT NULL,
        CONSTRAINT attachment_chunk__pk PRIMARY KEY (content_id, ordinal));
      ALTER TABLE records.attachment_chunk ALTER COLUMN body SET STORAGE EXTERNAL;
      CREATE INDEX attachment_chunk__by_age ON records.attachment_chunk (received_at) WHERE ordinal = 0;
      GRANT SELECT, INSERT ON records.attachment_chunk TO portico_app;

      -- THE SECOND WALL: that of the record, by its own policies, holds, wishes and labels included; of an earlier version, that of the version.
      -- As the reader, and in functions for the sake of their plans: policies within policies took 100 ms to plan, for each statement, and
      -- 0.3 ms to run. A session plans each of these once.
      CREATE FUNCTION records.reads_version(_record_id uuid, _version integer) RETURNS boolean
        LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan AS $$
      BEGIN
        IF EXISTS (SELECT 1 FROM records.record r WHERE r.record_id = _record_id AND r.version = _version) THEN RETURN true; END IF;
        RETURN EXISTS (SELECT 1 FROM records.record_version v WHERE v.record_id = _record_id AND v.version = _version);
      END $$;
      CREATE FUNCTION records.reads_content(_content_id uuid) RETURNS boolean
        LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan AS $$
      BEGIN
        IF EXISTS (SELECT 1 FROM records.attachment a WHERE a.content_id = _content_id) THEN RETURN true; END IF;
        RETURN EXISTS (SELECT 1 FROM records.attachment a WHERE a.literal_id = _content_id);
      END $$;
      REVOKE ALL ON FUNCTION records.reads_version, records.reads_content FROM PUBLIC;
      GRANT EXECUTE ON FUNCTION records.reads_version, records.reads_content TO portico_app;
      ALTER TABLE records.attachment ENABLE ROW LEVEL SECURITY;
      CREATE POLICY attachment__read ON records.attachment FOR SELECT TO portico_app USING (
        ${OF_FEED('attachment')} OR records.reads_version(record_id, version));
      CREATE POLICY attachment__feed_insert ON records.attachment FOR INSERT TO portico_app WITH CHECK (
        ${OF_FEED('attachment')} AND EXISTS (SELECT 1 FROM records.record r WHERE r.record_id = attachment.record_id AND r.source = attachment.source));
      CREATE POLICY attachment__feed_update ON records.attachment FOR UPDATE TO portico_app
        USING (${OF_FEED('attachment')}) WITH CHECK (${OF_FEED('attachment')});

      ALTER TABLE records.attachment_chunk ENABLE ROW LEVEL SECURITY;
      CREATE POLICY attachment_chunk__read ON records.attachment_chunk FOR SELECT TO portico_app USING (
        ${OF_FEED('attachment_chunk')} OR records.reads_content(content_id));
      CREATE POLICY attachment_chunk__feed ON records.attachment_chunk FOR INSERT TO portico_app WITH CHECK (${OF_FEED('attachment_chunk')});

      -- Contents that no attachment has: of imports that broke off, and of records that are gone. They open for nobody even before that.
      CREATE FUNCTION records.sweep_attachment_chunks(_before timestamptz, _limit integer) RETURNS bigint
        LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
          WITH gone AS (DELETE FROM records.attachment_chunk c WHERE c.content_id IN (
            SELECT o.content_id FROM records.attachment_chunk o
             WHERE o.ordinal = 0 AND o.received_at < _before
               AND NOT EXISTS (SELECT 1 FROM records.attachment a WHERE a.content_id = o.content_id)
               AND NOT EXISTS (SELECT 1 FROM records.attachment a WHERE a.literal_id = o.content_id)
             LIMIT _limit) RETURNING 1)
          SELECT count(*) FROM gone $$;
      REVOKE ALL ON FUNCTION records.sweep_attachment_chunks FROM PUBLIC;
      GRANT EXECUTE ON FUNCTION records.sweep_attachment_chunks TO portico_app;
    `);
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query(`
      DROP FUNCTION records.sweep_attachment_chunks;
      DROP TABLE records.attachment_chunk, records.attachment;
      DROP FUNCTION records.reads_version, records.reads_content;
    `);
  }
}
