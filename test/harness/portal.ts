import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import type { AddressInfo } from 'node:net';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import pg from 'pg';
import supertest from 'supertest';
import { DataSource } from 'typeorm';
import { createApp } from '../../src/app.js';
import { AuditorPool, OpenPool } from '../../src/modules/audit/tree/auditor-pool.js';
import { Clock } from '../../src/platform/clock.js';
import { loadConfig, type Config } from '../../src/platform/config/config.js';
import { ReadLanes } from '../../src/platform/database/read-lanes.js';
import { SystemPool } from '../../src/platform/database/system-pool.js';
import { Delivery, type Mail, type Sms } from '../../src/platform/delivery/delivery.js';
import { Logger } from '../../src/platform/logging/logger.js';
import { Outbox } from '../../src/platform/outbox/outbox.js';
import { cloneDatabase, testServer } from './database.js';

/** Real time plus what a test has skipped. */
export class MovableClock extends Clock {
  private skippedMs = 0;

  now(): Date {
    return new Date(Date.now() + this.skippedMs);
  }

  forward(seconds: number): void {
    this.skippedMs += seconds * 1000;
  }
}

class CapturedDelivery extends Delivery {
  readonly mails: Mail[] = [];
  readonly texts: Sms[] = [];

  mail(mail: Mail): Promise<void> {
    this.mails.push(mail);
    return Promise.resolve();
  }

  sms(sms: Sms): Promise<void> {
    this.texts.push(sms);
    return Promise.resolve();
  }

  decoy(): Promise<void> {
    return Promise.resolve();
  }
}

export type LogLine = Record<string, unknown> & { msg: string };

/** The log's lines, read back. */
class LogLines extends Writable {
  readonly lines: LogLine[] = [];

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    for (const line of chunk.toString().split('\n').filter(Boolean)) this.lines.push(JSON.parse(line) as LogLine);
    done();
  }
}

export interface Portal {
  app: NestFastifyApplication;
  config: Config;
  url: string;
  http: ReturnType<typeof supertest>;
  clock: MovableClock;
  /** Notices that were handed over; `await portal.delivered()` first. */
  mails: Mail[];
  /** Text messages, likewise. */
  texts: Sms[];
  delivered(): Promise<void>;
  log: LogLine[];
  /** The database as its superuser, for looking and for attacking. */
  owner: pg.Client;
  /** A new connection for `owner`, after the server was away. */
  reconnect(): Promise<void>;
  close(): Promise<void>;
}

export interface PortalOptions {
  /** It is about a database that is away: nobody waits longer for a connection than in the product. */
  isAboutFaults?: boolean;
  env?: Record<string, string>;
  database?: Config['database'];
}

interface Waits {
  options: { connectionTimeoutMillis: number };
}

/** A test machine that is busy is no database that is away: only after so long, in milliseconds, is one. */
const BUSY_MS = 15_000;

function makePatient(app: NestFastifyApplication): void {
  const own = [SystemPool, AuditorPool, OpenPool].map((type) => app.get<{ pool: Waits }>(type).pool);
  const { lanes } = app.get<ReadLanes, { lanes: Waits[] }>(ReadLanes);
  const { master } = app.get(DataSource).driver as unknown as { master: Waits };
  for (const { options } of [...own, ...lanes, master]) options.connectionTimeoutMillis = BUSY_MS;
}

/** The first request finds connections: where eight pools open theirs at once, one may take longer than a request waits. */
async function connected(app: NestFastifyApplication): Promise<void> {
  const look = { text: 'SELECT 1', name: 'look' };
  await Promise.all([
    app.get(SystemPool).query(look.text),
    app.get(DataSource).query(look.text),
    app.get(ReadLanes).query(null, look),
  ]);
}

/** A whole portal on its own database: the real pipeline; only the clock, the log's stream and the delivery are replaced. */
export async function startPortal(options: PortalOptions = {}): Promise<Portal> {
  const database = options.database ?? (await cloneDatabase());
  const config = loadConfig({
    NODE_ENV: 'test',
    PORT: '0',
    PUBLIC_URL: 'https://portal.test',
    DATABASE_URL: database.url,
    DATABASE_SEQUENCER_URL: database.sequencerUrl,
    DATABASE_AUDITOR_URL: database.auditorUrl,
    KEY_FILE: testServer().keyFile,
    // What one portal remembers of its log is nothing that another one has seen.
    DATA_DIR: mkdtempSync(join(tmpdir(), 'portico-portal-')),
    BCRYPT_COST: '4',
    // Tests sign the same people in again and again.
    MAX_SESSIONS: '50',
    // Tests count entries; those of heartbeats have them.
    AUDIT_HEARTBEAT_SECONDS: '0',
    LOG_LEVEL: 'info',
    ...options.env,
  });
  const clock = new MovableClock();
  const delivery = new CapturedDelivery();
  const log = new LogLines();
  const app = await createApp(config, { clock, delivery, logger: Logger.to(config.logLevel, log) });
  if (!options.isAboutFaults) makePatient(app);
  await app.listen(0, '127.0.0.1');
  if (!options.isAboutFaults) await connected(app);
  // Where a test fails before it closes its portal, the run ends all the same and says why.
  app.getHttpServer().unref();
  const url = `http://127.0.0.1:${(app.getHttpServer().address() as AddressInfo).port}`;
  const connectOwner = async (): Promise<pg.Client> => {
    const owner = new pg.Client({ connectionString: database.ownerUrl });
    // The server may be killed under us in resilience tests.
    owner.on('error', () => undefined);
    await owner.connect();
    return owner;
  };
  const portal: Portal = {
    app,
    config,
    url,
    http: supertest(url),
    clock,
    mails: delivery.mails,
    texts: delivery.texts,
    log: log.lines,
    owner: await connectOwner(),
    reconnect: async () => {
      portal.owner = await connectOwner();
    },
    delivered: () => app.get(Outbox).drain(),
    close: async () => {
      await app.close();
      await portal.owner.end();
    },
  };
  return portal;
}
