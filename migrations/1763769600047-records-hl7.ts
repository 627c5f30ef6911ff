import type { MigrationInterface, QueryRunner } from 'typeorm';

/** HL7 v2 messages: which were taken, so that one that is sent again changes nothing; and for whom a listener speaks. */
export class RecordsHl71763769600047 implements MigrationInterface {
  async up(db: QueryRunner): Promise<void> {
    await db.query(`
      CREATE TABLE records.hl7_message (
        import_id uuid CONSTRAINT hl7_message__pk PRIMARY KEY CONSTRAINT hl7_message__import REFERENCES records.import,
        source text NOT NULL,
        -- MSH-3, MSH-4 and MSH-10 as sent: what a message is known by.
        sender text NOT NULL,
        control_id text NOT NULL,
        -- MSH-9, such as ORU^R01.
        kind text NOT NULL,
        -- Of the whole text: senders begin their numbers anew.
        content_mac bytea NOT NULL,
        received_at timestamptz NOT NULL,
        CONSTRAINT hl7_message__taken_once UNIQUE (source, control_id, sender, content_mac));
      GRANT SELECT, INSERT ON records.hl7_message TO portico_app;
      ALTER TABLE records.hl7_message ENABLE ROW LEVEL SECURITY;
      CREATE POLICY hl7_message__feed ON records.hl7_message TO portico_app
        USING (source = (SELECT f.source FROM users.own_feed f)) WITH CHECK (source = (SELECT f.source FROM users.own_feed f));

      -- The account that speaks for a feed: a connection over MLLP brings none. Null while nobody may.
      CREATE FUNCTION users.feed_account(_source text) RETURNS uuid
        LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
          SELECT f.account_id FROM users.feed f JOIN users.duty d ON d.account_id = f.account_id AND d.role = 'integration'
            JOIN users.account a ON a.account_id = f.account_id AND a.status = 'active' WHERE f.source = _source $$;
      REVOKE ALL ON FUNCTION users.feed_account FROM PUBLIC;
      GRANT EXECUTE ON FUNCTION users.feed_account TO portico_app;
    `);
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query(`
      DROP FUNCTION users.feed_account;
      DROP TABLE records.hl7_message;
    `);
  }
}
