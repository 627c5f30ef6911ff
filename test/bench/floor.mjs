// The floor: bare Fastify with one indexed SELECT of the same rows through pg. No rights, no audit, no encryption.
import fastify from 'fastify';
import pg from 'pg';

const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL, max: 10 });
const app = fastify();
app.get('/record/:id', async (request, reply) => {
  const { rows } = await pool.query({
    name: 'one',
    text: 'SELECT body FROM bench.record WHERE record_id = $1',
    values: [request.params.id],
  });
  return reply.type('application/json').send(rows[0].body);
});
app.get('/page/:id', async (request, reply) => {
  const { rows } = await pool.query({
    name: 'page',
    text: 'SELECT body FROM bench.record WHERE patient_id = $1 ORDER BY sort_at DESC, record_id DESC LIMIT 20',
    values: [request.params.id],
  });
  return reply.type('application/json').send(`{"items":[${rows.map((row) => row.body).join(',')}]}`);
});
await app.listen({ port: Number(process.env.PORT), host: '127.0.0.1' });
process.send?.('ready');
