import { Buffer } from 'node:buffer';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { readBundle, type BundleEntry, type BundleEnvelope, type BundleLimits } from './bundle-reader.js';
import { FhirReadError } from './json/fhir-read-error.js';

const LIMITS: BundleLimits = { maxDepth: 100, maxEntries: 1_000, maxEntryBytes: 50_000, maxBytes: 1_000_000 };

interface Outcome {
  entries: BundleEntry[];
  envelope?: BundleEnvelope;
  fault?: { code: string; position: number; entryIndex?: number };
}

// eslint-disable-next-line @typescript-eslint/require-await -- what a network stream looks like to the reader
async function* split(bytes: Uint8Array, cuts: number[]): AsyncGenerator<Uint8Array> {
  const at = [...new Set([0, ...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length])].sort((a, b) => a - b);
  for (let index = 1; index < at.length; index++) yield bytes.subarray(at[index - 1], at[index]);
}

async function read(
  document: string | Uint8Array,
  cuts: number[] = [],
  limits: Partial<BundleLimits> = {},
): Promise<Outcome> {
  const entries: BundleEntry[] = [];
  const bytes = typeof document === 'string' ? Buffer.from(document) : document;
  try {
    const envelope = await readBundle(split(bytes, cuts), { ...LIMITS, ...limits }, async (entry) => {
      await Promise.resolve();
      entries.push(entry);
    });
    return { entries, envelope };
  } catch (error) {
    if (!(error instanceof FhirReadError)) throw error;
    return { entries, fault: { code: error.code, position: error.position, entryIndex: error.entryIndex } };
  }
}

async function faultOf(document: string | Uint8Array, limits: Partial<BundleLimits> = {}) {
  return (await read(document, [], limits)).fault;
}

const bundle = (entries: string) => `{"resourceType":"Bundle","type":"batch","entry":[${entries}]}`;

