// Runs as .ts by type stripping as well as compiled: erasable syntax only, and no relative imports.
import { readlinkSync } from 'node:fs';
import os from 'node:os';
import bcrypt from 'bcrypt';

export type PasswordTask =
  | { readonly kind: 'hash'; readonly input: string; readonly cost: number }
  | { readonly kind: 'verify'; readonly input: string; readonly hash: string; readonly more: readonly string[] };

/**
 * Below everything else that wants the processor: the event loop and the database go first, and hashing takes what they leave.
 * Linux alone has a priority for each thread; where this one cannot be found out it stays as it is.
 */
const NICE = 5;
try {
  const thread = Number(readlinkSync('/proc/thread-self').split('/').at(-1));
  if (thread !== process.pid) os.setPriority(thread, NICE);
} catch {
  // Another system: fewer threads are started there, see defaultThreads.
}

/**
 * One bcrypt computation on this worker's own thread; the synchronous form on purpose, because the asynchronous one takes its
 * threads from the process-wide pool that files and DNS use too.
 */
export default function run(task: PasswordTask): string | boolean {
  if (task.kind === 'hash') return bcrypt.hashSync(task.input, task.cost);
  const matches = bcrypt.compareSync(task.input, task.hash);
  for (const hash of task.more) bcrypt.compareSync(task.input, hash);
  return matches;
}
