/**
 * `npm run bench`: floor and portal in one run, taken in turns, because machines are noisy and only ratios mean something.
 * Floor: bare Fastify with one indexed SELECT of the same row through pg. Portal: the same record through the access
 * token, the live session, both walls, decryption and a durable audit event. Each server is a process of its own.
 */
import { fork, type ChildProcess } from 'node:child_process';
import { mkdtempSync, readFileSync, chmodSync } from 'node:fs';
import { createServer } from 'node:net';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import autocannon from 'autocannon';
import pg from 'pg';
import { makeHospital } from '../../src/demo/hospital.js';
import { createKeyFile } from '../../src/platform/crypto/index.js';
import { EmbeddedPostgres, ensureDatabase } from '../../src/platform/database/embedded-postgres.js';
import { migrate } from '../../src/platform/database/migrate.js';
import { ownerDataSource } from '../../src/data-source.js';
import { urlsOf } from '../harness/database.js';
import { startPortal } from '../harness/portal.js';
import { importBundle } from '../harness/feed.js';
import { makeAdmin, makeFeed, makePatient, openAccount } from '../harness/people.js';
import { chartReads } from './chart.js';
import { importRate } from './imports.js';
import { loadConfig } from '../../src/platform/config/config.js';
import { durableEvents, verificationRate } from './audit.js';
import { signInThroughput, timing, type Bench, type Person } from './signin.js';
import { median } from './statistics.js';

const { values: args } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '4' },
    connections: { type: 'string', default: '32' },
    pairs: { type: 'string', default: '400' },
    cost: { type: 'string', default: '12' },
    entries: { type: 'string', default: '100000' },
    only: { type: 'string', default: '' },
    charts: { type: 'string', default: '10,1000,10000' },
    help: { type: 'boolean', default: false },
  },
});
if (args.help) {
  console.log(
    'npm run bench -- [--rounds 5] [--seconds 4] [--connections 32] [--pairs 400] [--cost 12] [--entries 100000] [--only record,page,chart,import,audit,timing,signin] [--charts 10,1000,10000]',
  );
  process.exit(0);
}
const ROUNDS = Number(args.rounds);
const SECONDS = Number(args.seconds);
const CONNECTIONS = Number(args.connections);

/** The flags of `npm start`. */
const { scripts } = JSON.parse(readFileSync('package.json', 'utf8')) as { scripts: { start: string } };
const SERVER_FLAGS = scripts.start.split(' ').filter((word) => word.startsWith('--'));
if (process.env.BENCH_PROFILE) SERVER_FLAGS.push('--cpu-prof', `--cpu-prof-dir=${process.env.BENCH_PROFILE}`);

const freePort = (): Promise<number> =>
  new Promise((done) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => done(port));
    });
  });

const rssOf = (pid: number): number =>
  Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]) / 1024;

/** Processor time of a process so far, in microseconds (fields 14 and 15 of /proc/<pid>/stat, in ticks of 10 ms). */
function cpuOf(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ');
  return (Number(fields[11]) + Number(fields[12])) * 10_000;
}

/** The database server with all its backends. */
function databaseCpu(): number {
  const children = readFileSync(`/proc/${postgres.pid}/task/${postgres.pid}/children`, 'utf8').trim().split(' ');
  return children.reduce((sum, pid) => sum + cpuOf(Number(pid)), 0);
}

interface Shot {
  rps: number;
  p99: number;
  /** Processor time a request, in microseconds: what explains the ratio. */
  serverUs: number;
  databaseUs: number;
}

interface Target {
  pid: number;
  url: string;
  headers?: Record<string, string>;
}

async function shoot({ pid, ...target }: Target): Promise<Shot> {
  const before = [cpuOf(pid), databaseCpu()] as const;
  const result = await autocannon({ ...target, connections: CONNECTIONS, duration: SECONDS });
  const [server, database] = [cpuOf(pid) - before[0], databaseCpu() - before[1]];
  if (result.non2xx > 0 || result.errors > 0)
    throw new Error(`${target.url}: ${result.non2xx} refused, ${result.errors} failed`);
  return {
    rps: result.requests.average,
    p99: result.latency.p99,
    serverUs: Math.round(server / result.requests.total),
    databaseUs: Math.round(database / result.requests.total),
  };
}

