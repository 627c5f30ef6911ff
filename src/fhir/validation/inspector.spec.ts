import { afterAll, describe, expect, it } from '@jest/globals';
import { inspect } from '../inspection.js';
import { ResourceInspector } from './inspector.js';

const inspector = new ResourceInspector({ maxThreads: 1 });
afterAll(() => inspector.close());

const texts = Array.from({ length: 150 }, (_, index) =>
  JSON.stringify({
    resourceType: 'Basic',
    id: `b${index}`,
    code: { text: 'x' },
    subject: { reference: `Patient/${index}` },
  }),
);

describe('ResourceInspector', () => {
  it('answers as inspect does, in order, from another thread', async () => {
    expect(await inspector.inspectMany([...texts, '7', '{"resourceType":"Nothing"}'])).toEqual(
      [...texts, '7', '{"resourceType":"Nothing"}'].map(inspect),
    );
    expect(await inspector.inspectMany([])).toEqual([]);
  });

  it('finds a record that takes too long in error and not its neighbours', async () => {
    // obs-7 compares the code with each component's: about 17 s
    const codings = (count: number) => ({
      coding: Array.from({ length: count }, (_, index) => ({ system: 'urn:x', code: `c${index}` })),
    });
    const component = Array.from({ length: 2_000 }, () => ({ code: codings(10), valueBoolean: true }));
    const slow = JSON.stringify({ resourceType: 'Observation', status: 'final', code: codings(20_000), component });
    const hasty = new ResourceInspector({ maxMsPerBatch: 1_500 });
    const [good, late, other] = await hasty.inspectMany([texts[0] ?? '', slow, texts[1] ?? '']);
    await hasty.close();
    expect(late?.findings.map(({ code }) => code)).toEqual(['inspection-timeout']);
    expect([good?.findings, other?.findings]).toEqual([[], []]);
  });

  it('refuses work after it is closed', async () => {
    const closed = new ResourceInspector();
    await closed.close();
    await expect(closed.inspectMany(['{}'])).rejects.toThrow('closed');
  });
});

describe('inspect', () => {
  it('never throws, however deep', () => {
    const deep = `{"resourceType":"Basic","x":${'['.repeat(50_000)}${']'.repeat(50_000)}}`;
    expect(inspect(deep).findings.map(({ severity }) => severity)).toContain('error');
    expect(inspect('null').findings.map(({ code }) => code)).toEqual(['wrong-json-type']);
  });
});
