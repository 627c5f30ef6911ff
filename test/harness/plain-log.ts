import { generateKeyPairSync, sign, type KeyObject } from 'node:crypto';
import {
  consistencyProof,
  formatCheckpoint,
  formatNote,
  formatVerifierKey,
  signNote,
  verifierKeyOf,
  type NoteSigner,
} from '../../src/tlog/index.js';
import { leafHashOf, PlainTree } from './rfc6962.js';

export const signerOf = (name: string, { publicKey, privateKey }: Record<'publicKey' | 'privateKey', KeyObject>) =>
  ({ key: verifierKeyOf(name, 1, publicKey), sign: (message) => sign(null, message, privateKey) }) satisfies NoteSigner;

/** A log in memory, with a key of its own, that says whatever a test wants: for talking to a witness. */
export class PlainLog {
  readonly signer: NoteSigner;
  private readonly tree: PlainTree;

  constructor(
    readonly origin: string,
    readonly size: number,
    options: { signer?: NoteSigner; forkedAt?: number } = {},
  ) {
    this.signer = options.signer ?? signerOf(origin, generateKeyPairSync('ed25519'));
    const lines = Array.from({ length: size }, (_, at) => (at >= (options.forkedAt ?? size) ? `other ${at}` : `${at}`));
    this.tree = new PlainTree(lines.map(leafHashOf));
  }

  get vkey(): string {
    return formatVerifierKey(this.signer.key);
  }

  /** The same log with other entries from this place on. */
  fork(forkedAt: number): PlainLog {
    return new PlainLog(this.origin, this.size, { signer: this.signer, forkedAt });
  }

  body(size: number): string {
    return formatCheckpoint({ origin: this.origin, size, root: this.tree.root(size) });
  }

  async note(size: number, signer = this.signer): Promise<string> {
    const body = this.body(size);
    return formatNote({ body, signatures: [await signNote(body, signer)] });
  }

  /** What a witness is sent: C2SP tlog-witness, add-checkpoint. */
  async submission(old: number, size: number, signer = this.signer): Promise<string> {
    const hashes = (wanted: readonly { level: number; n: number }[]) =>
      Promise.resolve(wanted.map(({ level, n }) => this.tree.root((n + 1) * 2 ** level, n * 2 ** level)));
    const proof = old === 0 || old >= size ? [] : await consistencyProof(old, size, hashes);
    return [`old ${old}`, ...proof.map((hash) => hash.toString('base64')), '', await this.note(size, signer)].join(
      '\n',
    );
  }
}
