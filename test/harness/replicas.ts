import { randomUUID } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { Agent, request, type ClientRequest, type IncomingMessage } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from '@jest/globals';
import type { Config } from '../../src/platform/config/config.js';
import type { Portal } from './portal.js';
import { PortalProcess } from './process.js';

/** One request of many that are sent at once. */
export interface Shot {
  /** POST where nothing is said. */
  method?: 'GET';
  path: string;
  body?: object;
  /** Sent as a form instead of JSON. */
  form?: Record<string, string>;
  token?: string;
  headers?: Record<string, string>;
  /** Audit code that its event must have, where it is not that of the others. */
  action?: string;
}

export interface Said {
  requestId: string;
  /** Which of the two processes answered. */
  replica: number;
  /** Which shot it answers. */
  shot: number;
  status: number;
  /** Of a refusal. */
  code: string | null;
  body: Record<string, unknown>;
}

const wordsOf = ({ status, code }: Said): string => (code === null ? String(status) : `${status} ${code}`);

const count = (values: readonly string[]): Record<string, number> => {
  const counts: Record<string, number> = {};
  for (const value of values) counts[value] = (counts[value] ?? 0) + 1;
  return counts;
};

export const tally = (answers: readonly Said[]): Record<string, number> => count(answers.map(wordsOf));

/** What a quoted-printable mail says: long lines are broken by it. */
const unquoted = (eml: string): string =>
  eml.replace(/=\r?\n/g, '').replace(/=([0-9A-F]{2})/g, (_, hex: string) => String.fromCharCode(parseInt(hex, 16)));

interface Sent {
  done: Promise<IncomingMessage>;
  message: ClientRequest;
}

/**
 * Two server processes on one database, beside the portal of the test that makes the people. Any of the three takes a notice
 * from the outbox, so that `seed.delivered()` from here on waits for all of them and shows what they all have sent.
 */
export class Replicas {
  private readonly agents = [0, 1].map(() => new Agent({ keepAlive: true, maxSockets: 500, maxFreeSockets: 500 }));
  private readonly read = new Set<string>();
  private networks = 0;

  private constructor(
    private readonly seed: Portal,
    readonly processes: readonly PortalProcess[],
    private readonly folders: readonly string[],
  ) {
    const drain = seed.delivered.bind(seed);
    seed.delivered = async () => {
      await drain();
      await this.outboxEmpty();
      for (const folder of folders) this.collect(join(folder, 'mailbox'));
    };
  }

  /** `env` needs TRUSTED_PROXIES=127.0.0.1: each request comes from a network of its own. */
  static async start(seed: Portal, database: Config['database'], env: NodeJS.ProcessEnv): Promise<Replicas> {
    const folders = [0, 1].map(() => mkdtempSync(join(tmpdir(), 'portico-replica-')));
    const processes = await Promise.all(
      folders.map((folder) => PortalProcess.on(database, { ...env, DATA_DIR: folder })),
    );
    const replicas = new Replicas(seed, processes, folders);
    try {
      await Promise.all(processes.map((process) => process.start()));
      await replicas.settle();
    } catch (error) {
      await replicas.end();
      throw error;
    }
    return replicas;
  }

  async end(): Promise<void> {
    for (const agent of this.agents) agent.destroy();
    await Promise.all(this.processes.map((process) => process.end('SIGTERM')));
    for (const folder of this.folders) rmSync(folder, { recursive: true, force: true });
  }

  /**
   * Sends all at once, one after the other to this process and that, on connections that are open already: every one is
   * written before the first answer is looked at. Resolves with the answers in the order of the shots.
   */
  async rush(shots: readonly Shot[]): Promise<Said[]> {
    await this.warm(shots.length);
    let written = 0;
    let writtenAtFirstAnswer: number | null = null;
    const sent = shots.map((shot, index) => {
      const id = randomUUID();
      const { message, done } = this.send(index % 2, shot, id);
      message.once('finish', () => written++);
      message.once('response', () => (writtenAtFirstAnswer ??= written));
      return { id, message, done };
    });
    const answers = await Promise.all(
      sent.map(async ({ id, done }, index): Promise<Said> => answerOf(await done, id, index)),
    );
    expect(sent.filter(({ message }) => !message.reusedSocket)).toHaveLength(0);
    expect(writtenAtFirstAnswer).toBe(shots.length);
    return answers;
  }

  /** One request to one of the two. */
  async ask(replica: number, shot: Shot): Promise<Said> {
    const id = randomUUID();
    return answerOf(await this.send(replica, shot, id).done, id, replica);
  }

  /** Sends it on a connection of its own, which breaks `afterMs` after the request was written: nobody reads the answer. */
  async lose(replica: number, shot: Shot, afterMs: number): Promise<{ requestId: string }> {
    const requestId = randomUUID();
    const { message, done } = this.send(replica, shot, requestId, new Agent());
    const over = done.then(
      (answer) => answer.resume(),
      () => undefined,
    );
    await new Promise((written) => message.once('finish', written));
    await sleep(afterMs);
    message.destroy();
    await over;
    return { requestId };
  }

