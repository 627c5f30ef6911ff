import type { MigrationInterface, QueryRunner } from 'typeorm';

/** What is held back from patients, by whom and why, for those who look after how it is used. */
export class RecordsHoldReport1763769600053 implements MigrationInterface {
  async up(db: QueryRunner): Promise<void> {
    await db.query(`
      CREATE INDEX hold__of_clinician ON records.hold (account_id, hold_id DESC);
      -- THE SECOND WALL of the report: compliance officers see every hold, clinicians those of whom they treat now. No words of the clinician's,
      -- and of the record its kind and whose it is: a table of its own rights would give the sealed explanation away as well.
      CREATE VIEW records.hold_report WITH (security_barrier) AS
        SELECT h.hold_id, h.record_id, r.type, r.patient_id, h.account_id, h.reason, h.held_at, h.until, h.lifted_at, h.lifted_by
          FROM records.hold h JOIN records.record r USING (record_id)
         WHERE EXISTS (SELECT 1 FROM users.duty d WHERE d.account_id = platform.account_id() AND d.role = 'compliance_officer')
            OR EXISTS (SELECT 1 FROM users.care_now c WHERE c.patient_id = r.patient_id
                          AND c.practitioner_id = (SELECT o.practitioner_id FROM users.own_practice o));
      GRANT SELECT ON records.hold_report TO portico_app;
    `);
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query(`
      DROP VIEW records.hold_report;
      DROP INDEX records.hold__of_clinician;
    `);
  }
}
