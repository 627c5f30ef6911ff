// Runs as .ts by type stripping as well as compiled: erasable syntax only, and no relative imports.
import bcrypt from 'bcrypt';

export type PasswordTask =
  | { readonly kind: 'hash'; readonly input: string; readonly cost: number }
  | { readonly kind: 'verify'; readonly input: string; readonly hash: string };

/**
 * One bcrypt computation on this worker's own thread; the synchronous form on purpose, because the asynchronous one takes its
 * threads from the process-wide pool that files and DNS use too.
 */
export default function run(task: PasswordTask): string | boolean {
  return task.kind === 'hash' ? bcrypt.hashSync(task.input, task.cost) : bcrypt.compareSync(task.input, task.hash);
}