const processorUs = ({ serverUs, databaseUs }: Shot): number => serverUs + databaseUs;

async function turns(floor: Target, portal: Target) {
  const taken: { floor: Shot; portal: Shot }[] = [];
  // Twice as long to warm up: the larger program takes longer to be compiled.
  for (const target of [floor, portal, portal]) await shoot(target);
  for (let round = 0; round < ROUNDS; round++) {
    // The order changes from round to round, so that neither always has the warmer machine.
    if (round % 2 === 0) taken.push({ floor: await shoot(floor), portal: await shoot(portal) });
    else {
      const second = await shoot(portal);
      taken.push({ floor: await shoot(floor), portal: second });
    }
  }
  return {
    floorRps: Math.round(median(taken.map((turn) => turn.floor.rps))),
    portalRps: Math.round(median(taken.map((turn) => turn.portal.rps))),
    ratio: Number(median(taken.map((turn) => turn.portal.rps / turn.floor.rps)).toFixed(3)),
    floorP99Ms: median(taken.map((turn) => turn.floor.p99)),
    portalP99Ms: median(taken.map((turn) => turn.portal.p99)),
    floorServerUs: median(taken.map((turn) => turn.floor.serverUs)),
    floorDatabaseUs: median(taken.map((turn) => turn.floor.databaseUs)),
    portalServerUs: median(taken.map((turn) => turn.portal.serverUs)),
    portalDatabaseUs: median(taken.map((turn) => turn.portal.databaseUs)),
    // Beside the ratio of requests a second, for machines that others use as well.
    processorRatio: Number(median(taken.map((turn) => processorUs(turn.floor) / processorUs(turn.portal))).toFixed(3)),
  };
}

const started = (child: ChildProcess, url: string): Promise<void> =>
  new Promise((done, fail) => {
    child.once('exit', (code) => fail(new Error(`a server ended with ${code}`)));
    const look = (): void =>
      void fetch(url).then(
        () => done(),
        () => setTimeout(look, 50),
      );
    look();
  });

const folder = mkdtempSync(join(tmpdir(), 'portico-bench-'));
chmodSync(folder, 0o755);
const postgres = new EmbeddedPostgres(join(folder, 'postgres'), { durable: true });
await postgres.start();
await ensureDatabase(postgres.url('postgres'), 'bench');
const database = urlsOf(postgres.url('postgres'), 'bench');
await migrate(database, ownerDataSource(database));
const keyFile = join(folder, 'keys.json');
await createKeyFile(keyFile);
process.env.PORTICO_TEST_SERVER = JSON.stringify({ administratorUrl: postgres.url('postgres'), keyFile });
const [portalPort, floorPort] = [await freePort(), await freePort()];
const portalUrl = `http://127.0.0.1:${portalPort}`;

console.error('Filling …');
const seed = await startPortal({ database, env: { PUBLIC_URL: portalUrl, LOG_LEVEL: 'error' } });
const admin = await makeAdmin(seed);
const hospital = makeHospital({ seed: 7, today: new Date('2026-11-22T00:00:00Z') });
const feed = await makeFeed(seed, admin, 'https://ehr.example.org/fhir');
for (const bundle of [hospital.directoryBundle, ...hospital.patients.map((patient) => patient.bundle)]) {
  await importBundle(feed, bundle);
}
const owner = new pg.Client({ connectionString: database.ownerUrl });
await owner.connect();
const chart = hospital.patients[0]!;
const patientId = (
  await owner.query<{ patient_id: string }>('SELECT patient_id FROM users.patient WHERE mrn = $1', [chart.mrn])
).rows[0]!.patient_id;
const patient = await openAccount(seed, admin, { id: patientId, birthDate: chart.birthDate, email: chart.email });

