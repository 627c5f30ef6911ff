import type { MigrationInterface, QueryRunner } from 'typeorm';

const OWN = 'record.patient_id = ANY (ARRAY(SELECT o.patient_id FROM users.own_chart o))';
const TREATED =
  'EXISTS (SELECT 1 FROM users.care_now c WHERE c.practitioner_id = (SELECT o.practitioner_id FROM users.own_practice o) AND c.patient_id = record.patient_id)';
// While labels are worked out anew those that stand are not relied on.
const LABELS =
  'CASE WHEN (SELECT records.is_relabelling()) THEN records.labels_of(record.sender_labels, record.codes, record.departments, record.encounter_id) ELSE record.labels END';
const PROXIED = `EXISTS (SELECT 1 FROM users.proxied_chart g WHERE g.patient_id = record.patient_id AND ${LABELS} <@ g.open_labels)`;
const OF_FEED = 'record.source = (SELECT f.source FROM users.own_feed f)';

const CHARTS = `SELECT w.patient_id FROM records.chart_wish w
  JOIN (SELECT o.patient_id FROM users.own_chart o UNION SELECT g.patient_id FROM users.proxied_chart g) mine ON mine.patient_id = w.patient_id`;

const policy = (waiting: string): string => `ALTER POLICY record__read ON records.record USING (
  (${OWN} OR ${PROXIED}) AND record.held_until <= statement_timestamp()
    AND (record.waits_until <= statement_timestamp() OR record.patient_id <> ALL (${waiting}))
  OR ${TREATED}
  OR ${OF_FEED})`;

/**
 * Who waits for a clinician's word is asked by a function instead of a view. PostgreSQL makes ready whatever stands in a
 * statement, also what it then never asks for: the view's six tables, in both walls, were half of the cost of reading a record.
 */
export class RecordsWaitingCharts1763769600054 implements MigrationInterface {
  async up(db: QueryRunner): Promise<void> {
    await db.query(`
      -- The charts of the acting account whose patients have that wish: theirs and those that they act for.
      CREATE FUNCTION records.waiting_charts() RETURNS uuid[] LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
        SELECT ARRAY(${CHARTS}) $$;
      REVOKE EXECUTE ON FUNCTION records.waiting_charts() FROM PUBLIC;
      GRANT EXECUTE ON FUNCTION records.waiting_charts() TO portico_app;
      ${policy('(SELECT records.waiting_charts())::uuid[]')};
      DROP VIEW records.waiting_chart;
    `);
  }

  async down(db: QueryRunner): Promise<void> {
    await db.query(`
      CREATE VIEW records.waiting_chart AS ${CHARTS};
      GRANT SELECT ON records.waiting_chart TO portico_app;
      ${policy('ARRAY(SELECT w.patient_id FROM records.waiting_chart w)')};
      DROP FUNCTION records.waiting_charts();
    `);
  }
}
