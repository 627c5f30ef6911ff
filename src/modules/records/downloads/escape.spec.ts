import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { escaped } from './escape.js';

const decoded = (html: string): string =>
  html.replace(
    /&(?:amp|lt|gt|quot|apos);/g,
    (entity) => ({ '&amp;': '&', '&lt;': '<', '&gt;': '>', '&quot;': '"', '&apos;': "'" })[entity]!,
  );

describe('escaped', () => {
  it('leaves nothing that could begin markup or end an attribute, and says the same', () => {
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(...`<>&"'a;#39\u0000\u000b\ud800 ltgtamp`) }), (text) => {
        const html = escaped(text);
        expect(html).not.toMatch(/[<>"'\u0000-\u0008\u000b\ud800]/);
        expect(html.replace(/&(?:amp|lt|gt|quot|apos);/g, '')).not.toContain('&');
        expect(decoded(html)).toBe(text.replace(/[\u0000\u000b\ud800]/g, '\ufffd'));
      }),
    );
  });

  it('keeps letters of any script', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (text) => {
        expect(decoded(escaped(text)).length).toBe(text.length);
      }),
    );
    expect(escaped('Ελένη Пётр سلام 日本 👩‍⚕️')).toBe('Ελένη Пётр سلام 日本 👩‍⚕️');
  });
});
