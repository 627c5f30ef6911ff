import { buffer } from 'node:stream/consumers';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { SealedChunk } from '../../platform/content/index.js';
import { AttachmentSieve } from './attachment-sieve.js';
import { Spills } from './attachment-spills.js';
import { linesOf } from './import-lines.js';

/** From so many characters on contents are stored ahead here. */
const FROM = 16;

class Store {
  readonly chunks = new Map<string, string>();
  readonly load = (id: string, ordinal: number): Promise<string | undefined> =>
    Promise.resolve(this.chunks.get(`${id}/${ordinal}`));
  readonly spills = new Spills(this.load);
  readonly target = {
    maxBytes: 1_000_000,
    load: this.load,
    put: (sealed: readonly SealedChunk[]): Promise<void> => {
      for (const { contentId, ordinal, body } of sealed) this.chunks.set(`${contentId}/${ordinal}`, body);
      return Promise.resolve();
    },
    add: (sha256: string, content: Parameters<Spills['add']>[1]): string => this.spills.add(sha256, content),
  };
}

async function* pieces(bytes: Buffer, cuts: readonly number[]): AsyncGenerator<Buffer> {
  let at = 0;
  for (const cut of [...cuts].sort((a, b) => a - b)) {
    yield await Promise.resolve(bytes.subarray(at, Math.max(at, cut)));
    at = Math.max(at, cut);
  }
  yield bytes.subarray(at);
}

const content = fc.oneof(
  fc.base64String({ maxLength: 60, size: 'max' }),
  // What is no base64 to its end, or is written in another way.
  fc
    .tuple(
      fc.base64String({ maxLength: 60, size: 'max' }),
      fc.constantFrom('\\n', '=', ' ', '!', 'A', '\\"', '\u00e9', 'QQ==QQ==', 'AB=='),
    )
    .map((both) => both.join('')),
);
const member = fc
  .tuple(
    fc.constantFrom('"data":"', '"data" : \n"', '"data":', '"title":"', '"d\\u0061ta":"', '"x\\"data":"', '"url":"'),
    content,
  )
  .map(([key, value]) => (key.endsWith('"') ? `${key}${value.replaceAll('\n', '')}"` : `${key}1`));
const line = fc.array(member, { maxLength: 5 }).map((members) => `{${members.join(',').replaceAll('\n', '')}}`);
const file = fc.tuple(fc.array(line, { maxLength: 6 }), fc.array(fc.nat(600), { maxLength: 12 }));

describe('the sieve', () => {
  it('gives every byte back that it took out, however the text was cut', async () => {
    let taken = 0;
    await fc.assert(
      fc.asyncProperty(file, async ([lines, cuts]) => {
        const text = lines.join('\n');
        const store = new Store();
        const sieve = new AttachmentSieve(store.target, FROM);
        const sieved = await buffer(sieve.through(pieces(Buffer.from(text), cuts)));
        expect(sieved.length + sieve.removed).toBe(Buffer.byteLength(text));
        if (store.spills.areIn(sieved.toString())) taken++;
        expect(await store.spills.restored(sieved.toString(), 1e6)).toBe(text);
      }),
      { numRuns: 500 },
    );
    expect(taken).toBeGreaterThan(100);
  });

  it('does not move where the lines of a file begin', async () => {
    await fc.assert(
      fc.asyncProperty(file, async ([lines, cuts]) => {
        const bytes = Buffer.from(lines.join('\n'));
        const sieve = new AttachmentSieve(new Store().target, FROM);
        const ends = async (from: AsyncIterable<Buffer>, removed?: () => number) => {
          const found: [number, number][] = [];
          for await (const { number, next } of linesOf(from, { byte: 0, line: 0 }, 1e6, removed))
            found.push([number, next]);
          return found;
        };
        expect(await ends(sieve.through(pieces(bytes, cuts)), () => sieve.removed)).toEqual(
          await ends(pieces(bytes, [])),
        );
      }),
      { numRuns: 300 },
    );
  });

  it('says the same of the same content, and takes no stand-in from anybody else', async () => {
    const data = Buffer.alloc(300, 'content').toString('base64');
    const text = `{"data":"${data}"}`;
    const [one, two] = [new Store(), new Store()];
    const through = async ({ target }: Store, sent: string): Promise<string> =>
      (await buffer(new AttachmentSieve(target, FROM).through(pieces(Buffer.from(sent), [])))).toString();
    const sieved = await through(one, text);
    expect(await through(two, text)).toBe(sieved);
    expect(sieved).toMatch(/^\{"data":"portico0[0-9a-f]{64}"\}$/);
    // Sent as if it were one: it is base64 like any other.
    const three = new Store();
    expect(three.spills.areIn(await through(three, sieved))).toBe(true);
    expect(await three.spills.restored(await through(three, sieved), 1e6)).toBe(sieved);
  });

  it('names what is too large and keeps none of it, and without a target drops it', async () => {
    const store = new Store();
    const data = Buffer.alloc(600_000).toString('base64');
    const sieve = new AttachmentSieve({ ...store.target, maxBytes: 1_000 }, FROM);
    const sieved = await buffer(sieve.through(pieces(Buffer.from(`{"data":"${data}"}`), [5_000, 100_000])));
    expect(store.spills.of(sieved.subarray(9, -2))).toEqual({ isTooLarge: true });
    const blind = new AttachmentSieve(null, FROM);
    expect((await buffer(blind.through(pieces(Buffer.from(`{"data":"${data}"}`), [])))).toString()).toBe('{"data":""}');
  });
});
