import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { attachmentDisposition } from './disposition.js';

describe('Content-Disposition', () => {
  it.each([
    ['Discharge letter', 'pdf', 'attachment; filename="Discharge letter.pdf"'],
    ['letter.PDF', 'pdf', 'attachment; filename="letter.PDF"'],
    ['', 'txt', 'attachment; filename="attachment.txt"'],
    ['../../etc/passwd', 'txt', 'attachment; filename="etc passwd.txt"'],
    ['a"; filename="b.exe', 'pdf', 'attachment; filename="a ; filename= b.exe.pdf"'],
    ['one\r\nSet-Cookie: a=b', 'txt', 'attachment; filename="one Set-Cookie  a=b.txt"'],
    [
      'Arztbrief Müller',
      'pdf',
      `attachment; filename="Arztbrief M_ller.pdf"; filename*=UTF-8''Arztbrief%20M%C3%BCller.pdf`,
    ],
    ['診断', 'pdf', `attachment; filename="__.pdf"; filename*=UTF-8''%E8%A8%BA%E6%96%AD.pdf`],
    ['report\u202efdp.exe', 'pdf', 'attachment; filename="report fdp.exe.pdf"'],
  ])('of %j', (title, extension, expected) => {
    expect(attachmentDisposition(title, extension)).toBe(expected);
  });

  it('is one header of plain characters for any title, and always an attachment with its own ending', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 300 }), (title) => {
        const header = attachmentDisposition(title, 'pdf');
        expect(header).toMatch(/^attachment; filename="[\x20-\x7e]*\.pdf"(; filename\*=UTF-8''[A-Za-z0-9!~_.%-]+)?$/i);
        expect(header.split('"')).toHaveLength(3);
        const extended = /filename\*=UTF-8''(.*)$/.exec(header)?.[1];
        if (extended !== undefined) expect(decodeURIComponent(extended)).not.toMatch(/[\u0000-\u001f"/\\]/);
      }),
    );
  });
});
