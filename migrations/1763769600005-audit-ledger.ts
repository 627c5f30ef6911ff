import type { MigrationInterface, QueryRunner } from 'typeorm';

/**
 * The ledger. The server's role submits to the inbox and can do nothing else here; the sequencer's role gives each event
 * its place; the auditor's role reads. Leaves are the exact bytes that will be proved and exported (RFC 6962 tree, tiles of 256).
 */
export class AuditLedger1763769600005 implements MigrationInterface {
  async up(db: QueryRunner): Promise<void> {
    await db.query(`
      CREATE SCHEMA audit;
      GRANT USAGE ON SCHEMA audit TO portico_app, portico_sequencer, portico_auditor;

      -- 1. Inbox: what a request waits for. Written in the business transaction (writes) or in batches (everything else).
      CREATE TABLE audit.inbox (
        id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT inbox__pk PRIMARY KEY,
        event_id uuid NOT NULL CONSTRAINT inbox__event_once UNIQUE,
        event text NOT NULL CONSTRAINT inbox__one_line CHECK (octet_length(event) BETWEEN 2 AND 60000 AND event !~ '[\\r\\n]' AND left(event, 1) = '{'),
        occurred timestamptz NOT NULL,
        actor text NOT NULL,
        subject text,
        action text NOT NULL,
        outcome smallint NOT NULL,
        request_id uuid NOT NULL,
        session_id uuid) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);

      -- 2. The log, in blocks of 2^20 entries = 4096 full level-0 tiles. The leaf is never rebuilt from columns or jsonb.
      CREATE TABLE audit.entry (
        idx bigint NOT NULL CONSTRAINT entry__pk PRIMARY KEY,
        leaf text NOT NULL,
        leaf_hash bytea NOT NULL CONSTRAINT entry__hash_length CHECK (octet_length(leaf_hash) = 32),
        event_id uuid NOT NULL,
        occurred timestamptz NOT NULL,
        sequenced timestamptz NOT NULL DEFAULT clock_timestamp(),
        actor text NOT NULL,
        subject text,
        action text NOT NULL,
        outcome smallint NOT NULL,
        request_id uuid NOT NULL,
        session_id uuid) PARTITION BY RANGE (idx);
      CREATE INDEX entry__of_subject ON audit.entry (subject, idx) WHERE subject IS NOT NULL;
      CREATE INDEX entry__of_actor ON audit.entry (actor, idx);
      CREATE INDEX entry__by_event ON audit.entry (event_id);
      CREATE INDEX entry__by_request ON audit.entry (request_id);
      CREATE INDEX entry__by_time ON audit.entry USING brin (occurred) WITH (pages_per_range = 32);
      CREATE TABLE audit.entry_0 PARTITION OF audit.entry FOR VALUES FROM (0) TO (1048576);

      -- 3. Tree state. peaks[l+1] = hash of the complete subtree of height l, where bit l of size is set.
      CREATE TABLE audit.head (
        log_id smallint CONSTRAINT head__pk PRIMARY KEY CONSTRAINT head__one_row CHECK (log_id = 1),
        size bigint NOT NULL,
        peaks bytea[] NOT NULL) WITH (fillfactor = 10);
      INSERT INTO audit.head VALUES (1, 0, '{}');
      -- Hash of every full tile: (level l, n) = root of tile n of level l-1. Kept for ever: 32 bytes per 256 entries.
      CREATE TABLE audit.tile_hash (level smallint NOT NULL, n bigint NOT NULL,
        hash bytea NOT NULL CONSTRAINT tile_hash__length CHECK (octet_length(hash) = 32), CONSTRAINT tile_hash__pk PRIMARY KEY (level, n));
      -- Events of each subject so far: makes "all events of this patient" provably complete.
      CREATE TABLE audit.subject_head (subject text CONSTRAINT subject_head__pk PRIMARY KEY, n bigint NOT NULL, last_idx bigint NOT NULL) WITH (fillfactor = 50);

      -- 4. Values behind the salted digests in leaves (RFC 9901). One commitment serves all events of a session from one
      -- place; deleting the row erases the value, while leaves, tree and proofs stay as they are.
      CREATE TABLE audit.disclosure (
        digest text CONSTRAINT disclosure__pk PRIMARY KEY,
        disclosure text NOT NULL CONSTRAINT disclosure__length CHECK (length(disclosure) <= 4000),
        actor text NOT NULL,
        created_at timestamptz NOT NULL DEFAULT now());
      CREATE INDEX disclosure__of_actor ON audit.disclosure (actor);

      -- The only way in for the server: no UPDATE, DELETE or direct INSERT. Returns how many were new.
      CREATE FUNCTION audit.submit(_event_id uuid[], _event text[], _occurred timestamptz[], _actor text[], _subject text[], _action text[],
          _outcome smallint[], _request_id uuid[], _session_id uuid[], _digest text[], _disclosure text[], _disclosure_actor text[]) RETURNS integer
        LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
        DECLARE fresh integer;
        BEGIN
          IF cardinality(_digest) > 0 THEN
            INSERT INTO audit.disclosure (digest, disclosure, actor) SELECT * FROM unnest(_digest, _disclosure, _disclosure_actor) ON CONFLICT (digest) DO NOTHING;
          END IF;
          INSERT INTO audit.inbox (event_id, event, occurred, actor, subject, action, outcome, request_id, session_id)
            SELECT * FROM unnest(_event_id, _event, _occurred, _actor, _subject, _action, _outcome, _request_id, _session_id)
            ON CONFLICT (event_id) DO NOTHING;
          GET DIAGNOSTICS fresh = ROW_COUNT;
          RETURN fresh;
        END $$;

      -- Moves up to _limit committed events into the log. Safe to run twice at once (row lock on head); gap-free because the
      -- index is taken from head in the transaction that stores the entry. leaf = {"e":<event>,"i":<index>,"n":<nth of this subject>}
      CREATE FUNCTION audit.sequence(_limit int) RETURNS TABLE (first_idx bigint, n bigint)
      LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, audit, pg_temp AS $$
      DECLARE r record; i bigint; fr bytea[]; h bytea; lv int; lf text; ids bigint[]; start bigint; block bigint;
        la text[] := '{}'; ha bytea[] := '{}'; tl smallint[] := '{}'; tn bigint[] := '{}'; th bytea[] := '{}'; k int := 0;
      BEGIN
        -- Nothing to do is the usual case: then not even the head is locked.
        IF NOT EXISTS (SELECT 1 FROM audit.inbox) THEN RETURN; END IF;
        SELECT head.size, head.peaks INTO start, fr FROM audit.head WHERE log_id = 1 FOR UPDATE;
        i := start;
        SELECT array_agg(x.id ORDER BY x.id) INTO ids FROM (SELECT inbox.id FROM audit.inbox ORDER BY inbox.id LIMIT _limit) x;
        IF ids IS NULL THEN RETURN; END IF;
        block := (start + cardinality(ids)) >> 20;
        IF to_regclass(format('audit.entry_%s', block)) IS NULL THEN
          EXECUTE format('CREATE TABLE audit.entry_%s PARTITION OF audit.entry FOR VALUES FROM (%s) TO (%s)', block, block << 20, (block + 1) << 20);
          EXECUTE format('CREATE TRIGGER no_truncate BEFORE TRUNCATE ON audit.entry_%s FOR EACH STATEMENT EXECUTE FUNCTION audit.immutable()', block);
        END IF;
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
      END $$;

      -- Even the owner cannot change history without first dropping a trigger.
      CREATE FUNCTION audit.immutable() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'audit.% is append-only', TG_TABLE_NAME; END $$;
      CREATE TRIGGER no_change BEFORE UPDATE OR DELETE ON audit.entry FOR EACH ROW EXECUTE FUNCTION audit.immutable();
      CREATE TRIGGER no_change BEFORE UPDATE OR DELETE ON audit.tile_hash FOR EACH ROW EXECUTE FUNCTION audit.immutable();
      CREATE TRIGGER no_truncate BEFORE TRUNCATE ON audit.entry FOR EACH STATEMENT EXECUTE FUNCTION audit.immutable();
      CREATE TRIGGER no_truncate BEFORE TRUNCATE ON audit.entry_0 FOR EACH STATEMENT EXECUTE FUNCTION audit.immutable();
      CREATE TRIGGER no_truncate BEFORE TRUNCATE ON audit.tile_hash FOR EACH STATEMENT EXECUTE FUNCTION audit.immutable();

      REVOKE ALL ON ALL FUNCTIONS IN SCHEMA audit FROM PUBLIC;
      GRANT EXECUTE ON FUNCTION audit.submit TO portico_app;
      GRANT EXECUTE ON FUNCTION audit.sequence TO portico_sequencer;
      GRANT SELECT ON audit.entry, audit.head, audit.tile_hash, audit.subject_head, audit.disclosure TO portico_auditor;
      GRANT SELECT ON audit.entry, audit.head, audit.tile_hash, audit.inbox TO portico_sequencer;
    `);
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query(`DROP SCHEMA audit CASCADE`);
  }
}
