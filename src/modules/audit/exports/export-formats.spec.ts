import { describe, expect, it } from '@jest/globals';
import { parse } from 'csv-parse/sync';
import fc from 'fast-check';
import { CSV, DISCLOSURES, NDJSON, POINTERS } from './export-formats.js';
import type { Entry } from './export-leaf.js';

const entryOf = (leaf: object, index = 0): Entry => ({
  index,
  line: JSON.stringify(leaf),
  storedHash: Buffer.alloc(32),
  disclosure: undefined,
});

/** Text as no leaf of ours has it: quotes, separators, line ends, formulas, any script. */
const nasty = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 12 }),
  fc
    .tuple(fc.constantFrom('=', '+', '-', '@', '\t', '\r', '"', ',', '\n'), fc.string({ maxLength: 8 }))
    .map(([a, b]) => a + b),
);

function textOf(lines: unknown): string {
  if (typeof lines !== 'string') throw new TypeError('lines are text');
  return lines;
}

describe('the table', () => {
  it('gives back every cell and the exact leaf, and nothing in it begins like a formula', () => {
    const leaf = fc.record({
      i: fc.nat(),
      e: fc.record({ id: nasty, sub: nasty, err: nasty, actor: fc.record({ id: nasty, roles: fc.array(nasty) }) }),
    });
    fc.assert(
      fc.property(fc.array(leaf, { minLength: 1, maxLength: 5 }), (leaves) => {
        const entries = leaves.map((one) => entryOf(one));
        const [header, ...rows] = parse(CSV.head + textOf(CSV.lines(entries)));
        expect(header).toEqual([...POINTERS, 'leaf']);
        rows.forEach((row, n) => {
          expect(row.at(-1)).toBe(entries[n]!.line);
          const { e } = leaves[n]!;
          for (const [pointer, value] of [
            ['/e/id', e.id],
            ['/e/sub', e.sub],
            ['/e/err', e.err],
            ['/e/actor/roles/0', e.actor.roles[0] ?? ''],
          ] as const) {
            const cell = row[header!.indexOf(pointer)]!;
            expect(/^[=+\-@\t\r]/.test(cell)).toBe(false);
            expect(/^[=+\-@\t\r\uff0b\uff0d\uff1d\uff20]/.test(value) ? cell.slice(1) : cell).toBe(value);
          }
        });
      }),
      { seed: 7, numRuns: 300 },
    );
  });

  it('says the same of an entry whatever stands beside it', () => {
    const entries = Array.from({ length: 9 }, (_, i) => entryOf({ i, e: { actor: {}, id: `${i}` } }, i));
    for (const file of [CSV, NDJSON, DISCLOSURES])
      expect(file.lines(entries)).toBe(entries.map((entry) => textOf(file.lines([entry]))).join(''));
  });
});

describe('disclosures', () => {
  it('leave out what was erased', () => {
    const [kept, erased] = [entryOf({}, 3), entryOf({}, 4)];
    const lines = textOf(
      DISCLOSURES.lines([
        { ...kept, disclosure: 'WyJh' },
        { ...erased, disclosure: null },
      ]),
    );
    expect(lines).toBe('{"leafIndex":3,"disclosure":"WyJh"}\n');
  });
});
