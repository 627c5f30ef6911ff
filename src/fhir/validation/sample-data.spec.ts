import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { readBundle } from '../bundle-reader.js';
import { isSharedType } from '../compartment.js';
import { inspect } from '../inspection.js';
import { checkJson } from '../json/check-json.js';

const DATA = join(import.meta.dirname, '../../../../shared/data');
const LIMITS = { maxDepth: 64, maxEntries: 10_000, maxEntryBytes: 5_000_000, maxBytes: 100_000_000 };
const isThere = existsSync(DATA);

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield await Promise.resolve(bytes);
}

/** Also proves, for each Bundle, that every resource is the sender's own text. */
async function textsOf(file: string): Promise<string[]> {
  const content = readFileSync(file, 'utf8');
  if (file.endsWith('.ndjson')) return content.split('\n').filter((line) => line.trim() !== '');
  const whole = JSON.parse(content) as { resourceType?: string; entry?: { resource?: unknown }[] };
  if (whole.resourceType !== 'Bundle') return whole.resourceType === undefined ? [] : [content];
  const texts: string[] = [];
  await readBundle(once(Buffer.from(content)), LIMITS, ({ index, resourceText = '' }) => {
    expect(JSON.parse(resourceText)).toEqual(whole.entry?.[index]?.resource);
    texts.push(resourceText);
  });
  expect(content.length).toBeGreaterThan(texts.join('').length);
  expect(texts.every((text) => content.includes(text))).toBe(true);
  return texts;
}

function filesOf(folder: string): string[] {
  return readdirSync(join(DATA, folder))
    .filter((name) => /\.(nd)?json$/.test(name) && !/manifest|^log\./i.test(name))
    .map((name) => join(DATA, folder, name));
}

const title = isThere ? 'the sample data' : 'the sample data (SKIPPED: ../shared/data is not here)';

(isThere ? describe : describe.skip)(title, () => {
  // US Core 3.1 to 8, Synthea of three years and IPS: legal R4, so every rejection would be a wrong one
  it.each(['synthea-2020', 'synthea-2021-notes', 'inferno', 'bulk-ndjson-2025', 'ips-1.1.0'])(
    'holds no record of %s in error',
    async (folder) => {
      let flagged = 0;
      for (const file of filesOf(folder)) {
        for (const text of await textsOf(file)) {
          checkJson(text, { maxDepth: LIMITS.maxDepth, maxBytes: LIMITS.maxEntryBytes });
          const { resourceType = '', findings, facts, patientReference } = inspect(text);
          expect(findings.filter(({ code }) => code !== 'profile')).toEqual([]);
          if (findings.length > 0) flagged++;
          expect(facts.display).not.toBe('');
          expect(patientReference === undefined).toBe(isSharedType(resourceType) || resourceType === 'Provenance');
        }
      }
      // A Condition of US Core 7 without a category of its profile.
      expect(flagged).toBe(folder === 'inferno' ? 1 : 0);
    },
  );
});
