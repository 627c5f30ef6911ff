import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import PDFDocument from 'pdfkit';
import { PdfText } from './text.js';

const text = new PdfText(new PDFDocument(), []);
const WIDE = { size: 9, width: 400 };

/** A line as it stands on paper, from the left. */
const lines = (words: string, box = WIDE): string[] =>
  text.lines(words, box).map(({ pieces }) => pieces.map((piece) => piece.text).join(''));

describe('text on paper', () => {
  it('stands as it is read, from the left', () => {
    expect(lines('Ersatz der Hüfte, Σακχαρώδης διαβήτης')).toEqual(['Ersatz der Hüfte, Σακχαρώδης διαβήτης']);
    expect(lines('one\ntwo  three')).toEqual(['one', 'two three']);
    expect(lines('')).toEqual([]);
  });

  it('has words from right to left in that order, and others in theirs within them', () => {
    expect(lines('סוכרת סוג 2')).toEqual(['2 סוג סוכרת']);
    expect(lines('ضغط الدم (stage two) عند المريض')).toEqual(['المريض عند (stage two) الدم ضغط']);
    expect(lines('الدم (ضغط)')).toEqual([')ضغط( الدم']);
    expect(lines('Word ضغط الدم again')).toEqual(['Word الدم ضغط again']);
    expect(text.lines('סוכרת', WIDE)[0]!.isFromRight).toBe(true);
    expect(text.lines('2 diabetes', WIDE)[0]!.isFromRight).toBe(false);
  });

  it('says when no font has a letter', () => {
    const other = new PdfText(new PDFDocument(), []);
    other.lines('Ελένη Пётр Łukasiewicz سلام שלום Հիպ', WIDE);
    expect(other.isIncomplete).toBe(false);
    const shown = other.lines('高血圧 x 고', WIDE).map(({ pieces }) => pieces.map((piece) => piece.text).join(''));
    expect(other.isIncomplete).toBe(true);
    // Never a box: what cannot be shown is told by its numbers, where it stands.
    expect(shown).toEqual(['[U+9AD8 8840 5727] x [U+ACE0]']);
  });

  it('loses no letter and is no wider than its column, whatever is written', () => {
    const letters = (words: string): string => [...words.replace(/\s/g, '')].sort().join('');
    const anything = fc.string({ unit: fc.constantFrom(...'abW1.- ,\nאבضغЖΩ'), maxLength: 200 });
    fc.assert(
      fc.property(anything, fc.integer({ min: 40, max: 300 }), (words, width) => {
        const found = text.lines(words, { size: 9, width });
        const all = found.flatMap(({ pieces }) => pieces.map((piece) => piece.text)).join(' ');
        expect(letters(all)).toBe(letters(words));
        for (const line of found) expect(line.width).toBeLessThan(width + 0.5);
      }),
    );
  });
});
