import { once } from 'node:events';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MllpServer } from '../../src/modules/records/mllp-server.js';
import type { Caller } from './people.js';
import type { Portal } from './portal.js';

/** Whom the portals of tests take messages from. */
export const APPLICATION = 'LAB';
export const FACILITY = 'TOWN';

export interface FeedOptions {
  source: string;
  facility?: string;
  more?: object;
}

/** A file of HL7 feeds, each with one sender. */
export function feedsFile(...feeds: FeedOptions[]): string {
  const path = join(mkdtempSync(join(tmpdir(), 'portico-hl7-')), 'feeds.json');
  const entries = feeds.map(({ source, facility = FACILITY, more }) => ({ source, senders: [{ facility }], ...more }));
  writeFileSync(path, JSON.stringify(entries));
  return path;
}

let messages = 0;

export interface Head {
  type: string;
  id?: string;
  /** MSH-7. */
  at?: string;
  facility?: string;
  version?: string;
  /** MSH-13 and on. */
  more?: string;
  processing?: string;
}

export const nextControlId = (): string => `M${++messages}`;

export const msh = ({
  type,
  id = nextControlId(),
  at = '20240301100000+0000',
  facility = FACILITY,
  version = '2.5.1',
  more = '',
  processing = 'P',
}: Head): string =>
  `MSH|^~\\&|${APPLICATION}|${facility}|PORTAL|HOSP|${at}||${type}|${id}|${processing}|${version}${more}`;

export const message = (...segments: string[]): string => segments.map((segment) => `${segment}\r`).join('');

export const pid = (mrn: string, name = 'Feed^Fee', more = ''): string =>
  `PID|1||${mrn}^^^MAIN^MR||${name}||19800517|F${more}`;

export const admission = ({ mrn, ...head }: { mrn: string } & Partial<Head>): string =>
  message(
    msh({ type: 'ADT^A01^ADT_A01', ...head }),
    'EVN|A01|20240301100000+0000',
    pid(mrn),
    `PV1|1|I|WARD^12^1|||||||CAR|||||||||V-${mrn}^^^MAIN^VN|||||||||||||||||||||||||20240301093000+0000`,
  );

export const result = ({
  mrn,
  obx,
  order = 'F1',
  more = [],
  ...head
}: { mrn: string; obx: string[]; order?: string; more?: string[] } & Partial<Omit<Head, 'more'>>): string =>
  message(
    msh({ type: 'ORU^R01^ORU_R01', ...head }),
    pid(mrn),
    `OBR|1|P1|${order}^LAB|24323-8^Panel^LN|||20240301080000+0000|||||||||||||||20240301095900+0000|||F`,
    ...obx,
    ...more,
  );

export const sendMessage = (feed: Caller, text: string | Buffer, type = 'x-application/hl7-v2+er7') =>
  feed
    .send('post', '/v1/imports/hl7')
    .set('Content-Type', type)
    .buffer(true)
    .parse(asText)
    .send(text as string);

/** Bytes of the answer as Latin-1, so that a test sees each of them. */
function asText(response: unknown, done: (error: Error | null, body: string) => void): void {
  const parts: Buffer[] = [];
  const answer = response as NodeJS.ReadableStream;
  answer.on('data', (part: Buffer) => parts.push(part));
  answer.on('end', () => done(null, Buffer.concat(parts).toString('latin1')));
}

/** Segments of an acknowledgement, each as its fields; MSH-1 is counted. */
export const fieldsOf = (ack: string): Record<string, string[]> =>
  Object.fromEntries(
    ack
      .split('\r')
      .filter(Boolean)
      .map((line) => {
        const [name, ...fields] = line.split('|');
        return [name!, name === 'MSH' ? [name, '|', ...fields] : [name!, ...fields]];
      }),
  );

/** Sends one message, and answers its acknowledgement's MSA-1. */
export async function acknowledged(feed: Caller, text: string | Buffer): Promise<string> {
  return fieldsOf((await sendMessage(feed, text)).body as string).MSA![1]!;
}

const VT = '\u000b';
const END = '\u001c\r';
export const frame = (text: string): string => `${VT}${text}${END}`;

/** A sender over MLLP. */
export class MllpClient {
  private received = '';
  private waiting: (() => void)[] = [];
  closed = false;

  constructor(readonly socket: Socket) {
    socket.setEncoding('utf8');
    socket.on('error', () => undefined);
    socket.on('data', (text: string) => {
      this.received += text;
      this.wake();
    });
    socket.on('close', () => {
      this.closed = true;
      this.wake();
    });
  }

  static async open(portal: Portal, from?: string): Promise<MllpClient> {
    const socket = connect({ port: portal.app.get(MllpServer).port!, host: '127.0.0.1', localAddress: from });
    const client = new MllpClient(socket);
    await Promise.race([once(socket, 'connect'), once(socket, 'close')]);
    return client;
  }

  write(bytes: string | Buffer): void {
    this.socket.write(bytes);
  }

  /** The next frame that comes; null: the connection was closed. */
  async next(): Promise<string | null> {
    for (;;) {
      const end = this.received.indexOf(END);
      if (end >= 0) {
        const text = this.received.slice(1, end);
        this.received = this.received.slice(end + END.length);
        return text;
      }
      if (this.closed) return null;
      await new Promise<void>((wake) => this.waiting.push(wake));
    }
  }

  async send(text: string): Promise<string | null> {
    this.write(frame(text));
    return this.next();
  }

  async end(): Promise<void> {
    if (this.closed) return;
    this.socket.destroy();
    await once(this.socket, 'close');
  }

  private wake(): void {
    for (const wake of this.waiting.splice(0)) wake();
  }
}
