import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** poppler's reader, where the machine has it. */
export const hasPdfReader = spawnSync('pdftotext', ['-v']).status === 0;

/** The text of a PDF as a reader finds it, white space as one blank. */
export function pdfText(bytes: Buffer): string {
  const folder = mkdtempSync(join(tmpdir(), 'portico-pdf-'));
  const [pdf, text] = [join(folder, 'read.pdf'), join(folder, 'read.txt')];
  writeFileSync(pdf, bytes);
  execFileSync('pdftotext', ['-layout', pdf, text]);
  return readFileSync(text, 'utf8').replace(/\s+/g, ' ');
}
