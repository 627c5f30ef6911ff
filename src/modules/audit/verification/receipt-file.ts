import { leafHash, NoteError, parseReceipt, verifyInclusion, type Receipt } from '../../../tlog/index.js';
import { openCheckpoint, requireSuccession, type OpenedCheckpoint, type Trusted } from './checkpoints.js';
import { finding, Refusal } from './findings.js';
import { readLeaf } from './leaf.js';

/** A receipt (C2SP tlog-proof) shows its own leaf under a checkpoint of its own, which the bundle's must not contradict. */
export function checkReceipt(text: string, where: string, trusted: Trusted, newest: OpenedCheckpoint): void {
  let receipt: Receipt;
  try {
    receipt = parseReceipt(text);
  } catch (error) {
    if (error instanceof NoteError) throw new Refusal(finding('edit', where, error.message));
    throw error;
  }
  const { size, root, origin } = openCheckpoint(receipt.checkpoint, { keys: trusted.keys, witnesses: [] }, where);
  requireSuccession({ size, root, origin }, newest, where);
  const { index, proof, extra } = receipt;
  const isShown =
    extra !== undefined &&
    readLeaf(extra).index === index &&
    verifyInclusion({ index, size, leafHash: leafHash(extra), proof, root });
  if (!isShown) throw new Refusal(finding('edit', where, 'the receipt does not show its leaf', { index }));
}
