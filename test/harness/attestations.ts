import { createHash, createPublicKey, X509Certificate } from 'node:crypto';
import {
  isoBase64URL,
  isoCBOR,
  cose,
  decodeAttestationObject,
  decodeCredentialPublicKey,
  parseAuthenticatorData,
} from '@simplewebauthn/server/helpers';
import type { Certificates } from './certificates.js';

interface Registration {
  response: { clientDataJSON: string; attestationObject: string };
}

type Bytes = Uint8Array<ArrayBuffer>;

/** Android's KeyDescription (attestation version 3) for this client data and nothing else. */
function keyDescription(clientDataJSON: string): string {
  const challenge = createHash('sha256').update(Buffer.from(clientDataJSON, 'base64url')).digest('hex');
  return `30340201030a01000201040a01000420${challenge}040030003000`;
}

function publicKeyOf(credentialPublicKey: Bytes): string {
  const key = decodeCredentialPublicKey(credentialPublicKey) as unknown as Map<number, Bytes>;
  const part = (name: number) => Buffer.from(key.get(name)!).toString('base64url');
  const { x, y } = { x: cose.COSEKEYS.x, y: cose.COSEKEYS.y };
  const jwk = key.has(y)
    ? { kty: 'EC', crv: 'P-256', x: part(x), y: part(y) }
    : { kty: 'OKP', crv: 'Ed25519', x: part(x) };
  return createPublicKey({ key: jwk, format: 'jwk' }).export({ type: 'spki', format: 'pem' }) as string;
}

/** The same registration under another attestation. */
export function attested<R extends Registration>(registration: R, fmt: string, statement: Map<string, unknown>): R {
  const { attestationObject } = registration.response;
  const authData = decodeAttestationObject(isoBase64URL.toBuffer(attestationObject)).get('authData');
  const forged = new Map<string, unknown>([
    ['fmt', fmt],
    ['attStmt', statement],
    ['authData', authData],
  ]);
  const encoded = isoCBOR.encode(forged as Parameters<typeof isoCBOR.encode>[0]);
  return {
    ...registration,
    response: { ...registration.response, attestationObject: isoBase64URL.fromBuffer(encoded) },
  };
}

/** An attestation by an authority of the attacker's own, whose list of revoked certificates is to be fetched from this address. */
export function attestedByAndroidKey<R extends Registration>(
  registration: R,
  certificates: Certificates,
  crl: string,
): R {
  const { attestationObject, clientDataJSON } = registration.response;
  const authData = decodeAttestationObject(isoBase64URL.toBuffer(attestationObject)).get('authData');
  const root = certificates.authority('attacker');
  const leaf = certificates.certified(
    'leaf',
    'attacker',
    publicKeyOf(parseAuthenticatorData(authData).credentialPublicKey!),
    [`crlDistributionPoints=URI:${crl}`, `1.3.6.1.4.1.11129.2.1.17=DER:${keyDescription(clientDataJSON)}`],
  );
  const x5c = [leaf, root.cert].map((pem) => new Uint8Array(new X509Certificate(pem).raw));
  return attested(
    registration,
    'android-key',
    new Map<string, unknown>([
      ['alg', -7],
      ['sig', new Uint8Array(64)],
      ['x5c', x5c],
    ]),
  );
}
