/** A data key under a key-encryption key (KEK): which KEK, and bytes that only the implementation reads. */
export interface WrappedKey {
  readonly kekId: string;
  readonly bytes: Buffer;
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
}

export type KeyManagementErrorCode = 'unknown-kek' | 'tampered';

/** A wrapped key that cannot be unwrapped: its KEK is not here, or its bytes, KEK or context are not those that were wrapped. */
export class KeyManagementError extends Error {
  override readonly name = 'KeyManagementError';
  constructor(
    readonly code: KeyManagementErrorCode,
    readonly kekId: string,
  ) {
    super(`data key not unwrapped with ${JSON.stringify(kekId)}: ${code}`);
  }
}
