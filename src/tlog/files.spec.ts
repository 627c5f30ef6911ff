import { describe, expect, it } from '@jest/globals';
import { formatReceipt, leafHash, NoteError, parseReceipt, parseTilePath, tilePath } from './index.js';

describe('the files of a log', () => {
  it.each([
    ['tile/0/000', { level: 0, n: 0, width: 256 }],
    ['tile/0/x001/000', { level: 0, n: 1000, width: 256 }],
    ['tile/2/x001/x234/067.p/3', { level: 2, n: 1_234_067, width: 3 }],
    ['tile/entries/000.p/255', { level: 'entries', n: 0, width: 255 }],
  ] as const)('%s', (path, tile) => {
    expect(tilePath(tile)).toBe(path);
    expect(parseTilePath(path)).toEqual(tile);
  });

  it.each([
    'tile/00/000',
    'tile/0/0',
    'tile/0/000.p/0',
    'tile/0/000.p/256',
    'tile/0/x000/001',
    'tile/64/000',
    'tile/data/000',
    'tile/0/../000',
    '/tile/0/000',
    'tile/0/001/000',
  ])('%s is none', (path) => {
    expect(parseTilePath(path)).toBeNull();
  });

  it('hold a receipt that is read as it was written, and refused when it is of another form', () => {
    const receipt = {
      index: 5,
      proof: [leafHash('a'), leafHash('b')],
      checkpoint: 'o\n6\nroot\n\n\u2014 o AAAA\n',
      extra: Buffer.from('{"i":5}'),
    };
    const text = formatReceipt(receipt);
    expect(parseReceipt(text)).toEqual(receipt);
    expect(parseReceipt(formatReceipt({ ...receipt, proof: [], extra: undefined }))).toEqual({
      index: 5,
      proof: [],
      checkpoint: receipt.checkpoint,
    });
    for (const bad of [text.slice(1), text.replace('index 5', 'index 05'), text.replace('index 5\n', ''), ''])
      expect(() => parseReceipt(bad)).toThrow(NoteError);
  });
});
