/** Why the log is not signed; each with a stable code, under which it is logged, audited and shown. */
export type RefusalCode =
  | 'audit.rolled-back'
  | 'audit.forked'
  | 'audit.checkpoint-forged'
  | 'audit.checkpoints-lost'
  | 'audit.origin-changed'
  | 'audit.memory-unreadable'
  | 'audit.history-missing'
  | 'audit.entries-missing'
  | 'audit.leaf-altered'
  | 'audit.leaf-misplaced'
  | 'audit.head-differs';

/** About entries that no checkpoint covers yet: when they are put right, nothing shows any more that they were not. */
const LEAVES_NO_TRACE: readonly RefusalCode[] = [
  'audit.entries-missing',
  'audit.leaf-altered',
  'audit.leaf-misplaced',
  'audit.head-differs',
];

/** The log is not what was signed before, or not what it says of itself: it is not signed. The message says what differs; numbers and names only. */
export class SealingRefusal extends Error {
  override readonly name = 'SealingRefusal';

  constructor(
    readonly code: RefusalCode,
    message: string,
  ) {
    super(message);
  }

  /** It stands until an officer has looked and a new origin was opened. */
  get isFinal(): boolean {
    return LEAVES_NO_TRACE.includes(this.code);
  }
}
