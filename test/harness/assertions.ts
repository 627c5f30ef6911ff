import { randomUUID } from 'node:crypto';
import { calculateJwkThumbprint, exportJWK, generateKeyPair, SignJWT, type CryptoKey, type JWK } from 'jose';

/** The key pair of a machine; only `publicJwk` is ever shown to the portal. */
export interface MachineKey {
  kid: string;
  algorithm: string;
  publicJwk: JWK;
  privateKey: CryptoKey;
}

export async function newMachineKey(algorithm = 'ES256'): Promise<MachineKey> {
  const { publicKey, privateKey } = await generateKeyPair(algorithm, { extractable: true, modulusLength: 3072 });
  const publicJwk = await exportJWK(publicKey);
  return { kid: await calculateJwkThumbprint(publicJwk), algorithm, publicJwk, privateKey };
}

/** As the machine signs them: `claims` and `header` replace what is usual; undefined leaves it out. */
export function assertionOf(
  { clientId, key, audience, now }: { clientId: string; key: MachineKey; audience: string; now: Date },
  claims: Record<string, unknown> = {},
  header: Record<string, unknown> = {},
): Promise<string> {
  const iat = Math.floor(now.getTime() / 1000);
  const usual = { iss: clientId, sub: clientId, aud: audience, jti: randomUUID(), iat, exp: iat + 60 };
  return new SignJWT({ ...usual, ...claims })
    .setProtectedHeader({ alg: key.algorithm, kid: key.kid, typ: 'JWT', ...header })
    .sign(key.privateKey);
}

export const JWT_BEARER = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';
