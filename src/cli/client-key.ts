import { randomUUID } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { calculateJwkThumbprint, exportJWK, generateKeyPair, importJWK, SignJWT, type JWK } from 'jose';
import { loadConfig } from '../platform/config/config.js';
import { call, OperatorError, type Command } from './command.js';

/** What a service account's key file holds; the private part is in it and nowhere else. */
export interface ClientKey {
  kid: string;
  privateJwk: JWK;
}

const ALGORITHM = 'ES256';
const ASSERTION_SECONDS = 60;

export async function newClientKey(): Promise<ClientKey & { publicJwk: JWK }> {
  const { publicKey, privateKey } = await generateKeyPair(ALGORITHM, { extractable: true });
  const publicJwk = await exportJWK(publicKey);
  return { kid: await calculateJwkThumbprint(publicJwk), publicJwk, privateJwk: await exportJWK(privateKey) };
}

/** Asks for an access token as a service account does (RFC 7523); `audience` is the portal's own address, as PUBLIC_URL says it. */
export async function tokenFor(url: string, audience: string, clientId: string, key: ClientKey): Promise<string> {
  const assertion = await new SignJWT({ jti: randomUUID() })
    .setProtectedHeader({ alg: ALGORITHM, kid: key.kid, typ: 'JWT' })
    .setIssuer(clientId)
    .setSubject(clientId)
    .setAudience(audience)
    .setIssuedAt()
    .setExpirationTime(`${ASSERTION_SECONDS}s`)
    .sign(await importJWK(key.privateJwk, ALGORITHM));
  const answer = await call(`${url}/v1/auth/token`, {
    method: 'POST',
    body: new URLSearchParams({
      grant_type: 'client_credentials',
      client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
      client_assertion: assertion,
    }),
  });
  const said = (await answer.json()) as Record<string, string>;
  if (!answer.ok) throw new OperatorError(`/v1/auth/token: ${said.error} (${said.error_description})`);
  return said.access_token!;
}

/** Never over a file that is there: it may be the only copy of a key that is in use. */
export function writeClientKey(file: string, key: object): void {
  try {
    writeFileSync(file, `${JSON.stringify(key, null, 1)}\n`, { mode: 0o600, flag: 'wx' });
  } catch (error) {
    if ((error as { code?: string }).code === 'EEXIST') throw new OperatorError(`${file} is there already`);
    throw error;
  }
}

export const readClientKey = <Key extends ClientKey>(file: string): Key =>
  JSON.parse(readFileSync(file, 'utf8')) as Key;

export const clientKey: Command = {
  usage: '--out <file>',
  summary:
    'Make a key pair for a service account: the private key into a file (mode 0600), the public one on the console.',
  options: { out: { type: 'string', description: 'file for the private key, such as ehr-feed.key.json' } },
  async run({ out }) {
    if (typeof out !== 'string') throw new OperatorError('--out is needed');
    const { publicJwk, ...key } = await newClientKey();
    writeClientKey(out, key);
    console.log(`The private key is in ${out}. Have an administrator register the public one, at POST /v1/users/<id>/keys:

  {"jwk":${JSON.stringify(publicJwk)}}

kid: ${key.kid}`);
  },
};

export const clientToken: Command = {
  usage: '--client <id> --key <file> [--url <address>]',
  summary: 'Ask for an access token of a service account (five minutes) and print it.',
  options: {
    client: { type: 'string', description: "the account's id" },
    key: { type: 'string', description: 'file that client:key has made' },
    url: { type: 'string', description: 'address of the portal, where it is not PUBLIC_URL' },
  },
  async run({ client, key, url }) {
    if (typeof client !== 'string' || typeof key !== 'string') throw new OperatorError('--client and --key are needed');
    const { publicUrl } = loadConfig().http;
    console.log(await tokenFor(typeof url === 'string' ? url : publicUrl, publicUrl, client, readClientKey(key)));
  },
};