  private send(replica: number, shot: Shot, requestId: string, agent = this.agents[replica]): Sent {
    const { method = 'POST', path, body, form, token, headers = {} } = shot;
    const network = ++this.networks;
    const payload = form ? new URLSearchParams(form).toString() : body === undefined ? '' : JSON.stringify(body);
    const message = request({
      agent,
      host: '127.0.0.1',
      port: this.processes[replica]!.port,
      method,
      path,
      headers: {
        host: 'portal.test',
        'content-length': Buffer.byteLength(payload),
        'x-request-id': requestId,
        'x-forwarded-for': `10.${(network >> 16) & 255}.${(network >> 8) & 255}.${network & 255}`,
        ...(payload === '' ? {} : { 'content-type': form ? 'application/x-www-form-urlencoded' : 'application/json' }),
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...headers,
      },
    });
    const done = new Promise<IncomingMessage>((answered, failed) => {
      message.once('response', answered).once('error', failed);
    });
    message.end(payload);
    return { message, done };
  }

  /** A server that has only just started opens its connections to the database, starts its threads and compiles its code first. */
  private async settle(): Promise<void> {
    for (let n = 0; n < 10; n++) {
      const shot = () => ({
        path: '/v1/auth/login',
        body: { username: randomUUID(), password: 'a password of nobody' },
      });
      await Promise.all(Array.from({ length: 20 }, (_, index) => this.ask(index % 2, shot())));
    }
  }

  private async warm(connections: number): Promise<void> {
    const look = async (replica: number): Promise<void> => {
      const [agent, { port }] = [this.agents[replica]!, this.processes[replica]!];
      const answer = await new Promise<IncomingMessage>((answered, failed) => {
        const message = request({ agent, host: '127.0.0.1', port, path: '/health/live' });
        message.once('response', answered).once('error', failed).end();
      });
      await text(answer);
    };
    await Promise.all(Array.from({ length: connections }, (_, index) => look(index % 2)));
    // A connection is free for the next request only after this turn.
    await sleep(0);
  }

  private async outboxEmpty(): Promise<void> {
    for (let tries = 0; tries < 4_000; tries++) {
      const { rows } = await this.seed.owner.query<{ n: number }>(
        'SELECT count(*)::int AS n FROM platform.outbox WHERE done_at IS NULL AND failed_at IS NULL',
      );
      if (rows[0]!.n === 0) return;
      await sleep(5);
    }
    throw new Error('the notices are not delivered');
  }

  private collect(mailbox: string): void {
    if (!existsSync(mailbox)) return;
    for (const file of readdirSync(mailbox).sort()) {
      if (this.read.has(file)) continue;
      this.read.add(file);
      const content = readFileSync(join(mailbox, file), 'utf8');
      const [head, ...rest] = content.split(/\r?\n\r?\n/) as [string, ...string[]];
      const field = (name: string): string => new RegExp(`^${name}: (.*?)\\r?$`, 'mi').exec(head)?.[1] ?? '';
      const body = rest.join('\n\n');
      const said = field('Content-Transfer-Encoding') === 'quoted-printable' ? unquoted(body) : body;
      if (file.endsWith('.sms')) this.seed.texts.push({ to: field('To'), text: said });
      else this.seed.mails.push({ to: field('To'), subject: field('Subject'), text: said });
    }
  }
}

async function answerOf(answer: IncomingMessage, requestId: string, shot: number): Promise<Said> {
  const content = await text(answer);
  const body = (content === '' ? {} : JSON.parse(content)) as Record<string, unknown>;
  const status = answer.statusCode!;
  const code = status < 400 ? null : ((body.code ?? body.scimType ?? 'none') as string);
  return { requestId, replica: shot % 2, shot, status, code, body };
}

/** Each answer has one event with its outcome and of its action; what a success ended or opened besides has more. */
export async function checkEvents(seed: Portal, shots: readonly Shot[], answers: readonly Said[], action: string) {
  const { rows } = await seed.owner.query<{ id: string; action: string; outcome: number }>(
    `SELECT request_id AS id, action, outcome FROM audit.inbox WHERE request_id = ANY($1)
     UNION ALL SELECT request_id, action, outcome FROM audit.entry WHERE request_id = ANY($1)`,
    [answers.map(({ requestId }) => requestId)],
  );
  const events = Map.groupBy(rows, ({ id }) => id);
  for (const { requestId, status, shot } of answers) {
    const mine = events.get(requestId) ?? [];
    const outcome = status < 400 ? 0 : status < 500 ? 4 : 8;
    const expected = { id: requestId, action: shots[shot]!.action ?? action, outcome };
    if (status < 400) expect(mine.filter((event) => event.action === expected.action)).toEqual([expected]);
    else expect(mine).toEqual([expected]);
  }
}
