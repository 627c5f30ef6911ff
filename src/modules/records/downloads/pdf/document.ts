import type { TrendView } from '../../chart.dto.js';
import type { LineView } from '../../record.dto.js';
import { madeWords, NOTICE, originWords, saidOf, typeWords, valueWords, whenOf } from '../printed.js';
import { Paper, type Column } from './paper.js';
import { PdfText } from './text.js';
import { drawTrend } from './trend.js';

const LINE: readonly Column[] = [
  { head: 'What', share: 0.3 },
  { head: 'Since or on', share: 0.14 },
  { head: 'Details', share: 0.34 },
  { head: 'Source', share: 0.22 },
];
const RECORD: readonly Column[] = [
  { head: 'What', share: 0.28 },
  { head: 'Kind', share: 0.13 },
  { head: 'Date', share: 0.13 },
  { head: 'Details', share: 0.28 },
  { head: 'Source', share: 0.18 },
];
const RESULT: readonly Column[] = [
  { head: 'Date', share: 0.25 },
  { head: 'Result', share: 0.75 },
];

const details = (line: LineView): string => {
  const said = saidOf(line);
  const { statusText } = line;
  const isSaid = said.some((one) => one.endsWith(`status: ${statusText}`));
  return [...said, ...(statusText && !isSaid ? [statusText] : [])].join('\n');
};
const lineRow = (line: LineView): string[] => [line.display, whenOf(line), details(line), originWords(line)];
const recordRow = (line: LineView): string[] => [
  line.display,
  typeWords(line.type),
  whenOf(line),
  details(line),
  originWords(line),
];

function trendRows({ points }: TrendView): string[][] {
  return points.toReversed().map(({ at, effectiveText, value, parts }) => {
    const said = [
      ...(value ? [value] : []).map(valueWords),
      ...parts.map((one) => `${one.display}: ${valueWords(one.value)}`),
    ];
    return [whenOf({ effectiveAt: at, effectiveText }), said.join('\n')];
  });
}

function heading(paper: Paper, text: string, keep: number): void {
  paper.begin();
  paper.pdf.y += 8;
  paper.flow('H2', text, { size: 14, bold: true, keep });
}

function trends(paper: Paper, title: string, all: readonly TrendView[]): void {
  heading(paper, title, all.length > 0 ? 200 : 40);
  if (all.length === 0) paper.flow('P', 'No information.', { size: 10 });
  for (const trend of all) {
    paper.flow('H3', trend.display || 'Result', { size: 11, bold: true, keep: 150 });
    drawTrend(paper, trend);
    paper.table(RESULT, trendRows(trend));
  }
}

/** What has been written so far; the rest is to come. */
function* written(pdf: PDFKit.PDFDocument): Generator<Buffer> {
  for (let chunk: Buffer | null; (chunk = pdf.read() as Buffer | null) !== null;) yield chunk;
}

/** What a document begins with. */
export interface PdfHead {
  title: string;
  hospital: string;
  /** Empty where it is not told. */
  birthDate: string;
  madeAt: Date;
  scope: string;
  paper: 'A4' | 'LETTER';
  fontFiles: readonly string[];
}

/** The chart at a glance, for paper. */
export interface PdfGlance {
  sections: { title: string; lines: readonly LineView[] }[];
  vitals: readonly TrendView[];
  labs: readonly TrendView[];
}

/** Where the rest comes from, asked for when it is needed. */
export interface PdfSource {
  glance(): Promise<PdfGlance>;
  pages(): AsyncIterable<readonly LineView[]>;
}

/** A tagged PDF (ISO 14289-1: title, language, structure, heads of tables, words for pictures), given out while it is written. */
export async function* pdfOf(head: PdfHead, source: PdfSource): AsyncGenerator<Buffer> {
  const { title, hospital, birthDate, madeAt, scope } = head;
  const { default: PDFDocument } = await import('pdfkit');
  const pdf = new PDFDocument({
    ...{ size: head.paper, margin: 48, pdfVersion: '1.7', tagged: true, lang: 'en', displayTitle: true },
    info: { Title: title, Author: hospital, CreationDate: madeAt, ModDate: madeAt },
  });
  const text = new PdfText(pdf, head.fontFiles);
  const paper = new Paper(pdf, text, title);
  paper.flow('H1', title, { size: 20, bold: true, gap: 8 });
  if (birthDate !== '') paper.flow('P', `Born ${birthDate}.`, { size: 10, gap: 2 });
  paper.flow('P', `From ${hospital}, made ${madeWords(madeAt)}.`, { size: 10, gap: 2 });
  paper.flow('P', `${scope}.`, { size: 10, gap: 2 });
  paper.flow('P', NOTICE, { size: 10 });
  const { sections, vitals, labs } = await source.glance();
  for (const { title, lines } of sections) {
    heading(paper, title, 50);
    if (lines.length === 0) paper.flow('P', 'No information.', { size: 10 });
    else paper.table(LINE, lines.map(lineRow));
  }
  trends(paper, 'Vital signs', vitals);
  trends(paper, 'Laboratory results', labs);
  yield* written(pdf);
  heading(paper, 'All records', 50);
  for await (const views of source.pages()) {
    paper.table(RECORD, views.map(recordRow));
    yield* written(pdf);
  }
  if (text.isIncomplete)
    paper.flow(
      'P',
      'Some letters of this record are of scripts that no font of this document has: their numbers in Unicode stand in brackets in their place. The page in HTML and the FHIR Bundle have the letters.',
      { size: 10 },
    );
  paper.done();
  pdf.end();
  for await (const chunk of pdf) yield chunk as Buffer;
}
