import { Inject, Injectable } from '@nestjs/common';
import { KEY_MANAGEMENT, type AuditKey, type KeyManagement } from '../../../platform/crypto/index.js';
import {
  formatCheckpoint,
  formatNote,
  isSignedBy,
  NoteError,
  signNote,
  verifierKeyOf,
  type Checkpoint,
  type Note,
  type NoteSigner,
  type VerifierKey,
} from '../../../tlog/index.js';

/** The keys of the log under a name: whose private halves sign wherever key management keeps them, a file or an HSM. */
@Injectable()
export class LogKeys {
  constructor(@Inject(KEY_MANAGEMENT) private readonly keys: KeyManagement) {}

  /** Public keys that a checkpoint may be signed with, the active one first. */
  verifiers(origin: string): VerifierKey[] {
    return this.keys.auditKeys.map(({ publicKey }) => verifierKeyOf(origin, 1, publicKey));
  }

  /**
   * A checkpoint with the signature of the active key and, until it is removed from the key file, that of the key that was
   * active before: whoever knows only one of the two can verify it, and replicas may be restarted one after the other.
   */
  async sign(checkpoint: Checkpoint): Promise<string> {
    const body = formatCheckpoint(checkpoint);
    const signers = this.signing().map((key) => this.signer(checkpoint.origin, key));
    const note = { body, signatures: await Promise.all(signers.map((signer) => signNote(body, signer))) };
    // What leaves is looked at with the public halves: a signature that nobody can verify would be there for good.
    if (!signers.every(({ key }) => isSignedBy(note, key))) throw new NoteError('the checkpoint was not signed');
    return formatNote(note);
  }

  /** Signed by a key of ours; false also where a signature of our key's name is wrong. */
  hasSigned(origin: string, note: Note): boolean {
    return this.verifiers(origin).some((key) => {
      try {
        return isSignedBy(note, key);
      } catch (error) {
        if (error instanceof NoteError) return false;
        throw error;
      }
    });
  }

  private signing(): AuditKey[] {
    const [active, ...others] = this.keys.auditKeys;
    const former = others.find(({ status }) => status === 'retired');
    return [active!, ...(former ? [former] : [])];
  }

  private signer(origin: string, { id, publicKey }: AuditKey): NoteSigner {
    return {
      key: verifierKeyOf(origin, 1, publicKey),
      sign: (message) => this.keys.signAudit(id, message),
    };
  }
}