// The floor reads the same rows and columns, with the resource as the text that the portal answers.
await owner.query(`CREATE SCHEMA bench;
  CREATE TABLE bench.record AS SELECT record_id, patient_id, type, category, code_system, code, status, effective_at, sort_at, version, source, ''::text AS resource
    FROM records.record WHERE patient_id IS NOT NULL;
  ALTER TABLE bench.record ADD PRIMARY KEY (record_id);
  CREATE INDEX ON bench.record (patient_id, sort_at DESC, record_id DESC)`);
let recordId = '';
let bytes = 0;
for (let path = `/v1/patients/${patientId}/records?limit=200`; path;) {
  const { body } = (await patient.get(path).expect(200)) as {
    body: { items: { id: string; resource: object }[]; next: string | null };
  };
  for (const { id, resource } of body.items) {
    const text = JSON.stringify(resource);
    await owner.query('UPDATE bench.record SET resource = $2 WHERE record_id = $1', [id, text]);
    if (Math.abs(text.length - 1_500) < Math.abs(bytes - 1_500)) [recordId, bytes] = [id, text.length];
  }
  path = body.next ? `/v1/patients/${patientId}/records?limit=200&cursor=${body.next}` : '';
}
await owner.query('GRANT USAGE ON SCHEMA bench TO PUBLIC; GRANT SELECT ON bench.record TO PUBLIC');
await owner.query('VACUUM FULL ANALYZE bench.record');
const token = patient.tokens.accessToken;
const isWanted = (name: string): boolean => args.only === '' || args.only.split(',').includes(name);
const people: Person[] = [];
if (isWanted('timing') || isWanted('signin'))
  while (people.length < 12) people.push((await makePatient(seed, admin)).credentials);
const charts = isWanted('chart') ? await chartReads(seed, admin, args.charts.split(',').map(Number)) : null;
if (charts) console.table(charts);
const imports = isWanted('import') ? await importRate(seed, admin, ROUNDS) : null;
if (imports) console.table({ import: imports });
await seed.close();

const env = {
  ...process.env,
  DATABASE_URL: database.url,
  DATABASE_SEQUENCER_URL: database.sequencerUrl,
  DATABASE_AUDITOR_URL: database.auditorUrl,
  KEY_FILE: keyFile,
  // Its own: what a replica remembers of a log is of no other log.
  DATA_DIR: folder,
  PUBLIC_URL: portalUrl,
  LOG_LEVEL: 'error',
  ACCESS_TOKEN_MINUTES: '60',
  NODE_ENV: 'development',
};
const portal = fork('dist/src/main.js', {
  env: { ...env, PORT: String(portalPort) },
  execArgv: SERVER_FLAGS,
});
const floor = fork('test/bench/floor.mjs', { env: { ...env, PORT: String(floorPort) }, execArgv: [] });
await started(portal, `${portalUrl}/health/live`);
await started(floor, `http://127.0.0.1:${floorPort}/`);

console.error(`${ROUNDS} rounds of ${SECONDS} s, ${CONNECTIONS} connections …`);
const floorUrl = `http://127.0.0.1:${floorPort}`;
const headers = { authorization: `Bearer ${token}` };
const targets = {
  record: [`${floorUrl}/record/${recordId}`, `${portalUrl}/v1/records/${recordId}`],
  page: [`${floorUrl}/page/${patientId}`, `${portalUrl}/v1/patients/${patientId}/records?limit=20`],
} as const;
const results: Record<string, Awaited<ReturnType<typeof turns>>> = {};
for (const [name, [floorTarget, portalTarget]] of Object.entries(targets)) {
  if (!isWanted(name)) continue;
  results[name] = await turns({ pid: floor.pid!, url: floorTarget }, { pid: portal.pid!, url: portalTarget, headers });
}
const { rows: ledger } = await owner.query<{ events: string }>(
  'SELECT (SELECT count(*) FROM audit.inbox) + (SELECT count(*) FROM audit.entry) AS events',
);
// Where the database's time went: reads, audit and sessions, sequencing.
const { rows: backends } = await owner.query<{ pid: number; name: string }>(
  'SELECT pid, application_name AS name FROM pg_stat_activity WHERE datname = current_database()',
);
const databaseSeconds: Record<string, number> = {};
for (const { pid, name } of backends)
  databaseSeconds[name || 'floor'] = (databaseSeconds[name || 'floor'] ?? 0) + cpuOf(pid) / 1e6;
