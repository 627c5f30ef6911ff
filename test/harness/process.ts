import { spawn, type ChildProcess } from 'node:child_process';
import { mkdtempSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Config } from '../../src/platform/config/config.js';
import { testServer } from './database.js';

const freePort = (): Promise<number> =>
  new Promise((done) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => done(port));
    });
  });

/** The portal as a process of its own, for what can only be done to one: kill it, send it signals. */
export class PortalProcess {
  private child: ChildProcess | null = null;
  private errors = '';

  private constructor(
    readonly port: number,
    private readonly env: NodeJS.ProcessEnv,
  ) {}

  static async on(database: Config['database'], env: NodeJS.ProcessEnv = {}): Promise<PortalProcess> {
    const port = await freePort();
    return new PortalProcess(port, {
      PATH: process.env.PATH,
      // The TypeScript compiler of this process unpacks its native part into the user's cache.
      HOME: process.env.HOME,
      NODE_ENV: 'test',
      PORT: String(port),
      PUBLIC_URL: 'https://portal.test',
      DATABASE_URL: database.url,
      DATABASE_SEQUENCER_URL: database.sequencerUrl,
      DATABASE_AUDITOR_URL: database.auditorUrl,
      KEY_FILE: testServer().keyFile,
      DATA_DIR: mkdtempSync(join(tmpdir(), 'portico-process-')),
      BCRYPT_COST: '4',
      LOG_LEVEL: 'error',
      ...env,
    });
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  get pid(): number {
    return this.child!.pid!;
  }

  /** Its resident memory, now and at its highest, in MB. */
  get memory(): { now: number; peak: number } {
    const status = readFileSync(`/proc/${this.pid}/status`, 'utf8');
    const mb = (name: string): number => Number(new RegExp(`${name}:\\s+(\\d+) kB`).exec(status)![1]) / 1024;
    return { now: mb('VmRSS'), peak: mb('VmHWM') };
  }

  /**
   * Resolves as soon as the port is taken. As a service manager does, it starts a portal anew that gave up on a database which was
   * too busy to answer; whatever else ends it is an error.
   */
  async start(): Promise<void> {
    for (let left = 2; !(await this.tryToStart()); left--) {
      const isBusy = this.errors.includes('connection timeout');
      if (!isBusy || left === 0) throw new Error(`the portal ended with ${this.child!.exitCode}: ${this.errors}`);
      this.errors = '';
    }
  }

  /** False when it has ended instead. */
  private async tryToStart(): Promise<boolean> {
    const args = ['--import', './test/harness/typescript.mjs', 'src/main.ts'];
    const child = spawn(process.execPath, args, { env: this.env, stdio: ['ignore', 'ignore', 'pipe'] });
    child.stderr.on('data', (chunk: Buffer) => (this.errors += chunk.toString()));
    this.child = child;
    while (!(await this.listens())) {
      if (child.exitCode !== null) return false;
      await sleep(30);
    }
    return true;
  }

  signal(name: NodeJS.Signals): void {
    this.child!.kill(name);
  }

  /** Sends a signal that ends it; resolves with its exit code (null when the signal itself killed it) and the time that took. */
  async end(name: NodeJS.Signals): Promise<{ code: number | null; ms: number }> {
    const child = this.child;
    if (!child || child.exitCode !== null || child.signalCode !== null) return { code: null, ms: 0 };
    const begun = performance.now();
    const code = await new Promise<number | null>((done) => {
      child.once('exit', done);
      child.kill(name);
    });
    return { code, ms: performance.now() - begun };
  }

  private async listens(): Promise<boolean> {
    const scheme = this.env.TLS_CERT_FILE ? 'https' : 'http';
    try {
      await fetch(`${scheme}://127.0.0.1:${this.port}/health/live`);
      return true;
    } catch (error) {
      // A certificate that nobody signed is refused by the client, after the server has shown it.
      return (error as { cause?: { code?: string } }).cause?.code === 'DEPTH_ZERO_SELF_SIGNED_CERT';
    }
  }
}
