import { createHash } from 'node:crypto';
import type { Caller } from './people.js';

export interface Sent {
  /** Its bytes; `text` for those of a text. */
  bytes?: Buffer;
  text?: string;
  contentType?: string;
  title?: string;
  /** Members as they are written. */
  more?: string;
  /** As it is written between the quotes; base64 of the bytes by default. */
  data?: string;
}

/** An Attachment with its content in it, as text. */
export function attachment({ bytes, text = '', contentType = 'text/plain', title, more = '', data }: Sent): string {
  const content = data ?? (bytes ?? Buffer.from(text)).toString('base64');
  const named = title === undefined ? '' : `,"title":${JSON.stringify(title)}`;
  return `{"contentType":"${contentType}","data":"${content}"${named}${more}}`;
}

/** A DocumentReference with these attachments. */
export const documentText = (id: string, patient: string, attachments: readonly string[], more = ''): string =>
  `{"resourceType":"DocumentReference","id":"${id}","status":"current","type":{"coding":[{"system":"http://loinc.org","code":"11506-3"}],"text":"Note"},` +
  `"subject":{"reference":"${patient}"},"date":"2025-01-05T08:00:00Z","content":[${attachments.map((one) => `{"attachment":${one}}`).join(',')}]${more}}`;

export const binaryText = (id: string, bytes: Buffer, contentType: string, more = ''): string =>
  `{"resourceType":"Binary","id":"${id}","contentType":"${contentType}"${more},"data":"${bytes.toString('base64')}"}`;

export const sha1 = (bytes: Buffer): string => createHash('sha1').update(bytes).digest('base64');

export interface Listed {
  id: string;
  state: string;
  type: string | null;
  size: number | null;
  url: string | null;
  findings: { code: string }[];
}

export const listOf = async (caller: Caller, recordId: string): Promise<Listed[]> =>
  ((await caller.get(`/v1/records/${recordId}/attachments`).expect(200)).body as { items: Listed[] }).items;

/** Contents of attachments are kept apart, with an address in their place: see records-attachments-real. */
export const withoutContent = (line: string): string =>
  line.replace(/\/(?:data="[^"]*"|url="\/v1\/attachments\/[0-9a-f-]{36}")$/, '/(content)');

/** The answer with its body as bytes, whatever its type. */
export const fetchBytes = (caller: Caller, path: string, headers: Record<string, string> = {}) =>
  caller
    .get(path)
    .set(headers)
    .buffer(true)
    .parse((answer, done) => {
      const pieces: Buffer[] = [];
      answer.on('data', (piece: Buffer) => pieces.push(Buffer.from(piece)));
      answer.on('end', () => done(null, Buffer.concat(pieces)));
    });

/** Some bytes that do not compress and are always the same; a PDF by their beginning. */
export function pdf(bytes: number, seed = 1): Buffer {
  const all = Buffer.alloc(bytes);
  let state = seed >>> 0 || 1;
  for (let at = 0; at < bytes; at++) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    all[at] = state >>> 24;
  }
  all.write('%PDF-1.7\n%\u00e2\u00e3\n', 'latin1');
  return all;
}
