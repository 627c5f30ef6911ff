import { createRequire } from 'node:module';

type Pdf = PDFKit.PDFDocument;
type Weight = 'plain' | 'bold';

const { resolve } = createRequire(import.meta.url);
const FONTS: Record<Weight, string> = {
  plain: resolve('dejavu-fonts-ttf/ttf/DejaVuSans.ttf'),
  bold: resolve('dejavu-fonts-ttf/ttf/DejaVuSans-Bold.ttf'),
};

/** Letters that are written from right to left: Hebrew, Arabic and their neighbours. */
const RIGHT_TO_LEFT = /[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]/;
const ASCII = /^[\x20-\x7e]*$/;
const LETTERS = new Intl.Segmenter('en');
const FIRST_LETTER = /\p{L}/u;

/** A part of a line in one font, as it stands on paper from the left. */
interface Piece {
  text: string;
  font: string;
  width: number;
}

export interface TextLine {
  pieces: Piece[];
  width: number;
  isFromRight: boolean;
}

interface EmbeddedFont {
  font?: { hasGlyphForCodePoint(codePoint: number): boolean };
}

/**
 * Lines of text in any script that the embedded fonts have: each letter in the first font with a glyph for it, words of scripts from
 * right to left in that order (by their letters alone, and not all of UAX #9: no embedding). pdfkit shapes each word.
 */
export class PdfText {
  /** There are letters that no font has; their numbers stand in their place, and the document says so. */
  isIncomplete = false;
  private readonly choices = new Map<string, string | null>();
  private readonly names: Record<Weight, string[]>;

  private readonly pdf: Pdf;

  constructor(pdf: Pdf, furtherFonts: readonly string[]) {
    this.pdf = pdf;
    const further = furtherFonts.map((file, at) => {
      pdf.registerFont(`further-${at}`, file);
      return `further-${at}`;
    });
    for (const weight of ['plain', 'bold'] as const) pdf.registerFont(weight, FONTS[weight]);
    this.names = { plain: ['plain', ...further], bold: ['bold', ...further] };
  }

  lineHeight(size: number): number {
    return size * 1.32;
  }

  lines(text: string, { size, width, weight = 'plain' }: { size: number; width: number; weight?: Weight }): TextLine[] {
    this.pdf.fontSize(size);
    return text.split('\n').flatMap((paragraph) => this.paragraph(paragraph, width, weight));
  }

  /** Writes one line with its top at `y`. */
  write(line: TextLine, x: number, y: number, { size, width }: { size: number; width: number }): void {
    let at = line.isFromRight ? x + width - line.width : x;
    for (const { text, font, width: own } of line.pieces) {
      this.pdf.font(font).fontSize(size).text(text, at, y, { lineBreak: false });
      at += own;
    }
  }

  private paragraph(text: string, width: number, weight: Weight): TextLine[] {
    const found: TextLine[] = [];
    // The first letter of a paragraph says from which side all of its lines are read (UAX #9, P2).
    const isFromRight = RIGHT_TO_LEFT.test(FIRST_LETTER.exec(text)?.[0] ?? '');
    const shown = this.shown(text, weight);
    let words: Piece[][] = [];
    let used = 0;
    const space = this.widthOf(' ', this.names[weight][0]!);
    const close = (): void => {
      if (words.length > 0) found.push(this.ordered(words, isFromRight));
      words = [];
      used = 0;
    };
    for (const word of shown
      .split(/\s+/)
      .filter(Boolean)
      .flatMap((one) => this.fitting(one, width, weight))) {
      const own = word.reduce((sum, piece) => sum + piece.width, 0);
      if (used > 0 && used + space + own > width) close();
      used += (used > 0 ? space : 0) + own;
      words.push(word);
    }
    close();
    return found;
  }

  /** A word in pieces of one font each; one that is wider than the line in parts. */
  private fitting(word: string, width: number, weight: Weight): Piece[][] {
    const pieces = this.pieces(word, weight);
    const own = pieces.reduce((sum, piece) => sum + piece.width, 0);
    if (own <= width) return [pieces];
    const letters = [...LETTERS.segment(word)].map(({ segment }) => segment);
    if (letters.length < 2) return [pieces];
    const half = Math.ceil(letters.length / 2);
    return [letters.slice(0, half), letters.slice(half)].flatMap((part) => this.fitting(part.join(''), width, weight));
  }

  private pieces(word: string, weight: Weight): Piece[] {
    const [first] = this.names[weight];
    if (ASCII.test(word)) return [{ text: word, font: first!, width: this.widthOf(word, first!) }];
    const runs: { text: string; font: string }[] = [];
    for (const { segment } of LETTERS.segment(word)) {
      const font = this.fontFor(segment, weight) ?? first!;
      const last = runs.at(-1);
      if (last?.font === font) last.text += segment;
      else runs.push({ text: segment, font });
    }
    return runs.map(({ text, font }) => ({ text, font, width: this.widthOf(text, font) }));
  }

