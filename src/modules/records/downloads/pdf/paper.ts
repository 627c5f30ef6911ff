import type { PdfText, TextLine } from './text.js';

type Pdf = PDFKit.PDFDocument;
export type Element = PDFKit.PDFStructureElement;

const MARGIN = 48;
const FOOT = 28;
const INK = '#1a1a1a';
const RULE = '#8a99a5';
const PAD = 3;
const CELL = 8.5;
const REST = '… There is more of it in the page in HTML.';

/** Of a table: share of the width, and what stands above. */
export interface Column {
  head: string;
  share: number;
}

interface CellText {
  lines: TextLine[];
  isHead: boolean;
}

/** Pages of a tagged document: flowing text, tables whose head stands on each page, figures. Tags are flushed as soon as they end. */
export class Paper {
  readonly width: number;
  readonly root: Element;
  private section: Element;
  private page = 1;

  readonly pdf: Pdf;
  readonly text: PdfText;
  private readonly foot: string;

  constructor(pdf: Pdf, text: PdfText, foot: string) {
    this.pdf = pdf;
    this.text = text;
    this.foot = foot;
    this.width = pdf.page.width - 2 * MARGIN;
    this.root = pdf.struct('Document');
    pdf.addStructure(this.root);
    this.section = this.root;
    pdf.y = MARGIN;
  }

  get left(): number {
    return MARGIN;
  }

  /** What follows belongs to a section of its own. */
  begin(): void {
    this.end();
    this.section = this.pdf.struct('Sect');
    this.root.add(this.section);
  }

  end(): void {
    if (this.section !== this.root) this.section.end();
    this.section = this.root;
  }

  /** A heading or paragraph; `keep`: height that must follow it on the same page. */
  flow(
    tag: 'H1' | 'H2' | 'H3' | 'P',
    text: string,
    options: { size: number; bold?: boolean; gap?: number; keep?: number },
  ): void {
    const { size, bold = false, gap = 6, keep = 0 } = options;
    const lines = this.text.lines(text, { size, width: this.width, weight: bold ? 'bold' : 'plain' });
    const height = this.text.lineHeight(size);
    this.room(height * Math.min(lines.length, 3) + keep);
    const element = this.pdf.struct(tag);
    this.section.add(element);
    for (const line of lines) {
      this.room(height);
      const { y } = this.pdf;
      element.add(this.written(line, this.left, y, size, this.width));
      this.pdf.y = y + height;
    }
    element.end();
    this.pdf.y += gap;
  }

  /** A picture with words for whoever does not see it. */
  figure(alt: string, height: number, draw: (x: number, y: number) => void): void {
    this.room(height);
    const { y } = this.pdf;
    const figure = this.pdf.struct('Figure', { alt }, () => draw(this.left, y));
    this.section.add(figure);
    this.pdf.y = y + height + 6;
  }

  /** The first cell of a row names it. Cells are texts, each paragraph on a line of its own. */
  table(columns: readonly Column[], rows: readonly (readonly string[])[]): void {
    const table = this.pdf.struct('Table');
    this.section.add(table);
    const widths = columns.map(({ share }) => share * this.width);
    const head = this.cells(
      columns.map((column) => column.head),
      widths,
      () => true,
    );
    this.room(this.heightOf(head) + 40);
    this.row(table, head, widths, true);
    for (const texts of rows) {
      const cells = this.cells(texts, widths, (at) => at === 0);
      const before = this.page;
      this.room(this.heightOf(cells));
      if (this.page !== before) this.repeat(head, widths);
      this.row(table, cells, widths, false);
    }
    table.end();
    this.pdf.y += 10;
  }

  /** The document is whole. */
  done(): void {
    this.end();
    this.footer();
    this.root.end();
  }