describe('readBundle', () => {
  it('gives each resource exactly as sent', async () => {
    const resource =
      '{ "resourceType":"Observation", "x-unknown": [1.50, 0.0000001000,1E5], "note":"\\u00e9 é 😀 \\/" }';
    const entry = `{"fullUrl":"urn:uuid:1", "resource":${resource},"request":{"method":"POST","url":"Observation","ifNoneExist":"a=b"}}`;
    const { entries, envelope } = await read(`\ufeff ${bundle(`${entry} , {"resource":{"resourceType":"Basic"}}`)}\n`);
    expect(entries).toEqual([
      {
        index: 0,
        fullUrl: 'urn:uuid:1',
        request: { method: 'POST', url: 'Observation', ifNoneExist: 'a=b' },
        resourceText: resource,
      },
      { index: 1, fullUrl: undefined, request: undefined, resourceText: '{"resourceType":"Basic"}' },
    ]);
    expect(envelope).toEqual({
      resourceType: 'Bundle',
      type: 'batch',
      id: undefined,
      timestamp: undefined,
      entryCount: 2,
    });
  });

  it('does not mind the order of members', async () => {
    const { envelope, entries } = await read(
      '{"entry":[{"resource":{"entry":[{"resource":{}}],"id":"inner"}}],"id":"b","type":"transaction","timestamp":"2026","resourceType":"Bundle"}',
    );
    expect(envelope).toEqual({
      resourceType: 'Bundle',
      type: 'transaction',
      id: 'b',
      timestamp: '2026',
      entryCount: 1,
    });
    expect(entries[0]?.resourceText).toBe('{"entry":[{"resource":{}}],"id":"inner"}');
  });

  it.each([
    ['{"resourceType":"Bundle"}', 0],
    [bundle(''), 0],
    [bundle('{}'), 1],
    [bundle('{"request":{"method":"DELETE","url":"Patient/1"}}'), 1],
  ])('accepts %s', async (document, count) => {
    const { envelope, entries } = await read(document);
    expect([envelope?.entryCount, entries.length]).toEqual([count, count]);
    expect(entries.every((entry) => entry.resourceText === undefined)).toBe(true);
  });

  it.each([
    ['[]'],
    ['5'],
    ['"Bundle"'],
    ['{}'],
    ['{"resourceType":"Patient"}'],
    ['{"resourceType":"Bundle","entry":{}}'],
    ['{"resourceType":"Bundle","entry":null}'],
    [bundle('1')],
    [bundle('[]')],
    [bundle('null')],
    [bundle('{"resource":[]}')],
    [bundle('{"resource":"x"}')],
    [bundle('{"fullUrl":1}')],
    [bundle('{"request":{"method":"GET"}}')],
    [bundle('{"request":"GET"}')],
  ])('does not take %s for a Bundle', async (document) => {
    expect((await faultOf(document))?.code).toBe('not-a-bundle');
  });

  it('says where the fault is', async () => {
    const document = bundle('{"resource":{"a":1}},{"resource":{"é":NaN}}');
    const outcome = await read(document);
    expect(outcome.fault).toEqual({
      code: 'malformed-json',
      position: Buffer.from(document).indexOf('NaN'),
      entryIndex: 1,
    });
    expect(outcome.entries).toHaveLength(1);
  });

  it('holds its limits', async () => {
    const big = `{"resource":{"a":"${'x'.repeat(1_000)}"}}`;
    expect(await faultOf(bundle(big), { maxEntryBytes: 500 })).toMatchObject({
      code: 'entry-too-large',
      entryIndex: 0,
    });
    expect(await faultOf(bundle('{},{},{}'), { maxEntries: 2 })).toMatchObject({
      code: 'too-many-entries',
      entryIndex: 2,
    });
    expect(await faultOf(bundle(big), { maxBytes: 100 })).toMatchObject({ code: 'too-large', position: 100 });
    expect(await faultOf(bundle(`{"resource":{"a":${'['.repeat(5_000)}`))).toMatchObject({
      code: 'too-deep',
      entryIndex: 0,
    });
    expect(await faultOf(`{"x":${'['.repeat(5_000)}`)).toMatchObject({ code: 'too-deep' });
  });

  it('does not repeat the content in its message', async () => {
    const caught = await readBundle(
      split(Buffer.from(bundle('{"resource":{"name":Smith}}')), []),
      LIMITS,
      () => undefined,
    ).catch((error: unknown) => error);
    expect(String(caught)).not.toContain('Smith');
  });

  it('stops when the receiver fails', async () => {
    const failing = readBundle(split(Buffer.from(bundle('{},{}')), []), LIMITS, () =>
      Promise.reject(new Error('stop')),
    );
    await expect(failing).rejects.toThrow('stop');
  });

  const anyValue = fc.jsonValue({ maxDepth: 4, noUnicodeString: false });
  const anyEntry = fc.record(
    { resource: fc.dictionary(fc.string({ maxLength: 20, unit: 'binary' }), anyValue) },
    { requiredKeys: [] },
  );
  const anyCuts = fc.array(fc.nat(), { maxLength: 40 });

  it('reads the same wherever the bytes are split', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(anyEntry, { maxLength: 5 }), fc.nat(4), anyCuts, async (list, indent, cuts) => {
        const document = JSON.stringify({ id: 'é', entry: list, type: 'batch', resourceType: 'Bundle' }, null, indent);
        const whole = await read(document);
        const parts = await read(document, cuts);
        expect(parts).toEqual(whole);
        // generated strings may hold what PostgreSQL cannot: then refusing is the right answer
        if (whole.fault) expect(whole.fault.code).toMatch(/forbidden-character/);
        else
          expect(
            whole.entries.map((entry) => entry.resourceText && (JSON.parse(entry.resourceText) as unknown)),
          ).toEqual((JSON.parse(document) as { entry: { resource?: unknown }[] }).entry.map((entry) => entry.resource));
      }),
      { numRuns: 300 },
    );
  });

  it('fails the same wherever the bytes are split', async () => {
    const base = Buffer.from(
      bundle('{"resource":{"a":[1.50,true,"\\ud83d\\ude00é"],"b":{"c":null}}},{"fullUrl":"urn:x"}'),
    );
    await fc.assert(
      fc.asyncProperty(
        fc.nat(base.length - 1),
        fc.integer({ min: 0, max: 255 }),
        anyCuts,
        fc.integer({ min: 20, max: 90 }),
        async (at, byte, cuts, max) => {
          const bytes = Buffer.from(base);
          bytes[at] = byte;
          const limits = { maxEntryBytes: max, maxBytes: base.length - (max % 3) };
          expect(await read(bytes, cuts, limits)).toEqual(await read(bytes, [], limits));
        },
      ),
      { numRuns: 500 },
    );
  });
});
