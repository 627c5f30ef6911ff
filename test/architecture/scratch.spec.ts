import { it } from '@jest/globals';
import pg from 'pg';
import { cloneDatabase } from '../harness/database.js';
it('x', async () => {
  const db = await cloneDatabase();
  const c = new pg.Client({ connectionString: db.ownerUrl });
  await c.connect();
  await c.query(`
    INSERT INTO users.account SELECT gen_random_uuid(), null, null, 'A', 'a@x', 'active', null, null, 1,1,now(),now() FROM generate_series(1,5000);
    INSERT INTO users.account_role SELECT gen_random_uuid(), account_id, 'patient', 'x', now() FROM users.account;
    INSERT INTO users.patient SELECT account_id, account_id, 's', account_id::text, 'F', '{G}', null, 'male', null, 1, now(), now() FROM users.account;
    INSERT INTO records.record SELECT gen_random_uuid(), p.patient_id, 'src', 'Observation', gen_random_uuid()::text, 1, '{}', '', '', '', null, now() - g * interval '1 hour', null, '\\x00', '\\x00', null, now() FROM users.patient p, generate_series(1,20) g;
    ANALYZE`);
  const { rows: [p] } = await c.query('SELECT patient_id id FROM users.patient LIMIT 1');
  const { rows: [r] } = await c.query('SELECT record_id id FROM records.record WHERE patient_id=$1 LIMIT 1', [p.id]);
  const view = (join: string) => c.query(`CREATE OR REPLACE VIEW users.chart_access AS
        SELECT p.account_id, p.patient_id FROM users.patient p ${join}
        UNION ALL
        SELECT pr.account_id, c.patient_id FROM users.care_team_member c JOIN users.practitioner pr ON pr.practitioner_id = c.practitioner_id
          JOIN users.account_role r ON r.account_id = pr.account_id AND r.role = 'clinician' AND r.revoked_at IS NULL
         WHERE c.starts_at <= statement_timestamp() AND (c.ends_at IS NULL OR c.ends_at > statement_timestamp())`);
  let out = '';
  for (let k = 0; k < 6; k++) {
    const label = k % 2 ? 'with role' : 'without  ';
    await view(k % 2 ? `JOIN users.account_role r ON r.account_id = p.account_id AND r.role = 'patient' AND r.revoked_at IS NULL` : '');
    await c.query('SET ROLE portico_app');
    await c.query(`SELECT set_config('app.account_id', $1, false)`, [p.id]);
    for (const [what, text, values] of [['one', 'SELECT * FROM records.record r WHERE record_id=$1', [r.id]], ['page', 'SELECT * FROM records.record r WHERE patient_id=$1 ORDER BY sort_at DESC, record_id DESC LIMIT 21', [p.id]]] as const) {
      let best = 1e9;
      for (let j = 0; j < 8; j++) {
        const t = performance.now();
        for (let i = 0; i < 300; i++) await c.query({ name: what + k, text: text + ` -- ${k}`, values: [...values] });
        best = Math.min(best, (performance.now() - t) / 300 * 1000);
      }
      out += `${label} ${what} ${best.toFixed(1)} us\n`;
    }
    await c.query('RESET ROLE');
  }
  process.stdout.write('\n' + out);
  await c.end();
}, 120000);
