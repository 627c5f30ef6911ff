import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * Retention: whole blocks of the log leave the database for files, and after years the files go as well. Tile hashes stay for
 * ever, so that every proof of what is left goes on to verify. Who has what deleted, and what is held back, is never changed.
 */
export class AuditRetention1763769600022 implements MigrationInterface {
  async up(db: QueryRunner): Promise<void> {
    await db.query(`
      -- Entries of a block: whole tiles, and for good once the first block is there.
      CREATE TABLE audit.block_rule (
        rule_id smallint CONSTRAINT block_rule__pk PRIMARY KEY CONSTRAINT block_rule__one_row CHECK (rule_id = 1),
        size bigint NOT NULL CONSTRAINT block_rule__whole_tiles CHECK (size > 0 AND size % 256 = 0));
      INSERT INTO audit.block_rule VALUES (1, 1048576);
      CREATE FUNCTION audit.keep_block_rule() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF TG_OP = 'DELETE' OR EXISTS (SELECT 1 FROM pg_inherits WHERE inhparent = 'audit.entry'::regclass) OR (SELECT size FROM audit.head) > 0
        THEN RAISE EXCEPTION 'the log has blocks already: their size stays as it is'; END IF;
        RETURN NEW;
      END $$;
      CREATE TRIGGER keep BEFORE UPDATE OR DELETE ON audit.block_rule FOR EACH ROW EXECUTE FUNCTION audit.keep_block_rule();
      CREATE TRIGGER no_truncate BEFORE TRUNCATE ON audit.block_rule FOR EACH STATEMENT EXECUTE FUNCTION audit.immutable();

      -- Blocks whose files are written. From detached_at on they are in the files alone, from deleted_at on nowhere.
      CREATE TABLE audit.archived_block (
        block bigint CONSTRAINT archived_block__pk PRIMARY KEY,
        first_idx bigint NOT NULL,
        end_idx bigint NOT NULL,
        -- The earliest and the latest time of its events.
        first_at timestamptz NOT NULL,
        last_at timestamptz NOT NULL,
        -- SHA-256 of its SHA256SUMS; and of each file, 32 bytes each: its entry bundles in their order, then its hash tiles.
        digest bytea NOT NULL CONSTRAINT archived_block__digest_length CHECK (octet_length(digest) = 32),
        digests bytea NOT NULL CONSTRAINT archived_block__digests_length CHECK (octet_length(digests) = (end_idx - first_idx) / 256 * 64),
        bytes bigint NOT NULL,
        written_at timestamptz NOT NULL,
        detached_at timestamptz,
        deleted_at timestamptz,
        CONSTRAINT archived_block__whole_tiles CHECK (first_idx % 256 = 0 AND end_idx % 256 = 0 AND end_idx > first_idx),
        CONSTRAINT archived_block__deleted_after CHECK (deleted_at IS NULL OR detached_at IS NOT NULL));
      -- One digest is read out of many.
      ALTER TABLE audit.archived_block ALTER COLUMN digests SET STORAGE EXTERNAL;
      CREATE FUNCTION audit.keep_archived_block() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF TG_OP = 'DELETE'
          OR (OLD.block, OLD.first_idx, OLD.end_idx, OLD.first_at, OLD.last_at, OLD.digest, OLD.digests, OLD.bytes, OLD.written_at)
             IS DISTINCT FROM (NEW.block, NEW.first_idx, NEW.end_idx, NEW.first_at, NEW.last_at, NEW.digest, NEW.digests, NEW.bytes, NEW.written_at)
          OR (OLD.detached_at IS NOT NULL AND OLD.detached_at IS DISTINCT FROM NEW.detached_at)
          OR (OLD.deleted_at IS NOT NULL AND OLD.deleted_at IS DISTINCT FROM NEW.deleted_at)
        THEN RAISE EXCEPTION 'audit.archived_block is append-only'; END IF;
        RETURN NEW;
      END $$;
      CREATE TRIGGER keep BEFORE UPDATE OR DELETE ON audit.archived_block FOR EACH ROW EXECUTE FUNCTION audit.keep_archived_block();
      CREATE TRIGGER no_truncate BEFORE TRUNCATE ON audit.archived_block FOR EACH STATEMENT EXECUTE FUNCTION audit.immutable();

      -- Legal holds: blocks with an event of this time are not deleted. Null: from the first event, or without an end.
      CREATE TABLE audit.hold (
        hold_id uuid CONSTRAINT hold__pk PRIMARY KEY,
        from_at timestamptz,
        to_at timestamptz,
        reason text NOT NULL CONSTRAINT hold__reason_length CHECK (length(reason) BETWEEN 1 AND 500),
        placed_by uuid NOT NULL,
        placed_at timestamptz NOT NULL,
        CONSTRAINT hold__period CHECK (from_at < to_at));
      CREATE TABLE audit.hold_release (
        hold_id uuid CONSTRAINT hold_release__pk PRIMARY KEY CONSTRAINT hold_release__hold REFERENCES audit.hold,
        reason text NOT NULL CONSTRAINT hold_release__reason_length CHECK (length(reason) BETWEEN 1 AND 500),
        released_by uuid NOT NULL,
        released_at timestamptz NOT NULL);
      CREATE TRIGGER no_change BEFORE UPDATE OR DELETE ON audit.hold FOR EACH ROW EXECUTE FUNCTION audit.immutable();
      CREATE TRIGGER no_truncate BEFORE TRUNCATE ON audit.hold FOR EACH STATEMENT EXECUTE FUNCTION audit.immutable();
      CREATE TRIGGER no_change BEFORE UPDATE OR DELETE ON audit.hold_release FOR EACH ROW EXECUTE FUNCTION audit.immutable();
      CREATE TRIGGER no_truncate BEFORE TRUNCATE ON audit.hold_release FOR EACH STATEMENT EXECUTE FUNCTION audit.immutable();

      -- The server asks inside the request's transaction: no hold is placed or released without its event.
      CREATE FUNCTION audit.place_hold(_id uuid, _from timestamptz, _to timestamptz, _reason text, _by uuid, _at timestamptz) RETURNS void
        LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
          INSERT INTO audit.hold (hold_id, from_at, to_at, reason, placed_by, placed_at) VALUES (_id, _from, _to, _reason, _by, _at) $$;
      -- False: it was released before. Null: there is none.
      CREATE FUNCTION audit.release_hold(_id uuid, _reason text, _by uuid, _at timestamptz) RETURNS boolean
        LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$ BEGIN
          IF NOT EXISTS (SELECT 1 FROM audit.hold WHERE hold_id = _id) THEN RETURN NULL; END IF;
          INSERT INTO audit.hold_release (hold_id, reason, released_by, released_at) VALUES (_id, _reason, _by, _at) ON CONFLICT DO NOTHING;
          RETURN FOUND;
        END $$;

      -- The next block has its files. Only what a published checkpoint covers, and one after the other.
      CREATE FUNCTION audit.record_block(_block bigint, _first_at timestamptz, _last_at timestamptz, _digest bytea, _digests bytea, _bytes bigint, _at timestamptz)
        RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
        DECLARE span bigint := (SELECT size FROM audit.block_rule);
        BEGIN
          IF _block <> (SELECT count(*) FROM audit.archived_block) THEN RAISE EXCEPTION 'block % is not the next one', _block; END IF;
          IF (_block + 1) * span > coalesce((SELECT max(size) FROM audit.published), 0) THEN RAISE EXCEPTION 'no checkpoint covers block %', _block; END IF;
          INSERT INTO audit.archived_block (block, first_idx, end_idx, first_at, last_at, digest, digests, bytes, written_at)
            VALUES (_block, _block * span, (_block + 1) * span, _first_at, _last_at, _digest, _digests, _bytes, _at);
        END $$;

      -- Takes a block whose files were read again out of the database, with the event that says so. The lock that this needs is
      -- waited for briefly: readers wait behind it.
      CREATE FUNCTION audit.detach_block(_block bigint, _at timestamptz, _event_id uuid, _event text, _action text) RETURNS void
        LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
        BEGIN
          PERFORM set_config('lock_timeout', '500ms', true);
          UPDATE audit.archived_block SET detached_at = _at WHERE block = _block AND detached_at IS NULL
            AND NOT EXISTS (SELECT 1 FROM audit.archived_block b WHERE b.block < _block AND b.detached_at IS NULL);
          IF NOT FOUND THEN RAISE EXCEPTION 'block % is not the next one to leave', _block; END IF;
          EXECUTE format('ALTER TABLE audit.entry DETACH PARTITION audit.entry_%s', _block);
          EXECUTE format('DROP TABLE audit.entry_%s', _block);
          INSERT INTO audit.inbox (event_id, event, occurred, actor, action, outcome, request_id) VALUES (_event_id, _event, _at, '', _action, 0, _event_id);
        END $$;

      -- The end of a block's retention, with the event that says so; its files are removed afterwards. False: it is not due, or held.
      CREATE FUNCTION audit.delete_block(_block bigint, _before timestamptz, _at timestamptz, _event_id uuid, _event text, _action text) RETURNS boolean
        LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
        BEGIN
          -- A hold that is being placed is waited for, and one that comes later finds the block gone.
          LOCK TABLE audit.hold, audit.hold_release IN SHARE MODE;
          UPDATE audit.archived_block b SET deleted_at = _at WHERE b.block = _block AND b.detached_at IS NOT NULL AND b.deleted_at IS NULL AND b.last_at < _before
            AND NOT EXISTS (SELECT 1 FROM audit.hold h WHERE (h.from_at IS NULL OR b.last_at >= h.from_at) AND (h.to_at IS NULL OR b.first_at < h.to_at)
              AND NOT EXISTS (SELECT 1 FROM audit.hold_release r WHERE r.hold_id = h.hold_id));
          IF NOT FOUND THEN RETURN false; END IF;
          INSERT INTO audit.inbox (event_id, event, occurred, actor, action, outcome, request_id) VALUES (_event_id, _event, _at, '', _action, 0, _event_id);
          RETURN true;
        END $$;

      REVOKE ALL ON FUNCTION audit.keep_block_rule, audit.keep_archived_block, audit.place_hold, audit.release_hold, audit.record_block,
        audit.detach_block, audit.delete_block FROM PUBLIC;
      GRANT EXECUTE ON FUNCTION audit.place_hold, audit.release_hold TO portico_app;
      GRANT EXECUTE ON FUNCTION audit.record_block, audit.detach_block, audit.delete_block TO portico_sequencer;
      GRANT SELECT ON audit.block_rule, audit.archived_block, audit.hold, audit.hold_release TO portico_sequencer, portico_auditor;
    `);
    await db.query(
      sequence(`
        SELECT rule.size INTO span FROM audit.block_rule rule;
        FOR block IN (start / span) .. ((start + cardinality(ids)) / span) LOOP
          IF to_regclass(format('audit.entry_%s', block)) IS NULL THEN
            EXECUTE format('CREATE TABLE audit.entry_%s PARTITION OF audit.entry FOR VALUES FROM (%s) TO (%s)', block, block * span, (block + 1) * span);
            EXECUTE format('CREATE TRIGGER no_truncate BEFORE TRUNCATE ON audit.entry_%s FOR EACH STATEMENT EXECUTE FUNCTION audit.immutable()', block);
          END IF;
        END LOOP;`),
    );
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query(
      sequence(`
        block := (start + cardinality(ids)) >> 20;
        IF to_regclass(format('audit.entry_%s', block)) IS NULL THEN
          EXECUTE format('CREATE TABLE audit.entry_%s PARTITION OF audit.entry FOR VALUES FROM (%s) TO (%s)', block, block << 20, (block + 1) << 20);
          EXECUTE format('CREATE TRIGGER no_truncate BEFORE TRUNCATE ON audit.entry_%s FOR EACH STATEMENT EXECUTE FUNCTION audit.immutable()', block);
        END IF;`),
    );
    await db.query(`
      DROP FUNCTION audit.delete_block, audit.detach_block, audit.record_block, audit.release_hold, audit.place_hold;
      DROP TABLE audit.hold_release, audit.hold, audit.archived_block, audit.block_rule;
      DROP FUNCTION audit.keep_archived_block, audit.keep_block_rule;
    `);
  }
}

