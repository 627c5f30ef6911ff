import { describe, expect, it } from '@jest/globals';
import { createHash } from 'node:crypto';
import { ContentFacts, isRefused, judge, servedAs, type Found } from './attachment-check.js';

const factsOf = (bytes: Buffer | string): Promise<Found> => {
  const facts = new ContentFacts();
  // In pieces: a character may lie across two of them.
  const all = Buffer.from(bytes);
  for (let at = 0; at < all.length; at += 3) facts.add(all.subarray(at, at + 3));
  return facts.found();
};

const PNG = Buffer.from('89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c489', 'hex');
const EXE = Buffer.concat([Buffer.from('MZ'), Buffer.alloc(200, 7)]);

describe('what is in an attachment', () => {
  it.each<[string, Buffer | string, string | undefined, string | null, string[]]>([
    ['a PDF', '%PDF-1.7 x', 'application/pdf', 'application/pdf', []],
    ['a picture', PNG, 'image/png', 'image/png', []],
    ['a picture that is called a PDF', PNG, 'application/pdf', 'image/png', ['attachment-type-differs']],
    ['a text', 'Grüße', 'text/plain; charset=utf-8', 'text/plain', []],
    ['a text of one byte a character', Buffer.from('Grüße', 'latin1'), 'text/plain', 'text/plain', []],
    ['a table', 'a,b\n1,2', 'text/csv', 'text/csv', []],
    ['RTF', '{\\rtf1 x}', 'text/rtf', 'application/rtf', []],
    [
      'a C-CDA document',
      '<?xml version="1.0"?><ClinicalDocument xmlns="urn:hl7-org:v3"/>',
      'application/hl7-v3+xml',
      'application/xml',
      [],
    ],
    ['a page', '<!DOCTYPE html><p>x', 'text/html', 'text/html', []],
    [
      'a page of XML',
      '<?xml version="1.0"?>\n<html xmlns="http://www.w3.org/1999/xhtml"/>',
      'application/xhtml+xml',
      'text/html',
      [],
    ],
    ['a page that is called a text', ' \n<script>x</script>', 'text/plain', 'text/html', ['attachment-type-differs']],
    ['a picture that can run', '<svg onload="x"/>', 'image/svg+xml', 'text/html', []],
    ['a program', EXE, 'application/pdf', null, ['attachment-type-refused']],
    ['a program that is called nothing', EXE, undefined, null, ['attachment-type-refused']],
    ['bytes of no kind', Buffer.from([0, 1, 2, 3, 250]), 'text/plain', null, ['attachment-type-refused']],
  ])('%s', async (_, bytes, contentType, type, findings) => {
    expect(judge(await factsOf(bytes), { contentType })).toEqual({ type, findings });
  });

  it('must be what its sender took the hash of; another size is a note', async () => {
    const found = await factsOf('abc');
    const hash = createHash('sha1').update('abc').digest('base64');
    expect(judge(found, { hash, size: 3 }).findings).toEqual([]);
    expect(judge(found, { size: 4 }).findings).toEqual(['attachment-size']);
    const { findings } = judge(found, { hash: createHash('sha1').update('abd').digest('base64') });
    expect(findings).toEqual(['attachment-hash']);
    expect([isRefused(findings), isRefused(['attachment-size'])]).toEqual([true, false]);
  });

  it('leaves as what a browser cannot run', () => {
    for (const type of ['text/html', 'application/xml', null])
      expect(servedAs(type, true)).toEqual({ mediaType: 'application/octet-stream', extension: 'bin' });
    expect(servedAs('text/plain', true)).toEqual({ mediaType: 'text/plain; charset=utf-8', extension: 'txt' });
    expect(servedAs('text/plain', false).mediaType).toBe('text/plain');
    expect(servedAs('application/pdf', false)).toEqual({ mediaType: 'application/pdf', extension: 'pdf' });
  });
});
