import { createHash, createPublicKey, X509Certificate, type JsonWebKey, type KeyObject } from 'node:crypto';
import { calculateJwkThumbprint } from 'jose';
import { certificateThumbprint } from '../../../platform/http/client-certificate.js';
import { privateKeyShown, unusableCertificate, unusableKey } from '../auth.errors.js';

/** What is kept of a machine's key: public parts, and with which algorithms alone it is ever checked. */
export interface PublicKey {
  kind: 'key' | 'certificate';
  kid: string;
  jwk: JsonWebKey | null;
  algorithms: readonly string[];
  /** A certificate says itself until when it is good. */
  expiresAt: Date | null;
}

const CURVES: Record<string, string> = { prime256v1: 'ES256', secp384r1: 'ES384' };
/** RFC 9864 gives the algorithm of RFC 8037 a second name. */
const EDWARDS = ['EdDSA', 'Ed25519'];
const RSA_ALGORITHMS = ['RS256', 'RS384', 'PS256', 'PS384'];
/** NIST SP 800-57 part 1 table 2: 3,072 bits for 128 bits of strength; beyond 8,192 checking costs more than it gives. */
const RSA_BITS = { least: 3_072, most: 8_192 };

type KeyDetails = NonNullable<KeyObject['asymmetricKeyDetails']>;

/** By kind of key, the algorithms that it may be used with; none: it is too weak, or not for signing. */
const USABLE: Record<string, (details: KeyDetails, wanted: string | undefined) => readonly string[]> = {
  ec: ({ namedCurve = '' }, wanted) => {
    const algorithm = CURVES[namedCurve];
    return algorithm && (wanted === undefined || wanted === algorithm) ? [algorithm] : [];
  },
  ed25519: (_, wanted) => (wanted === undefined || EDWARDS.includes(wanted) ? EDWARDS : []),
  rsa: ({ modulusLength = 0, publicExponent }, wanted) => {
    if (modulusLength < RSA_BITS.least || modulusLength > RSA_BITS.most || publicExponent !== 65_537n) return [];
    // Without a word of the key's own, those of the SMART Backend Services profile and their commonest neighbour.
    return wanted === undefined ? ['RS256', 'RS384'] : RSA_ALGORITHMS.filter((one) => one === wanted);
  },
};

const algorithmsOf = (key: KeyObject, wanted: string | undefined): readonly string[] =>
  USABLE[key.asymmetricKeyType ?? '']?.(key.asymmetricKeyDetails ?? {}, wanted) ?? [];

async function keyOf(key: KeyObject, algorithm?: string): Promise<PublicKey> {
  const algorithms = algorithmsOf(key, algorithm);
  if (algorithms.length === 0) throw unusableKey();
  const jwk = key.export({ format: 'jwk' });
  return { kind: 'key', kid: await calculateJwkThumbprint(jwk), jwk, algorithms, expiresAt: null };
}

type SentJwk = Partial<Record<'kty' | 'crv' | 'x' | 'y' | 'n' | 'e' | 'alg' | 'use' | 'd', string>>;

/** A public key from its JWK (RFC 7517). Only the key itself is taken from it, never an address or a certificate. */
export async function fromJwk(jwk: SentJwk): Promise<PublicKey> {
  if (jwk.d !== undefined) throw privateKeyShown();
  if (jwk.use !== undefined && jwk.use !== 'sig') throw unusableKey();
  const { kty, crv, x, y, n, e, alg } = jwk;
  return keyOf(readKey({ key: { kty, crv, x, y, n, e }, format: 'jwk' }), alg);
}

/** A public key (`PUBLIC KEY`) or a certificate for mutual TLS (`CERTIFICATE`), from PEM. */
export async function fromPem(pem: string): Promise<PublicKey> {
  if (pem.includes('PRIVATE KEY')) throw privateKeyShown();
  if (pem.includes('-----BEGIN CERTIFICATE-----')) return fromCertificate(pem);
  if (!pem.includes('-----BEGIN PUBLIC KEY-----')) throw unusableKey();
  return keyOf(readKey({ key: pem, format: 'pem' }));
}

function fromCertificate(pem: string): PublicKey {
  let certificate: X509Certificate;
  try {
    certificate = new X509Certificate(pem);
  } catch {
    throw unusableCertificate();
  }
  const { publicKey, validTo, raw } = certificate;
  if (algorithmsOf(publicKey, undefined).length === 0) throw unusableCertificate();
  return {
    kind: 'certificate',
    kid: certificateThumbprint(raw),
    jwk: null,
    algorithms: [],
    expiresAt: new Date(validTo),
  };
}

function readKey(input: Parameters<typeof createPublicKey>[0]): KeyObject {
  try {
    return createPublicKey(input);
  } catch {
    throw unusableKey();
  }
}

/** What is kept of an assertion's id, whose length and letters are the client's. */
export const jtiHash = (jti: string): Buffer => createHash('sha256').update(jti).digest();