/** Moves committed events into the log, as before but for how the blocks that they go into are made. */
function sequence(blocks: string): string {
  return `
      CREATE OR REPLACE FUNCTION audit.sequence(_limit int) RETURNS TABLE (first_idx bigint, n bigint)
      LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, audit, pg_temp AS $$
      DECLARE r record; i bigint; fr bytea[]; h bytea; lv int; lf text; ids bigint[]; start bigint; block bigint; span bigint;
        la text[] := '{}'; ha bytea[] := '{}'; tl smallint[] := '{}'; tn bigint[] := '{}'; th bytea[] := '{}'; k int := 0;
      BEGIN
        -- Nothing to do is the usual case: then not even the head is locked.
        IF NOT EXISTS (SELECT 1 FROM audit.inbox) THEN RETURN; END IF;
        SELECT head.size, head.peaks INTO start, fr FROM audit.head WHERE log_id = 1 FOR UPDATE;
        i := start;
        SELECT array_agg(x.id ORDER BY x.id) INTO ids FROM (SELECT inbox.id FROM audit.inbox ORDER BY inbox.id LIMIT _limit) x;
        IF ids IS NULL THEN RETURN; END IF;${blocks}
        FOR r IN SELECT b.event, b.subject, coalesce(s.n, 0) + row_number() OVER (PARTITION BY b.subject ORDER BY b.id) AS sn
                 FROM audit.inbox b LEFT JOIN audit.subject_head s ON s.subject = b.subject WHERE b.id = ANY (ids) ORDER BY b.id LOOP
          k := k + 1;
          lf := '{"e":' || r.event || ',"i":' || i || CASE WHEN r.subject IS NULL THEN '}' ELSE ',"n":' || r.sn || '}' END;
          h := sha256('\\x00'::bytea || convert_to(lf, 'UTF8')); la[k] := lf; ha[k] := h;
          lv := 0;
          WHILE (i >> lv) & 1 = 1 LOOP
            h := sha256('\\x01'::bytea || fr[lv + 1] || h); lv := lv + 1;
            IF lv % 8 = 0 THEN tl := tl || (lv / 8)::smallint; tn := tn || (i >> lv); th := th || h; END IF;
          END LOOP;
          fr[lv + 1] := h; i := i + 1;
        END LOOP;
        INSERT INTO audit.entry (idx, leaf, leaf_hash, event_id, occurred, actor, subject, action, outcome, request_id, session_id)
          SELECT start + q.o - 1, la[q.o], ha[q.o], q.event_id, q.occurred, q.actor, q.subject, q.action, q.outcome, q.request_id, q.session_id
          FROM (SELECT b.*, row_number() OVER (ORDER BY b.id) AS o FROM audit.inbox b WHERE b.id = ANY (ids)) q;
        INSERT INTO audit.subject_head AS s (subject, n, last_idx)
          SELECT e.subject, count(*), max(e.idx) FROM audit.entry e WHERE e.idx >= start AND e.subject IS NOT NULL GROUP BY e.subject ORDER BY e.subject
          ON CONFLICT (subject) DO UPDATE SET n = s.n + excluded.n, last_idx = excluded.last_idx;
        IF cardinality(tl) > 0 THEN INSERT INTO audit.tile_hash SELECT * FROM unnest(tl, tn, th); END IF;
        DELETE FROM audit.inbox b WHERE b.id = ANY (ids);
        UPDATE audit.head SET size = i, peaks = fr WHERE log_id = 1;
        first_idx := start; n := k; RETURN NEXT;
      END $$`;
}
