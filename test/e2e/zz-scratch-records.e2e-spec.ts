import 'reflect-metadata';
import { createReadStream, readdirSync } from 'node:fs';
import { Test } from '@nestjs/testing';
import { expect, it } from '@jest/globals';
import pg from 'pg';
import { v7 } from 'uuid';
import { appDataSource } from '../../src/data-source.js';
import { AuditModule } from '../../src/modules/audit/index.js';
import { RecordsModule, recordsPolicy } from '../../src/modules/records/index.js';
import { ImportService } from '../../src/modules/records/import.service.js';
import { RecordService } from '../../src/modules/records/record.service.js';
import { UsersModule, usersPolicy } from '../../src/modules/users/index.js';
import { AbilityFactory } from '../../src/platform/access/ability-factory.js';
import { loadConfig } from '../../src/platform/config/config.js';
import { Database } from '../../src/platform/database/database.js';
import { PlatformModule } from '../../src/platform/platform.module.js';
import { cloneDatabase, testServer } from '../harness/database.js';

it('imports', async () => {
  const database = await cloneDatabase();
  const config = loadConfig({ NODE_ENV: 'test', DATABASE_URL: database.url, DATABASE_SEQUENCER_URL: database.sequencerUrl, DATABASE_AUDITOR_URL: database.auditorUrl, KEY_FILE: testServer().keyFile });
  const owner = new pg.Client({ connectionString: database.ownerUrl });
  await owner.connect();
  const module = await Test.createTestingModule({ imports: [PlatformModule.with({ config, parts: {}, dataSource: appDataSource, policies: [usersPolicy, recordsPolicy] }), AuditModule, UsersModule, RecordsModule] }).compile();
  await module.init();
  const feed = v7();
  await owner.query("INSERT INTO users.account (account_id, display_name, email, status, created_at, updated_at) VALUES ($1,'f','f@x','active',now(),now())", [feed]);
  await owner.query("INSERT INTO users.account_role (account_role_id, account_id, role, reason, granted_at) VALUES ($1,$2,'integration','x',now())", [v7(), feed]);
  await owner.query("INSERT INTO users.feed (account_id, source) VALUES ($1,'https://feed.example')", [feed]);
  const person = (id: string, role: any, patientIds: string[], source: string | null) => ({ id, roles: new Set([role]), patientIds, practitionerId: null, panel: new Set<string>(), source }) as any;
  const abilities = module.get(AbilityFactory);
  const db = module.get(Database);
  const imports = module.get(ImportService);
  const records = module.get(RecordService);
  const work = async (p: any, f: (ctx: any) => Promise<any>, write: boolean) => {
    const d: any = write ? db.openWrite(p.id) : db.openRead(p.id);
    const touches: any[] = []; const after: any[] = [];
    const ctx = { actor: { ...p, ability: abilities.for(p) }, db: d, now: new Date(), requestId: v7(), touch: (t: any) => touches.push(t), afterCommit: (a: any) => after.push(a) };
    try { const r = await f(ctx); if (write) await d.commit(); after.forEach((a) => a()); return r; } catch (e) { if (write) await d.rollback(); throw e; } finally { await d.release(); }
  };
  const f = person(feed, 'integration', [], 'https://feed.example');
  for (const pass of [1]) for (const dir of ["synthea-2021-notes"]) {
    const files = readdirSync('/work/shared/data/' + dir).filter((n) => n.endsWith('.json') && !n.startsWith('group'));
    files.sort((a, b) => Number(/Information/.test(b)) - Number(/Information/.test(a)));
    for (const file of files) {
      const t0 = performance.now();
      const done: any = await work(f, (ctx) => imports.create(ctx, createReadStream(`/work/shared/data/${dir}/${file}`), undefined), true);
      const ms = performance.now() - t0;
      const view: any = await work(f, (ctx) => imports.get(ctx, done.id), false);
      const issues: any = await work(f, (ctx) => imports.issues(ctx, done.id, { limit: 200 }), false);
      const kinds: any = {}; for (const i of issues.items) kinds[i.code + ' ' + i.severity] = (kinds[i.code + ' ' + i.severity] ?? 0) + 1;
      console.log(pass, file, ms | 0, view.status, view.entries, view.created, view.updated, view.unchanged, view.rejected, JSON.stringify(kinds), pass === 1 && issues.items[0] ? JSON.stringify(issues.items[0]) : '');
    }
  }
  console.log((await owner.query('select type, count(*), count(patient_id) p from records.record group by 1 order by 2 desc')).rows.map((r) => `${r.type} ${r.count} ${r.p}`).join(', '));
  console.log((await owner.query('select count(*) from records.record_version')).rows);

  // EXPLAIN with 5,000 records of one patient among 60,000
  const app = new pg.Client({ connectionString: database.url }); await app.connect();
  const big = (await owner.query('select patient_id, count(*) from records.record where patient_id is not null group by 1 order by 2 desc limit 1')).rows[0];
  const others = (await owner.query('select patient_id from records.record where patient_id is not null and patient_id <> $1 limit 1', [big.patient_id])).rows[0];
  for (let k = 0; k < 7; k++) await owner.query(`INSERT INTO records.record SELECT gen_random_uuid(), patient_id, source, type, gen_random_uuid()::text, 1, category, code, status, effective_at, sort_at - random() * interval '3000 days', source_updated_at, content_mac, resource, import_id, received_at FROM records.record WHERE patient_id = $1 LIMIT 700`, [big.patient_id]);
  for (let k = 0; k < 100; k++) { const pid = v7();
    await owner.query("INSERT INTO users.patient (patient_id, mrn_system, mrn, family, given, sex, created_at, updated_at) VALUES ($1,'s',$2,'f','{}','unknown',now(),now())", [pid, pid]);
    await owner.query(`INSERT INTO records.record SELECT gen_random_uuid(), $1, source, type, gen_random_uuid()::text, 1, category, code, status, effective_at, sort_at - random() * interval '3000 days', source_updated_at, content_mac, resource, import_id, received_at FROM records.record WHERE patient_id = $2 LIMIT 500`, [pid, big.patient_id]); }
  await owner.query('ANALYZE');
  const acc = v7(), doc = v7(), pr = v7();
  await owner.query("INSERT INTO users.account (account_id, display_name, email, status, created_at, updated_at) VALUES ($1,'p','p@x','active',now(),now()), ($2,'d','d@x','active',now(),now())", [acc, doc]);
  await owner.query('UPDATE users.patient SET account_id=$1 WHERE patient_id=$2', [acc, big.patient_id]);
  await owner.query("INSERT INTO users.account_role (account_role_id, account_id, role, reason, granted_at) VALUES ($1,$2,'clinician','x',now())", [v7(), doc]);
  await owner.query("INSERT INTO users.practitioner (practitioner_id, account_id, family, given, specialty, created_at, updated_at) VALUES ($1,$2,'x','{}','y',now(),now())", [pr, doc]);
  await owner.query("INSERT INTO users.care_team_member SELECT gen_random_uuid(), patient_id, $1, now() - interval '1 day', NULL, now(), $2 FROM users.patient", [pr, doc]);
  await owner.query('ANALYZE');
  const { listStatement, findStatement } = await import('../../src/modules/records/record.repository.js');
  const { Params } = await import('../../src/platform/database/accessible.js');
  const rid = (await owner.query('select record_id from records.record where patient_id=$1 limit 1 offset 300', [big.patient_id])).rows[0].record_id;
  for (const mode of ['force_custom_plan', 'force_generic_plan']) for (const [who, id] of [['patient', acc], ['clinician', doc]]) {
    await app.query("select set_config('app.account_id',$1,false), set_config('plan_cache_mode',$2,false)", [id, mode]);
    for (const [what, st] of [
      ['first page', listStatement(big.patient_id, { oldestFirst: false, after: null, limit: 21 }, new Params(), 'true')],
      ['cursor', listStatement(big.patient_id, { oldestFirst: false, after: [new Date(Date.now() - 5e10).toISOString(), rid], limit: 21 }, new Params(), 'true')],
      ['typed', listStatement(big.patient_id, { type: 'Observation', code: '8302-2', oldestFirst: true, after: null, limit: 21 }, new Params(), 'true')],
      ['one', (() => { const pp = new Params(); return findStatement(rid, pp, `r.patient_id = ANY(${pp.add([big.patient_id])})`); })()],
    ] as any) {
      const plan = await app.query(`EXPLAIN (ANALYZE, BUFFERS, COSTS OFF) ${st.text.replace(/\$(\d+)/g, (_: any, k: any) => mode === 'force_generic_plan' ? '$' + k : Array.isArray(st.values[k - 1]) ? `'{${st.values[k - 1].join(',')}}'::uuid[]` : typeof st.values[k - 1] === 'number' ? st.values[k - 1] : `'${st.values[k - 1]}'`)}`.replace('EXPLAIN', 'EXPLAIN'), mode === 'force_generic_plan' ? st.values : []).catch((e: any) => ({ rows: [{ 'QUERY PLAN': String(e) }] }));
      console.log(mode, who, what, '\n' + plan.rows.map((r: any) => r['QUERY PLAN']).join('\n'));
      const t = performance.now(); for (let k = 0; k < 300; k++) await app.query({ text: st.text, values: st.values, name: mode + what + who }); console.log(what, ((performance.now() - t) / 300).toFixed(3), 'ms');
    }
  }
  const un = (await owner.query("select entry, path from records.import_issue limit 3")).rows; console.log(un);
  await app.end();
  await module.close(); await owner.end();
}, 120000);