  /** Never a box that says nothing: `[U+9AD8 8840]` for letters in a row that no font has. */
  private shown(text: string, weight: Weight): string {
    if (ASCII.test(text)) return text;
    const found: string[] = [];
    let missing: string[] = [];
    const close = (): void => {
      if (missing.length > 0) found.push(`[U+${missing.join(' ')}]`);
      missing = [];
    };
    for (const { segment } of LETTERS.segment(text))
      if (/^\s+$/.test(segment) || this.fontFor(segment, weight) !== null) {
        close();
        found.push(segment);
      } else
        missing.push(...[...segment].map((one) => one.codePointAt(0)!.toString(16).toUpperCase().padStart(4, '0')));
    close();
    return found.join('');
  }

  /** Null: no font has it. */
  private fontFor(letter: string, weight: Weight): string | null {
    const key = `${weight}${letter}`;
    const known = this.choices.get(key);
    if (known !== undefined) return known;
    const names = this.names[weight];
    const found = names.find((name) => this.has(name, letter)) ?? null;
    if (found === null) this.isIncomplete = true;
    this.choices.set(key, found);
    return found;
  }

  private has(name: string, letter: string): boolean {
    // pdfkit has no public way to ask a font what it has.
    const { font } = (this.pdf.font(name) as unknown as { _font: EmbeddedFont })._font;
    return [...letter].every((one) => font?.hasGlyphForCodePoint(one.codePointAt(0)!) ?? false);
  }

  private widthOf(text: string, font: string): number {
    return this.pdf.font(font).widthOfString(text);
  }

  /** Runs of words from right to left are turned round. */
  private ordered(words: readonly Piece[][], isFromRight: boolean): TextLine {
    const texts = words.map((word) => word.map(({ text }) => text).join(''));
    const directions = texts.map((text) =>
      RIGHT_TO_LEFT.test(text) ? 'right' : FIRST_LETTER.test(text) ? 'left' : null,
    );
    const order = visualOrder(directions, isFromRight);
    const pieces = order.flatMap((at, place) => this.spaced(words[at]!, directions[at] === 'right', place > 0));
    return { pieces: merged(pieces), width: pieces.reduce((sum, piece) => sum + piece.width, 0), isFromRight };
  }

  private spaced(word: readonly Piece[], isReversed: boolean, isAfterAnother: boolean): Piece[] {
    const pieces = isReversed ? word.map(mirrored).toReversed() : [...word];
    if (!isAfterAnother) return pieces;
    const { font } = pieces[0]!;
    return [{ text: ' ', font, width: this.widthOf(' ', font) }, ...pieces];
  }
}

const MIRRORED: Readonly<Record<string, string>> = {
  '(': ')',
  ')': '(',
  '[': ']',
  ']': '[',
  '{': '}',
  '}': '{',
  '<': '>',
  '>': '<',
  '«': '»',
  '»': '«',
};

/** Brackets of a word from right to left open to the left (UAX #9, L4). */
const mirrored = (piece: Piece): Piece => ({
  ...piece,
  text: piece.text.replace(/[()[\]{}<>«»]/g, (one) => MIRRORED[one]!),
});

/** Words without letters (numbers, marks) go with those before them. */
function visualOrder(directions: readonly ('left' | 'right' | null)[], isFromRight: boolean): number[] {
  let last: 'left' | 'right' = isFromRight ? 'right' : 'left';
  const runs: { isRight: boolean; words: number[] }[] = [];
  directions.forEach((direction, at) => {
    last = direction ?? last;
    const run = runs.at(-1);
    if (run && run.isRight === (last === 'right')) run.words.push(at);
    else runs.push({ isRight: last === 'right', words: [at] });
  });
  const laid = isFromRight ? runs.toReversed() : runs;
  return laid.flatMap(({ isRight, words }) => (isRight ? words.toReversed() : words));
}

/** Neighbours in one font from left to right are one string: a page has thousands of words. */
function merged(pieces: readonly Piece[]): Piece[] {
  const found: Piece[] = [];
  for (const piece of pieces) {
    const last = found.at(-1);
    const isPlain = last?.font === piece.font && !RIGHT_TO_LEFT.test(last.text) && !RIGHT_TO_LEFT.test(piece.text);
    if (last && isPlain) {
      last.text += piece.text;
      last.width += piece.width;
    } else found.push({ ...piece });
  }
  return found;
}
