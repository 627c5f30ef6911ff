import { generateKeyPairSync } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import { CONFIG, type Config } from '../../../platform/config/config.js';
import { randomToken } from '../../../platform/crypto/index.js';
import type { AssertionResponse } from './assertion.dto.js';
import type { RegistrationResponse } from './passkey.dto.js';

/** Not before the first passkey: what reads certificates of devices, which we never ask for, takes 8 MB of memory. */
const library = () => import('@simplewebauthn/server');
const helpers = () => import('@simplewebauthn/server/helpers');

/** How long a person may take, by the browser's clock and by ours. */
export const CHALLENGE_SECONDS = 5 * 60;

/** EdDSA, ES256 and RS256 by their COSE numbers (RFC 9053 §2, RFC 8812 §2). */
const ALGORITHMS = [-8, -7, -257];

/** What is kept of a passkey to check its signatures. */
export interface StoredPasskey {
  passkeyId: string;
  accountId: string;
  credentialId: Buffer;
  publicKey: Buffer;
  counter: number;
  isBackupEligible: boolean;
  userHandle: Buffer;
}

export interface NewPasskey {
  credentialId: Buffer;
  publicKey: Buffer;
  counter: number;
  transports: string[];
  isBackupEligible: boolean;
  isBackedUp: boolean;
  aaguid: string;
}

/** What a right signature says. */
export interface Assertion {
  counter: number;
  isBackedUp: boolean;
}

interface Known {
  credentialId: Buffer;
  transports: string[];
}

const bytes = (buffer: Buffer): Uint8Array<ArrayBuffer> => new Uint8Array(buffer);
const descriptors = (known: readonly Known[]) =>
  known.map(({ credentialId, transports }) => ({ id: credentialId.toString('base64url'), transports }));

/**
 * Is the attestation none, or one by the new key itself? Any other brings certificates of the client's choosing, and checking
 * them fetches lists of revoked ones from wherever they say: a browser that we ask for none sends none (WebAuthn Level 3 §5.1.3).
 */
async function isWithoutCertificates(attestationObject: string): Promise<boolean> {
  const { decodeAttestationObject, isoBase64URL } = await helpers();
  try {
    const decoded = decodeAttestationObject(isoBase64URL.toBuffer(attestationObject));
    const format = decoded.get('fmt');
    return format === 'none' || (format === 'packed' && decoded.get('attStmt').get('x5c') === undefined);
  } catch {
    return false;
  }
}

/** A key that nobody holds: what is checked in place of a passkey that is not there, at the same cost. */
async function decoyKey(): Promise<Uint8Array<ArrayBuffer>> {
  const { cose, isoCBOR } = await helpers();
  const { x, y } = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({ format: 'jwk' });
  const { COSEALG, COSEKEYS, COSEKTY, COSECRV } = cose;
  return isoCBOR.encode(
    new Map<number, number | Uint8Array<ArrayBuffer>>([
      [COSEKEYS.kty, COSEKTY.EC2],
      [COSEKEYS.alg, COSEALG.ES256],
      [COSEKEYS.crv, COSECRV.P256],
      [COSEKEYS.x, bytes(Buffer.from(x!, 'base64url'))],
      [COSEKEYS.y, bytes(Buffer.from(y!, 'base64url'))],
    ]),
  );
}

/**
 * The portal as WebAuthn's relying party (WebAuthn Level 3 §7). Its id and first origin come from PUBLIC_URL: a signature made
 * for any other site is none here, which is what makes passkeys phishing-resistant (NIST SP 800-63B-4 §3.2.5).
 */
@Injectable()
export class RelyingParty {
  private readonly id: string;
  private readonly name: string;
  private readonly origins: string[];
  private decoy: Promise<Uint8Array<ArrayBuffer>> | null = null;

  constructor(@Inject(CONFIG) config: Config) {
    const { origin, hostname } = new URL(config.http.publicUrl);
    this.id = hostname;
    this.name = config.hospital.name;
    this.origins = [origin, ...config.mfa.webauthnOrigins];
  }

  /** A fresh nonce, base64url as it appears in options and answers. */
  newChallenge(): string {
    return randomToken();
  }

