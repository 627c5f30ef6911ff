/**
 * `--only audit`: what the audit trail costs.
 *
 * - The added wait of one durable event, on a PostgreSQL whose commits take two milliseconds more (commit_delay=2000,
 *   commit_siblings=0: nearer to a disk in a cloud): requests arrive at a steady rate as they do from many people (Poisson,
 *   open loop, seeded), and each waits for its event.
 * - A read with the audit as a share of the same read without, both servers in turns.
 * - How many entries a second `audit:verify` verifies.
 *
 * What an export costs, memory too: `PORTICO_EXPORT_EVENTS=1000000 npm test -- test/resilience/audit-export-memory`.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import { ownerDataSource } from '../../src/data-source.js';
import { Random } from '../../src/demo/core/random.js';
import { verifyDatabase } from '../../src/modules/audit/verification/index.js';
import { AuditSink } from '../../src/platform/access/audit-sink.js';
import { SystemClock } from '../../src/platform/clock.js';
import type { Config } from '../../src/platform/config/config.js';
import { EmbeddedPostgres, ensureDatabase } from '../../src/platform/database/embedded-postgres.js';
import { migrate } from '../../src/platform/database/migrate.js';
import { openRawTrail } from '../../src/platform/http/request-trail.js';
import { urlsOf } from '../harness/database.js';
import { fillLog } from '../harness/filled-log.js';
import { startPortal } from '../harness/portal.js';
import { quantile } from './statistics.js';

const round = (number: number): number => Number(number.toFixed(2));

/** Resolves with how long each event took, in milliseconds, where they arrive at this rate. */
async function waits(sink: AuditSink, perSecond: number, seconds: number): Promise<number[]> {
  const random = new Random('arrivals');
  const clock = new SystemClock();
  const waiting: Promise<number>[] = [];
  const begun = performance.now();
  for (let due = 0; due < seconds * 1_000; due -= (Math.log(1 - random.float()) * 1_000) / perSecond) {
    const early = begun + due - performance.now();
    if (early > 1) await sleep(early);
    const asked = performance.now();
    const trail = openRawTrail('198.51.100.7', clock);
    waiting.push(sink.record(trail, { status: 200, code: null }).then(() => performance.now() - asked));
  }
  return Promise.all(waiting);
}

/** The added wait of a durable event at `perSecond` requests. */
export async function durableEvents(folder: string, perSecond: number, seconds: number) {
  mkdirSync(folder, { mode: 0o755 });
  const flags = ['-c', 'commit_delay=2000', '-c', 'commit_siblings=0'];
  const postgres = new EmbeddedPostgres(join(folder, 'postgres'), { durable: true, flags });
  await postgres.start();
  await ensureDatabase(postgres.url('postgres'), 'bench');
  const database = urlsOf(postgres.url('postgres'), 'bench');
  await migrate(database, ownerDataSource(database));
  const portal = await startPortal({ database, env: { LOG_LEVEL: 'error' } });
  const sink = portal.app.get(AuditSink);
  await waits(sink, perSecond, 2);
  const ms = await waits(sink, perSecond, seconds);
  await portal.close();
  await postgres.stop();
  return {
    perSecond: Math.round(ms.length / seconds),
    p50Ms: round(quantile(ms, 0.5)),
    p95Ms: round(quantile(ms, 0.95)),
    p99Ms: round(quantile(ms, 0.99)),
    slowestMs: round(Math.max(...ms)),
  };
}

/** Fills the log up to so many entries, and verifies all of it. */
export async function verificationRate(owner: pg.Client, config: Config, entries: number) {
  const { rows } = await owner.query<{ n: number }>('SELECT count(*)::int AS n FROM audit.entry');
  await fillLog(owner, Math.max(0, entries - rows[0]!.n));
  await owner.query('ANALYZE audit.entry');
  const begun = performance.now();
  const before = process.cpuUsage();
  const report = await verifyDatabase(config, { keys: [], from: 0, previous: null, onProgress: () => undefined });
  const seconds = (performance.now() - begun) / 1_000;
  const { user, system } = process.cpuUsage(before);
  if (report.verdict !== 'verified') throw new Error(`the log is not what it was: ${JSON.stringify(report.findings)}`);
  return {
    entries: report.size,
    perSecond: Math.round(report.size / seconds),
    cpuUsPerEntry: round((user + system) / report.size),
  };
}
