import type { KeyObject } from 'node:crypto';
import { decodeJwt, decodeProtectedHeader, jwtVerify } from 'jose';
import { validate as isUuid } from 'uuid';

/** Ours have about 600 characters; a signature of RSA 8,192 adds 1,366. */
const MAX_LENGTH = 4_096;
const MAX_JTI = 255;
/** SHA-256 in base64url: what every `kid` of ours is. */
const THUMBPRINT = /^[\w-]{43}$/;
/** SMART Backend Services: an assertion is good for five minutes at most. */
const LONGEST_SECONDS = 300;
/** Clocks of two machines are not the same. */
export const TOLERANCE_SECONDS = 10;

/** Whom an assertion names, by its own word. Nothing of it is believed before {@link verify}. */
export interface AssertionClaim {
  clientId: string;
  kid: string;
  algorithm: string;
}

/** What a verified assertion is used up by. */
export interface Assertion {
  jti: string;
  expiresAt: Date;
}

/**
 * Reads who an assertion says it is from: issuer and subject are the client (RFC 7523 section 3), and its key is named. Null
 * for everything else. `jku`, `jwk`, `x5u` and `x5c` are not looked at: keys are registered, never brought along.
 */
export function readClaim(jwt: string): AssertionClaim | null {
  if (jwt.length > MAX_LENGTH) return null;
  try {
    const { kid, alg } = decodeProtectedHeader(jwt);
    const { iss, sub } = decodeJwt(jwt);
    if (typeof kid !== 'string' || !THUMBPRINT.test(kid) || typeof alg !== 'string') return null;
    if (!isUuid(iss) || sub !== iss) return null;
    return { clientId: iss as string, kid, algorithm: alg };
  } catch {
    return null;
  }
}

/**
 * Verifies an assertion against the client's registered key, with its algorithms alone. `audiences`: the names of this portal,
 * of which the assertion must be for exactly one and for nobody else. Null for whatever is not right; never throws.
 */
export async function verify(
  jwt: string,
  { clientId }: AssertionClaim,
  key: { key: KeyObject; algorithms: readonly string[] },
  audiences: readonly string[],
  now: Date,
): Promise<Assertion | null> {
  try {
    const { payload } = await jwtVerify(jwt, key.key, {
      algorithms: [...key.algorithms],
      issuer: clientId,
      subject: clientId,
      audience: [...audiences],
      requiredClaims: ['exp', 'jti'],
      clockTolerance: TOLERANCE_SECONDS,
      currentDate: now,
    });
    const { aud, exp, jti } = payload;
    // An assertion that names others too could be passed on by them.
    const isOnlyOurs = typeof aud === 'string' || aud?.length === 1;
    const isShort = exp! * 1000 <= now.getTime() + (LONGEST_SECONDS + TOLERANCE_SECONDS) * 1000;
    if (!isOnlyOurs || !isShort || typeof jti !== 'string' || jti === '' || jti.length > MAX_JTI) return null;
    return { jti, expiresAt: new Date(exp! * 1000) };
  } catch {
    return null;
  }
}
