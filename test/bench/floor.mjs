// The floor: bare Fastify with one indexed SELECT of the same rows, with the same columns, through pg. No rights, no audit,
// no encryption: the resource stands there as text.
import fastify from 'fastify';
import pg from 'pg';

const COLUMNS =
  'record_id, patient_id, type, category, code_system, code, status, effective_at, sort_at, version, source, resource';
const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL, max: 10 });
const app = fastify();
app.get('/record/:id', async (request) => {
  const { rows } = await pool.query({
    name: 'one',
    text: `SELECT ${COLUMNS} FROM bench.record WHERE record_id = $1`,
    values: [request.params.id],
  });
  return rows[0];
});
app.get('/page/:id', async (request) => {
  const { rows } = await pool.query({
    name: 'page',
    text: `SELECT ${COLUMNS} FROM bench.record WHERE patient_id = $1 ORDER BY sort_at DESC, record_id DESC LIMIT 20`,
    values: [request.params.id],
  });
  return { items: rows };
});
await app.listen({ port: Number(process.env.PORT), host: '127.0.0.1' });
