import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const VERIFIER = fileURLToPath(new URL('../resilience/verifier/verify.py', import.meta.url));

/** Whether there is a Python to run the stranger's verifier with. */
export const hasPython = spawnSync('python3', ['--version']).status === 0;

export interface Verdict {
  code: number | null;
  words: string;
}

/** The stranger's verifier with these arguments. */
export function stranger(...args: string[]): Verdict {
  const { status, stdout, stderr } = spawnSync('python3', [VERIFIER, ...args], { encoding: 'utf8' });
  return { code: status, words: stdout + stderr };
}

/** A bundle as a folder, for the stranger to read. */
export function laidOut(files: ReadonlyMap<string, Buffer>): string {
  const folder = mkdtempSync(join(tmpdir(), 'portico-stranger-'));
  for (const [name, bytes] of files) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), bytes);
  }
  return folder;
}
