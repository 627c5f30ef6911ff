import { once } from 'node:events';
import { mkdtempSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { startWitness, type RunningWitness } from '../../src/cli/witness.js';
import { Anchoring } from '../../src/modules/audit/sealing/anchors/anchoring.js';
import { KeyRing } from '../../src/platform/crypto/index.js';
import { formatVerifierKey, verifierKeyOf } from '../../src/tlog/index.js';
import { testServer } from './database.js';
import type { Portal } from './portal.js';
import { closeAll, ORIGIN } from './sealing.js';

export const folder = (): string => mkdtempSync(join(tmpdir(), 'portico-anchors-'));
const servers: Server[] = [];
export const witnesses: RunningWitness[] = [];

export async function closeAnchors(): Promise<void> {
  await closeAll();
  for (const witness of witnesses.splice(0)) await witness.close();
  for (const server of servers.splice(0)) {
    server.close();
    server.closeAllConnections();
  }
}

export async function serve(
  handler: (request: IncomingMessage, response: ServerResponse, body: string) => void,
): Promise<string> {
  const server = createServer((request, response) => {
    void text(request).then((body) => handler(request, response, body));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  servers.push(server);
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

export const hand = (portal: Portal) => portal.app.get(Anchoring).turn(true);
export const states = async (portal: Portal) =>
  (await portal.app.get(Anchoring).report()).map(({ target, size, failures, failure }) => ({
    target,
    size,
    failures,
    failure,
  }));
export const done = (target: string, size: number) => ({ target, size, failures: 0, failure: null });

export async function published(portal: Portal): Promise<string> {
  const { rows } = await portal.owner.query<{ note: string }>(
    'SELECT note FROM audit.published ORDER BY size DESC LIMIT 1',
  );
  return rows[0]!.note;
}

export async function logKey(): Promise<string> {
  const { auditKeys } = await KeyRing.load(testServer().keyFile);
  return formatVerifierKey(verifierKeyOf(ORIGIN, 1, auditKeys[0]!.publicKey));
}

export async function witness(name: string, state = folder()): Promise<RunningWitness> {
  const options = { state, name, log: [await logKey()], listen: '127.0.0.1:0' };
  const started = await startWitness(options, () => undefined);
  witnesses.push(started);
  return started;
}

export const disputes = async (portal: Portal): Promise<unknown[]> => {
  const { rows } = await portal.owner.query<{ event: string }>(
    `SELECT event FROM audit.inbox WHERE action = 'Checkpoint.dispute' UNION ALL SELECT leaf::json ->> 'e' FROM audit.entry WHERE action = 'Checkpoint.dispute'`,
  );
  return rows.map(({ event }) => (JSON.parse(event) as { err: string }).err);
};

export const told = (portal: Portal) =>
  portal.log.filter(({ msg }) => msg === 'a checkpoint was not taken').map(({ code, reason }) => [code, reason]);
