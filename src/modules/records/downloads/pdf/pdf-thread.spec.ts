import { setImmediate } from 'node:timers/promises';
import { afterAll, describe, expect, it } from '@jest/globals';
import type { LineView } from '../../record.dto.js';
import type { PdfHead, PdfSource } from './document.js';
import { PdfThread } from './pdf-thread.js';

const thread = new PdfThread();
afterAll(() => thread.onApplicationShutdown());

const head: PdfHead = {
  ...{ title: 'Health record of Pat', hospital: 'Portico Hospital', birthDate: '1980-05-17', madeAt: new Date(0) },
  ...{ scope: 'Records of all days', paper: 'A4', fontFiles: [] },
};
const line = (n: number): LineView => ({
  ...{ id: String(n), type: 'Observation', category: ['laboratory'], code: null, display: `Potassium ${n}` },
  ...{ effectiveAt: '2025-01-05T08:00:00.000Z', effectiveText: '2025-01-05', status: 'final', statusText: 'Final' },
  ...{ value: { text: '4.10 mmol/L' }, parts: [], details: {}, version: 1, source: 'https://ehr.example/main' },
  ...{ sourceText: '', asOf: '2025-01-06T00:00:00.000Z', receivedAt: '2025-01-06T00:00:00.000Z', origin: 'feed' },
  ...{ acceptance: null, labels: [], flags: [], heldUntil: null },
});
const nothing = { sections: [], vitals: [], labs: [] };
const sourceOf = (pages: LineView[][], afterPage: () => void = () => undefined): PdfSource => ({
  glance: () => Promise.resolve(nothing),
  async *pages() {
    for (const page of pages) {
      yield await Promise.resolve(page);
      afterPage();
    }
  },
});

async function written(source: PdfSource): Promise<Buffer> {
  const pieces: Uint8Array[] = [];
  for await (const piece of thread.write(head, source)) pieces.push(piece);
  return Buffer.concat(pieces);
}

describe('a PDF in a thread of its own', () => {
  it('is whole, and the event loop turns while thousands of rows are set at once', async () => {
    let turns = 0;
    let isWriting = true;
    const turning = (async () => {
      for (; isWriting; turns++) await setImmediate();
    })();
    let before = 0;
    const rows = Array.from({ length: 2_000 }, (_, n) => line(n));
    const pages = sourceOf([[line(0)], rows], () => {
      before = before || turns;
    });
    const pdf = await written(pages);
    const during = turns - before;
    isWriting = false;
    await turning;
    expect(pdf.subarray(0, 8).toString()).toBe('%PDF-1.7');
    expect(pdf.subarray(-6).toString()).toContain('%%EOF');
    // Set in this thread, a page would leave a turn or two: between the page that it was given and the next that it asks for.
    expect(during).toBeGreaterThan(200);
  });

  it('fails with what its source fails with, and is there for the next', async () => {
    const broken: PdfSource = { ...sourceOf([]), glance: () => Promise.reject(new Error('the database is away')) };
    await expect(written(broken)).rejects.toThrow('the database is away');
    expect((await written(sourceOf([[line(1)]]))).length).toBeGreaterThan(1_000);
  });

  it('fails where the document cannot be set, and is there for the next', async () => {
    const wrong = { ...head, title: 'Health record of 王', fontFiles: ['/no/such/font.ttf'] };
    const pieces = thread.write(wrong, sourceOf([[line(1)]]));
    await expect(pieces.next()).rejects.toThrow(/no such file|ENOENT/);
    expect((await written(sourceOf([[line(1)]]))).length).toBeGreaterThan(1_000);
  });

  it('is not written on when nobody takes it, and its source is closed', async () => {
    let isClosed = false;
    const source: PdfSource = {
      glance: () => Promise.resolve(nothing),
      async *pages() {
        try {
          for (let n = 0; ; n++) yield await Promise.resolve(Array.from({ length: 100 }, (_, at) => line(n + at)));
        } finally {
          isClosed = true;
        }
      },
    };
    let pieces = 0;
    for await (const _ of thread.write(head, source)) if (++pieces > 3) break;
    expect(isClosed).toBe(true);
    expect((await written(sourceOf([[line(1)]]))).length).toBeGreaterThan(1_000);
  });
});
