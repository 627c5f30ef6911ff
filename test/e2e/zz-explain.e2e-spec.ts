import { it } from '@jest/globals';
import pg from 'pg';
import { writeFileSync } from 'node:fs';
import { AuditorPool } from '../../src/modules/audit/tree/auditor-pool.js';
import { EventsRepository, type Search } from '../../src/modules/audit/events.repository.js';
import { ORDERS } from '../../src/modules/audit/entry-order.js';
import type { Config } from '../../src/platform/config/config.js';
import { cloneDatabase } from '../harness/database.js';
import { fillLog } from '../harness/filled-log.js';
it('x', async () => {
  const database = await cloneDatabase();
  const owner = new pg.Client({ connectionString: database.ownerUrl });
  await owner.connect();
  const started = Date.now();
  await fillLog(owner, 300_000);
  let out = `filled in ${Date.now() - started} ms\n`;
  await owner.query('VACUUM ANALYZE audit.entry, audit.disclosure');
  const { rows: sizes } = await owner.query(`SELECT c.relname, pg_relation_size(c.oid)/300000.0 AS per FROM pg_class c JOIN pg_namespace n ON n.oid=c.relnamespace WHERE nspname='audit' AND relname LIKE 'entry_0%' ORDER BY 1`);
  out += sizes.map((r: any) => `${r.relname} ${Number(r.per).toFixed(1)} B/event`).join('\n') + '\n';
  const pool = new AuditorPool({ database } as Config);
  const repo = new EventsRepository(pool);
  const one = (await owner.query(`SELECT actor, subject, session_id, request_id, occurred FROM audit.entry WHERE idx=150000 OR idx = 150001 ORDER BY idx`)).rows;
  const two = (await owner.query(`SELECT array_agg(DISTINCT subject) s, array_agg(DISTINCT actor) a FROM (SELECT subject, actor FROM audit.entry WHERE subject IS NOT NULL LIMIT 3) x`)).rows[0];
  const f = { none: {}, patient: { patientIds: [one[0].subject ?? one[1].subject] }, patients: { patientIds: two.s }, actor: { actorIds: [one[0].actor] }, actors: { actorIds: two.a },
    session: { sessionId: one[0].session_id }, request: { requestId: one[0].request_id }, action: { action: 'Session.login' }, subject: { subjectType: 'Session' }, rare: { subjectType: 'Nothing' },
    refused: { outcome: 'refused' }, failed: { outcome: 'failed' }, treat: { purpose: 'TREAT' }, btg: { purpose: 'BTG' }, ip: { ip: '198.51.100.7' }, day: { from: '2026-03-01T00:00:00Z', to: '2026-03-02T00:00:00Z' },
    around: { from: '2026-03-01T00:00:00Z', to: '2026-03-01T01:00:00Z', relatedTo: { actorId: one[0].actor, sessionId: one[0].session_id, patientId: one[0].subject ?? one[1].subject } } };
  const cases: [string, Search][] = [];
  for (const [name, filter] of Object.entries(f)) for (const order of ['-seq', 'at', 'patientId']) cases.push([`${name} by ${order}`, { filter, order, after: null, limit: 51 }]);
  for (const order of ORDERS) cases.push([`none by ${order}`, { filter: {}, order, after: null, limit: 51 }]);
  for (const order of ORDERS.filter((o) => !o.startsWith('-'))) cases.push([`month by ${order}`, { filter: { from: '2026-03-01T00:00:00Z', to: '2026-04-01T00:00:00Z' }, order, after: null, limit: 51 }]);
  cases.push(['action page 2', { filter: {}, order: 'action', after: ['Record.read', 150000], limit: 51 }]);
  cases.push(['at page', { filter: {}, order: '-at', after: ['2026-03-01 00:00:00+00', 150000], limit: 51 }]);
  cases.push(['actor page', { filter: {}, order: 'actorId', after: [one[0].actor, 150000], limit: 51 }]);
  const plain = pool.query.bind(pool);
  for (const [name, search] of cases) {
    let captured: [string, unknown[]] = ['', []];
    pool.query = (async (text: string, values: unknown[]) => { captured = [text, values]; return plain(text, values); }) as never;
    await repo.list(search);
    pool.query = plain as never;
    const plan = (await plain<{ 'QUERY PLAN': string }>(`EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, BUFFERS OFF) ${captured[0]}`, captured[1])).map((r) => r['QUERY PLAN']);
    const scans = plan.filter((l) => /Scan/.test(l) && !/disclosure|SubPlan/.test(l)).map((l) => l.replace(/\(actual.*/, '').replace('->', '').trim());
    out += `${name.padEnd(28)} ${plan.at(-1)!.replace('Execution Time: ', '').padStart(12)}  ${scans.join(' | ').slice(0, 150)}${plan.some((l) => /Sort Method/.test(l) && !/25kB/.test(l)) ? ' +sort' : ''}\n`;
  }
  writeFileSync('/tmp/explain/out.txt', out);
  await pool.onApplicationShutdown();
  await owner.end();
}, 300_000);
