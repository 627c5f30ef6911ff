import type { KeyObject } from 'node:crypto';

/** A data key under a key-encryption key (KEK): which KEK, and bytes that only the implementation reads. */
export interface WrappedKey {
  readonly kekId: string;
  readonly bytes: Buffer;
}

/** A key that signs checkpoints of the audit trail (Ed25519), seen from outside. */
export interface AuditKey {
  readonly id: string;
  readonly status: 'active' | 'next' | 'retired';
  readonly publicKey: KeyObject;
}

/**
 * Wraps data keys under key-encryption keys that never leave the implementation (a key file here, an HSM or cloud KMS elsewhere);
 * `context` is bound as associated data, so a wrapped key opens only where it was made (NIST SP 800-57 part 1 §6.2).
 */
export interface KeyManagement {
  /** The KEK that `wrap` uses now. */
  readonly activeKekId: string;
  /** Wraps a data key under the active KEK. */
  wrap(dataKey: Buffer, context: string): Promise<WrappedKey>;
  /** Unwraps with exactly the KEK that is named; rejects with KeyManagementError. */
  unwrap(wrapped: WrappedKey, context: string): Promise<Buffer>;
  /** Keys of the audit trail: the active one first, then announced and retired ones that are still kept, newest first. */
  readonly auditKeys: readonly AuditKey[];
  /** The Ed25519 signature (RFC 8032, 64 bytes) of exactly these bytes with exactly the key that is named; rejects with KeyManagementError. */
  signAudit(keyId: string, message: Buffer): Promise<Buffer>;
}

/** Nest's token for the {@link KeyManagement}. */
export const KEY_MANAGEMENT = Symbol('KeyManagement');

export type KeyManagementErrorCode = 'unknown-kek' | 'tampered' | 'unknown-audit-key';

/** A key that is not here, or a wrapped key whose bytes, KEK or context are not those that were wrapped. */
export class KeyManagementError extends Error {
  override readonly name = 'KeyManagementError';
  constructor(
    readonly code: KeyManagementErrorCode,
    readonly kekId: string,
  ) {
    super(`not done with key ${JSON.stringify(kekId)}: ${code}`);
  }
}
