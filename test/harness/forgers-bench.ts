import { sign, type KeyObject } from 'node:crypto';
import { KeyRing } from '../../src/platform/crypto/index.js';
import type { Portal } from './portal.js';

export const encode = (value: unknown): string =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');
const es256 = (text: string, key: KeyObject): string =>
  sign('sha256', Buffer.from(text), { key, dsaEncoding: 'ieee-p1363' }).toString('base64url');

export type Claims = Record<string, unknown>;
export type Forged = [kind: string, token: string];

/** What a forger has to work with: a real token, another account's, an address of their own and, for the worst case, the real key. */
export function forgersBench(portal: Portal, token: string, foreignToken: string, lureUrl: string) {
  const ring = portal.app.get(KeyRing);
  const { kid, privateKey } = ring.signingKey;
  const [head, body, signature] = token.split('.') as [string, string, string];
  const header = JSON.parse(Buffer.from(head, 'base64url').toString()) as Claims;
  const claims = JSON.parse(Buffer.from(body, 'base64url').toString()) as Claims;
  const signed = (payload: unknown, top: unknown = header, key: KeyObject = privateKey) => {
    const text = `${encode(top)}.${encode(payload)}`;
    return `${text}.${es256(text, key)}`;
  };
  return {
    kid,
    now: Math.floor(portal.clock.now().getTime() / 1000),
    foreignToken,
    lureUrl,
    publicKey: ring.verificationKeys.get(kid)!,
    token,
    head,
    body,
    signature,
    header,
    claims,
    signed,
  };
}

export type Bench = ReturnType<typeof forgersBench>;