  private cells(texts: readonly string[], widths: readonly number[], isHead: (at: number) => boolean): CellText[] {
    return texts.map((text, at) => {
      const how = { size: CELL, width: widths[at]! - 2 * PAD, weight: isHead(at) ? 'bold' : 'plain' } as const;
      const lines = this.text.lines(text, how);
      const most = this.mostLines;
      if (lines.length <= most) return { isHead: isHead(at), lines };
      const rest = this.text.lines(REST, how);
      return { isHead: isHead(at), lines: [...lines.slice(0, most - rest.length), ...rest] };
    });
  }

  /** A row stands on one page: a panel of fifty parts is too long for it, and says so. */
  private get mostLines(): number {
    return Math.floor((this.bottom - MARGIN - 60) / this.text.lineHeight(CELL));
  }

  private get bottom(): number {
    return this.pdf.page.height - MARGIN - FOOT;
  }

  private heightOf(cells: readonly CellText[]): number {
    return Math.max(1, ...cells.map(({ lines }) => lines.length)) * this.text.lineHeight(CELL) + 2 * PAD;
  }

  private row(table: Element, cells: readonly CellText[], widths: readonly number[], isFirst: boolean): void {
    const { y } = this.pdf;
    const height = this.heightOf(cells);
    const row = this.pdf.struct('TR');
    table.add(row);
    this.rule(y + height, isFirst ? y : null, height);
    let x = this.left;
    cells.forEach(({ lines, isHead }, at) => {
      const own = x;
      // The types do not know the scope of a head yet.
      const options = (isHead ? { scope: isFirst ? 'Column' : 'Row' } : {}) as object;
      const write = (): void => this.put(lines, own + PAD, y + PAD, widths[at]! - 2 * PAD);
      row.add(this.pdf.struct(isHead ? 'TH' : 'TD', options, write));
      x += widths[at]!;
    });
    row.end();
    this.pdf.y = y + height;
  }

  /** On the next page for the eye alone: it is one table. */
  private repeat(head: readonly CellText[], widths: readonly number[]): void {
    const { y } = this.pdf;
    const height = this.heightOf(head);
    this.rule(y + height, y, height);
    this.pdf.markContent('Artifact', { type: 'Pagination' });
    let x = this.left;
    head.forEach(({ lines }, at) => {
      this.put(lines, x + PAD, y + PAD, widths[at]! - 2 * PAD);
      x += widths[at]!;
    });
    this.pdf.endMarkedContent();
    this.pdf.y = y + height;
  }

  private rule(y: number, shadedFrom: number | null, height: number): void {
    const { pdf } = this;
    pdf.markContent('Artifact', { type: 'Layout' });
    if (shadedFrom !== null) pdf.rect(this.left, shadedFrom, this.width, height).fill('#e4edf2');
    pdf
      .moveTo(this.left, y)
      .lineTo(this.left + this.width, y)
      .lineWidth(0.5)
      .stroke(RULE);
    pdf.endMarkedContent();
  }

  private put(lines: readonly TextLine[], x: number, y: number, width: number): void {
    this.pdf.fillColor(INK);
    lines.forEach((line, at) => this.text.write(line, x, y + at * this.text.lineHeight(CELL), { size: CELL, width }));
  }

  private written(line: TextLine, x: number, y: number, size: number, width: number): () => void {
    return () => {
      this.pdf.fillColor(INK);
      this.text.write(line, x, y, { size, width });
    };
  }

  /** A new page where there is not so much height left. */
  private room(height: number): void {
    if (this.pdf.y + height <= this.bottom || this.pdf.y <= MARGIN) return;
    this.footer();
    this.pdf.addPage();
    this.pdf.y = MARGIN;
    this.page++;
  }

  private footer(): void {
    const { pdf } = this;
    const y = pdf.page.height - MARGIN;
    const size = 8;
    const [line] = this.text.lines(`${this.foot} · page ${this.page}`, { size, width: this.width });
    pdf.markContent('Artifact', { type: 'Pagination' });
    pdf.fillColor('#555555');
    if (line) this.text.write(line, this.left, y, { size, width: this.width });
    pdf.endMarkedContent();
  }
}
