import { createCipheriv, createDecipheriv, sign, type KeyObject } from 'node:crypto';
import { frame } from './framing.js';
import { IV_BYTES, writeIv } from './iv.js';
import { KeyManagementError, type AuditKey, type KeyManagement, type WrappedKey } from './key-management.js';
import { type KeyRing } from './key-ring.js';

// format 0x01: version (1) ‖ IV (12) ‖ ciphertext ‖ tag (16)
const FORMAT = 0x01;
const IV_AT = 1;
const BODY_AT = IV_AT + IV_BYTES;
const TAG_BYTES = 16;
const ALGORITHM = 'aes-256-gcm';
const OPTIONS = { authTagLength: TAG_BYTES };

/** Key management on a key ring: AES-256-GCM and Ed25519 in this process; the keys stay in memory for the process's life. */
export class FileKeyManagement implements KeyManagement {
  constructor(private readonly ring: KeyRing) {}

  get activeKekId(): string {
    return this.ring.activeKekId;
  }

  wrap(dataKey: Buffer, context: string): Promise<WrappedKey> {
    return Promise.resolve().then(() => {
      const kekId = this.activeKekId;
      return { kekId, bytes: wrapBytes(this.kek(kekId), dataKey, associatedData(kekId, context)) };
    });
  }

  unwrap({ kekId, bytes }: WrappedKey, context: string): Promise<Buffer> {
    return Promise.resolve().then(() => {
      const kek = this.kek(kekId);
      if (bytes.length < BODY_AT + TAG_BYTES || bytes[0] !== FORMAT) throw new KeyManagementError('tampered', kekId);
      return unwrapBytes(kek, bytes, associatedData(kekId, context)) ?? fail(kekId);
    });
  }

  get auditKeys(): readonly AuditKey[] {
    return this.ring.auditKeys;
  }

  signAudit(keyId: string, message: Buffer): Promise<Buffer> {
    return Promise.resolve().then(() => {
      const key = this.ring.auditPrivateKey(keyId);
      if (!key) throw new KeyManagementError('unknown-audit-key', keyId);
      return sign(null, message, key);
    });
  }

  private kek(id: string): KeyObject {
    const key = this.ring.kek(id);
    if (!key) throw new KeyManagementError('unknown-kek', id);
    return key;
  }
}

function wrapBytes(kek: KeyObject, dataKey: Buffer, aad: Buffer): Buffer {
  const head = Buffer.alloc(BODY_AT, FORMAT);
  writeIv(head, IV_AT);
  const cipher = createCipheriv(ALGORITHM, kek, head.subarray(IV_AT), OPTIONS);
  cipher.setAAD(aad);
  return Buffer.concat([head, cipher.update(dataKey), cipher.final(), cipher.getAuthTag()]);
}

function unwrapBytes(kek: KeyObject, bytes: Buffer, aad: Buffer): Buffer | null {
  const tagAt = bytes.length - TAG_BYTES;
  const decipher = createDecipheriv(ALGORITHM, kek, bytes.subarray(IV_AT, BODY_AT), OPTIONS);
  decipher.setAAD(aad);
  decipher.setAuthTag(bytes.subarray(tagAt));
  try {
    return Buffer.concat([decipher.update(bytes.subarray(BODY_AT, tagAt)), decipher.final()]);
  } catch {
    return null;
  }
}

function associatedData(kekId: string, context: string): Buffer {
  return frame(['portico/wrapped-key/1', kekId, context]);
}

function fail(kekId: string): never {
  throw new KeyManagementError('tampered', kekId);
}