  /** PublicKeyCredentialCreationOptionsJSON. No attestation is asked for: which make it is decides nothing here. */
  async registrationOptions(
    challenge: string,
    user: { handle: Buffer; name: string },
    known: readonly Known[],
  ): Promise<object> {
    const { generateRegistrationOptions } = await library();
    return generateRegistrationOptions({
      rpName: this.name,
      rpID: this.id,
      challenge: bytes(Buffer.from(challenge, 'base64url')),
      userID: bytes(user.handle),
      userName: user.name,
      userDisplayName: user.name,
      timeout: CHALLENGE_SECONDS * 1000,
      attestationType: 'none',
      excludeCredentials: descriptors(known),
      authenticatorSelection: { residentKey: 'preferred', userVerification: 'preferred' },
      supportedAlgorithmIDs: ALGORITHMS,
    });
  }

  /** PublicKeyCredentialRequestOptionsJSON. With `required`, the device checks that it is in its holder's hands. */
  async requestOptions(
    challenge: string,
    userVerification: 'required' | 'preferred',
    known?: readonly Known[],
  ): Promise<object> {
    const { generateAuthenticationOptions } = await library();
    return generateAuthenticationOptions({
      rpID: this.id,
      challenge: bytes(Buffer.from(challenge, 'base64url')),
      timeout: CHALLENGE_SECONDS * 1000,
      userVerification,
      ...(known ? { allowCredentials: descriptors(known) } : {}),
    });
  }

  /** The challenge that an answer claims to be for; null when it is none that we would take: nobody embeds our sign-in in a frame. */
  async challengeIn(clientDataJSON: string): Promise<string | null> {
    const { decodeClientDataJSON } = await helpers();
    try {
      const { challenge, crossOrigin } = decodeClientDataJSON(clientDataJSON);
      return typeof challenge === 'string' && crossOrigin !== true ? challenge : null;
    } catch {
      return null;
    }
  }

  /** The passkey that an answer makes known, or null when anything about it is wrong. */
  async verifyRegistration(response: RegistrationResponse, challenge: string): Promise<NewPasskey | null> {
    if (!(await isWithoutCertificates(response.response.attestationObject))) return null;
    const { verifyRegistrationResponse } = await library();
    const { verified, registrationInfo: info } = await verifyRegistrationResponse({
      response: response as Parameters<typeof verifyRegistrationResponse>[0]['response'],
      expectedChallenge: challenge,
      expectedOrigin: this.origins,
      expectedRPID: this.id,
      requireUserVerification: false,
      supportedAlgorithmIDs: ALGORITHMS,
    }).catch(() => ({ verified: false as const, registrationInfo: undefined }));
    if (!verified || info.credential.id !== response.id) return null;
    return {
      credentialId: Buffer.from(info.credential.id, 'base64url'),
      publicKey: Buffer.from(info.credential.publicKey),
      counter: info.credential.counter,
      transports: [...new Set(response.response.transports ?? [])],
      isBackupEligible: info.credentialDeviceType === 'multiDevice',
      isBackedUp: info.credentialBackedUp,
      aaguid: info.aaguid,
    };
  }

  /**
   * What an answer says, or null when anything about it is wrong; `passkey` null costs the same and is always wrong. Whether
   * the counter moved on is for the caller to decide, in the database.
   */
  async verifyAssertion(
    response: AssertionResponse,
    challenge: string,
    passkey: StoredPasskey | null,
    isUserVerified: boolean,
  ): Promise<Assertion | null> {
    this.decoy ??= decoyKey();
    const [{ verifyAuthenticationResponse }, decoy] = await Promise.all([library(), this.decoy]);
    const { verified, authenticationInfo: info } = await verifyAuthenticationResponse({
      response: response as Parameters<typeof verifyAuthenticationResponse>[0]['response'],
      expectedChallenge: challenge,
      expectedOrigin: this.origins,
      expectedRPID: this.id,
      requireUserVerification: isUserVerified,
      credential: { id: response.id, publicKey: passkey ? bytes(passkey.publicKey) : decoy, counter: 0 },
    }).catch(() => ({ verified: false, authenticationInfo: null }));
    if (!verified || !info || !passkey) return null;
    const { userHandle } = response.response;
    if (userHandle !== undefined && userHandle !== passkey.userHandle.toString('base64url')) return null;
    // Backup eligibility is a property of the key and never changes (§6.1.3).
    if ((info.credentialDeviceType === 'multiDevice') !== passkey.isBackupEligible) return null;
    return { counter: info.newCounter, isBackedUp: info.credentialBackedUp };
  }
}
