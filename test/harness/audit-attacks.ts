import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import type { Finding } from '../../src/modules/audit/verification/findings.js';
import { verifyBundle, type BundleOptions, type BundleReport } from '../../src/modules/audit/verification/bundle.js';
import {
  linesIn,
  makeBundle,
  makeLines,
  ORIGIN,
  planOf,
  retold,
  signerOf,
  textOf,
  writeFolder,
  type BundlePlan,
  type Files,
} from './audit-bundle.js';

export const signer = signerOf(ORIGIN, 1);
/** Somebody else with a key of the same name. */
export const mallory = signerOf(ORIGIN, 1);
export const witness = signerOf('officer.example/w1', 4);
export const NOW = new Date('2026-11-22T10:00:00Z');

export const LOG = makeLines(600);
/** Another history of the same length. */
export const EDITED = LOG.map((line, at) => (at === 3 ? line.replace('Record.read', 'Record.list') : line));

export const WHOLE = planOf(LOG, signer, 'log', 590, 0, 590);
export const RANGE = planOf(LOG, signer, 'range', 590, 300, 340);
export const CHOSEN = planOf(LOG, signer, 'events', 590, 100, 140);

const options = (change: Partial<BundleOptions>): BundleOptions => ({
  keys: [signer.key],
  witnesses: [],
  previous: null,
  maxAgeSeconds: null,
  now: NOW,
  ...change,
});

/** Verifies files in a folder that is gone afterwards. */
export async function verify(files: Files, change: Partial<BundleOptions> = {}): Promise<BundleReport> {
  const folder = mkdtempSync(join(tmpdir(), 'portico-bundle-'));
  try {
    return await verifyBundle(writeFolder(files, folder), options(change), () => undefined);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

export interface Attack {
  name: string;
  kind: Finding['kind'];
  where: string | RegExp;
  plan?: BundlePlan;
  place?: Partial<Finding>;
  files: (files: Files) => Files | Promise<Files>;
  options?: Partial<BundleOptions>;
}

export const edited = (files: Files, name: string, change: (text: string) => string): Files =>
  retold(new Map(files).set(name, Buffer.from(change(files.get(name)!.toString()))));
export const lined = (files: Files, name: string, change: (lines: string[]) => string[]): Files =>
  edited(files, name, (text) => textOf(change(linesIn(Buffer.from(text)))).toString());
export const bitten = (files: Files, name: string, at: number): Files => {
  const bytes = Buffer.from(files.get(name)!);
  bytes[at]! ^= 1;
  return retold(new Map(files).set(name, bytes));
};
export const dropped = (files: Files, name: string): Files => {
  const fewer = new Map(files);
  fewer.delete(name);
  return retold(fewer);
};

export function itRefuses(attacks: readonly Attack[]): void {
  describe.each(attacks)('$name', ({ kind, where, plan = WHOLE, place = {}, files, options: change }) => {
    it('is refused', async () => {
      const { verdict, findings } = await verify(await files(await makeBundle(plan)), change);
      expect(verdict).toBe('refused');
      expect(findings).toContainEqual(expect.objectContaining({ kind, where, ...place }));
    });
  });
}
