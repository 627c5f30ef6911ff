import { readFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { formatVerifierKey, NoteError, parseVerifierKey, type VerifierKey } from '../tlog/index.js';
import { OperatorError, type Command, type Values } from './command.js';
import { Silence } from './witness/silence.js';
import { witnessSigner } from './witness/witness-key.js';
import { witnessServer } from './witness/witness-server.js';
import { WitnessState } from './witness/witness-state.js';
import { Witness } from './witness/witness.js';

const DEFAULT_MAX_AGE = 900;

interface Settings {
  state: string;
  logs: VerifierKey[];
  keyFile: string;
  name: string;
  host: string;
  port: number;
  tls: { cert: Buffer; key: Buffer } | null;
  maxAgeSeconds: number;
}

const text = (values: Values, name: string): string | null => {
  const value = values[name];
  return typeof value === 'string' && value !== '' ? value : null;
};

function logsOf(value: Values[string]): VerifierKey[] {
  const vkeys = (Array.isArray(value) ? value : []).filter((one) => typeof one === 'string');
  if (vkeys.length === 0) throw new OperatorError('--log is needed: the verifier key of the log to be witnessed');
  return vkeys.map((vkey) => {
    try {
      const key = parseVerifierKey(vkey);
      if (key.type === 1) return key;
    } catch (error) {
      if (!(error instanceof NoteError)) throw error;
    }
    throw new OperatorError(`${vkey} is no verifier key of a log`);
  });
}

function addressOf(listen: string): { host: string; port: number } {
  const [, host, port] = /^(.*):(\d{1,5})$/.exec(listen) ?? [];
  if (host === undefined || Number(port) > 65_535) throw new OperatorError('--listen is host:port');
  return { host: host.replace(/^\[(.*)\]$/, '$1') || '0.0.0.0', port: Number(port) };
}

function settingsOf(values: Values): Settings {
  const [state, name] = [text(values, 'state'), text(values, 'name')];
  if (!state || !name) throw new OperatorError('--state and --name are needed');
  const [cert, key] = [text(values, 'tls-cert'), text(values, 'tls-key')];
  if ((cert === null) !== (key === null)) throw new OperatorError('--tls-cert and --tls-key go together');
  const maxAgeSeconds = Number(text(values, 'max-age') ?? DEFAULT_MAX_AGE);
  if (!(maxAgeSeconds > 0)) throw new OperatorError('--max-age is a number of seconds');
  return {
    state,
    name,
    logs: logsOf(values.log),
    keyFile: text(values, 'key') ?? `${state}/witness.key.pem`,
    ...addressOf(text(values, 'listen') ?? '127.0.0.1:7380'),
    tls: cert && key ? { cert: readFileSync(cert), key: readFileSync(key) } : null,
    maxAgeSeconds,
  };
}

/** A running witness: where it listens, its verifier key, and how to end it. */
export interface RunningWitness {
  url: string;
  vkey: string;
  close(): Promise<void>;
}

/** Starts a witness; `say` gets its lines for the officer. */
export async function startWitness(values: Values, say: (line: string) => void): Promise<RunningWitness> {
  const settings = settingsOf(values);
  const now = (): Date => new Date();
  const signer = await witnessSigner(settings.keyFile, settings.name);
  const state = new WitnessState(settings.state, signer.key);
  const { logs } = settings;
  // A state that cannot be read is said now, and not at the first checkpoint.
  for (const { name } of logs) await state.latest(name);
  await state.claim();
  const witness = new Witness(logs, signer, state, now, say);
  const server = witnessServer({ witness, state, logs, key: signer.key, now, warn: say }, settings.tls);
  try {
    await new Promise<void>((listening, failed) => {
      server.once('error', failed);
      server.listen(settings.port, settings.host, listening);
    });
  } catch (error) {
    await state.release();
    throw new OperatorError(`cannot listen on ${settings.host}:${settings.port}: ${(error as Error).message}`);
  }
  const silence = new Silence(logs, state, now, settings.maxAgeSeconds, say);
  silence.watch();
  const { address, family, port } = server.address() as AddressInfo;
  const url = `${settings.tls ? 'https' : 'http'}://${family === 'IPv6' ? `[${address}]` : address}:${port}`;
  return {
    url,
    vkey: formatVerifierKey(signer.key),
    close: async () => {
      silence.stop();
      await new Promise((closed) => {
        server.close(closed);
        server.closeAllConnections();
      });
      await state.release();
    },
  };
}

export const witness: Command = {
  usage: '--state <folder> --name <name> --log <verifier key> [--log <verifier key> …] [--listen <host:port>]',
  summary:
    'Countersign the checkpoints of an audit trail (C2SP tlog-witness), on a machine that is not in the hands of whoever runs the portal. Needs no database and none of the settings.',
  options: {
    state: {
      type: 'string',
      description: 'folder for the last checkpoint of each log; never restore it from a backup',
    },
    name: { type: 'string', description: 'name of this witness, such as officer.hospital.example/w1' },
    log: {
      type: 'string',
      multiple: true,
      description: 'verifier key of a log (GET /v1/audit/keys shows it); may be given several times',
    },
    key: {
      type: 'string',
      description: 'file of the private key, made at the first start; default: witness.key.pem in the state folder',
    },
    listen: { type: 'string', description: 'address and port to listen on; default: 127.0.0.1:7380' },
    'tls-cert': { type: 'string', description: 'PEM certificate chain, for HTTPS' },
    'tls-key': { type: 'string', description: 'PEM private key of the certificate' },
    'max-age': {
      type: 'string',
      description: `seconds without a checkpoint after which it is said here; default: ${DEFAULT_MAX_AGE}`,
    },
  },
  async run(values) {
    const say = (line: string): void => console.log(`${new Date().toISOString()} ${line}`);
    const running = await startWitness(values, say);
    console.log(`Listening on ${running.url}. In the settings of the portal, with the address that it reaches this machine by:

  AUDIT_WITNESSES=${running.url}=${running.vkey}
`);
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void running.close());
  },
};