const report = {
  databaseSeconds,
  machine: { cpu: cpus()[0]!.model, cores: cpus().length, node: process.version },
  recordBytes: bytes,
  ...results,
  portalPeakRssMb: Math.round(rssOf(portal.pid!)),
  floorPeakRssMb: Math.round(rssOf(floor.pid!)),
  auditEvents: Number(ledger[0]!.events),
};
if (Object.keys(results).length > 0) console.table(results);
portal.kill('SIGTERM');
floor.kill('SIGTERM');
await new Promise((done) => portal.once('exit', done));

/** A server of its own process, from this file. */
async function serve(file: string, args: string[], settings: Record<string, string>) {
  const port = await freePort();
  const child = fork(file, args, {
    env: { ...env, DATA_DIR: folder, ...settings, PORT: String(port) },
    execArgv: SERVER_FLAGS,
  });
  const url = `http://127.0.0.1:${port}`;
  // A section that fails leaves nothing running.
  process.once('exit', () => child.kill('SIGKILL'));
  await started(child, `${url}/health/live`);
  const ended = new Promise<void>((done) => child.once('exit', () => done()));
  return { pid: child.pid!, url, stop: () => (child.kill('SIGTERM'), ended) };
}

const bench: Bench = {
  owner,
  people,
  reading: { path: `/v1/records/${recordId}`, headers },
  start: (settings) => serve('dist/src/main.js', [], settings),
};
const audit: Record<string, object> = {};
if (isWanted('audit')) {
  console.error('Durable events …');
  audit.durableEvent = await durableEvents(join(folder, 'slow'), 300, SECONDS * 3);
  console.table({ 'added wait of a durable event': audit.durableEvent });
  const [without, withIt] = await Promise.all([
    serve('test/bench/audited-server.mjs', ['--without-audit'], { DATA_DIR: join(folder, 'without') }),
    serve('test/bench/audited-server.mjs', [], {}),
  ]);
  for (const [name, [, url]] of Object.entries(targets)) {
    const { pathname, search } = new URL(url);
    const target = (server: typeof without) => ({ pid: server.pid, url: server.url + pathname + search, headers });
    // The floor of this one is the portal itself.
    audit[`${name} with audit, share of that without`] = await turns(target(without), target(withIt));
  }
  await Promise.all([without.stop(), withIt.stop()]);
  console.error('Verifying …');
  audit.verification = await verificationRate(owner, loadConfig({ ...env, DATA_DIR: folder }), Number(args.entries));
  console.table(audit);
}
const identity: { signIn?: object; timing?: Record<string, object> } = {};
const [PAIRS, COST] = [Number(args.pairs), Number(args.cost)];
if (isWanted('signin')) {
  console.error(`Sign-ins at cost ${COST} …`);
  identity.signIn = await signInThroughput(bench, COST, SECONDS * 2);
  console.table({ 'sign-in': identity.signIn });
}
if (isWanted('timing')) {
  for (const [cost, pairs] of [
    [4, PAIRS],
    [COST, Math.ceil(PAIRS / 10)],
  ] as const) {
    console.error(`${pairs} pairs at cost ${cost} …`);
    const times = await timing(bench, cost, pairs);
    identity.timing = { ...identity.timing, [`cost ${cost}`]: times };
    console.table(times);
  }
}
console.log(JSON.stringify({ ...report, audit, ...identity }));
await owner.end();
await postgres.stop();
process.exit(0);
