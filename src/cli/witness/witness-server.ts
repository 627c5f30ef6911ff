import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { formatVerifierKey, type VerifierKey } from '../../tlog/index.js';
import type { Witness } from './witness.js';
import type { WitnessState } from './witness-state.js';

const MOST_BYTES = 64 * 1024;
const MOST_CONNECTIONS = 100;
const LIMITS = { headersTimeout: 10_000, requestTimeout: 15_000, keepAliveTimeout: 65_000, maxHeaderSize: 8 * 1024 };
const SIZE_TYPE = 'text/x.tlog.size';
const TEXT_TYPE = 'text/plain; charset=utf-8';

export interface Parts {
  witness: Witness;
  state: WitnessState;
  logs: readonly VerifierKey[];
  key: VerifierKey;
  now: () => Date;
  warn: (line: string) => void;
}

class TooLarge extends Error {}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > MOST_BYTES) throw new TooLarge();
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function answer(response: ServerResponse, status: number, text: string, type = TEXT_TYPE): void {
  response.writeHead(status, {
    'content-type': type,
    'content-length': Buffer.byteLength(text),
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
  });
  response.end(text);
}

/** For people: what was cosigned last, of each log, and how long ago. */
async function overview({ logs, state, key, now }: Parts): Promise<string> {
  const parts = [`${formatVerifierKey(key)}\n`];
  for (const origin of new Set(logs.map(({ name }) => name))) {
    const last = await state.latest(origin);
    const seconds = last ? Math.round((now().getTime() - last.at.getTime()) / 1000) : 0;
    parts.push(last ? `${origin}: ${seconds} s ago\n\n${last.note}` : `${origin}: nothing so far\n`);
  }
  return parts.join('\n');
}

async function handle(parts: Parts, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { method, url = '' } = request;
  if (url === '/add-checkpoint') {
    if (method !== 'POST') return answer(response, 405, 'POST it\n');
    const { status, text } = await parts.witness.addCheckpoint(await bodyOf(request));
    return answer(response, status, text, status === 409 ? SIZE_TYPE : TEXT_TYPE);
  }
  if (url !== '/' && url !== '/latest') return answer(response, 404, 'there is nothing here\n');
  if (method !== 'GET') return answer(response, 405, 'GET it\n');
  answer(response, 200, await overview(parts));
}

/** HTTP (or HTTPS) of a witness: bounded bodies, headers, times and connections, because anybody may talk to it. */
export function witnessServer(parts: Parts, tls: { cert: Buffer; key: Buffer } | null): Server {
  const listener: RequestListener = (request, response) => {
    handle(parts, request, response).catch((error: unknown) => {
      if (error instanceof TooLarge) {
        response.setHeader('connection', 'close');
        answer(response, 413, 'too long\n');
        return;
      }
      // Also a disk that does not take the state: then nothing is signed.
      parts.warn(`a request failed: ${(error as Error).message}`);
      if (response.headersSent) response.destroy();
      else answer(response, 500, 'not done\n');
    });
  };
  const server = tls
    ? createTlsServer({ ...LIMITS, ...tls, minVersion: 'TLSv1.2' }, listener)
    : createServer(LIMITS, listener);
  server.maxConnections = MOST_CONNECTIONS;
  return server;
}
