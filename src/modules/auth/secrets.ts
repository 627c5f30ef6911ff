import { Injectable } from '@nestjs/common';
import { hashToken, KeyRing, successorOf } from '../../platform/crypto/index.js';

/** Each kind of secret has sub-keys of its own, so that none can be shown in the place of another. */
const LABELS = {
  refresh: 'auth/refresh-token',
  'sign-in': 'auth/sign-in-token',
  recovery: 'auth/recovery-code',
  activation: 'auth/activation-code',
  'address-check': 'auth/address-check-code',
  'lost-factor': 'auth/lost-factor-code',
  'password-reset': 'auth/password-reset-token',
  attempt: 'auth/attempt',
  scim: 'auth/scim-token',
  device: 'auth/device-token',
  'sso-state': 'auth/sso-state',
  'sso-browser': 'auth/sso-browser',
  'sso-nonce': 'auth/sso-nonce',
  'sso-verifier': 'auth/sso-verifier',
  'sso-code': 'auth/sso-code',
  challenge: 'auth/challenge',
  quota: 'auth/quota',
  number: 'auth/mobile-number',
} as const;

type SecretKind = keyof typeof LABELS;

const SUCCESSOR = 'auth/refresh-successor';

/** What the tables hold instead of bearer secrets: MACs, under the active key to store, under every key to look up. */
@Injectable()
export class Secrets {
  constructor(private readonly ring: KeyRing) {}

  mac(kind: SecretKind, secret: string): Buffer {
    return hashToken(secret, this.ring.subkey(LABELS[kind]));
  }

  /** Under the active and all retired keys, so that rotating the mac key signs nobody out. */
  macs(kind: SecretKind, secret: string): Buffer[] {
    return this.ring.subkeys(LABELS[kind]).map((key) => hashToken(secret, key));
  }

  /** The refresh tokens that may have followed this one: the first under the active key, the others from before a rotation. */
  successors(token: string): string[] {
    return this.ring.subkeys(SUCCESSOR).map((key) => successorOf(token, key));
  }
}
