import type { TrendView } from '../../chart.dto.js';
import { plotOf, type PlotLine } from '../trend-plot.js';
import type { Paper } from './paper.js';

const SIZE = { width: 350, height: 90 };
const EDGE = { left: 56, top: 16, bottom: 20 };
const INKS = ['#0b5394', '#a64d00', '#38761d', '#741b47'];
const SMALL = 7.5;

/** The picture of a trend; nothing where there is nothing to draw. Its numbers stand in the table that follows. */
export function drawTrend(paper: Paper, trend: TrendView): void {
  const plot = plotOf(trend, SIZE.width, SIZE.height);
  if (!plot) return;
  const { pdf, text } = paper;
  const names = plot.lines.filter(({ name }) => name !== '');
  paper.figure(plot.alt, SIZE.height + EDGE.top + EDGE.bottom, (left, top) => {
    const [x0, y0] = [left + EDGE.left, top + EDGE.top];
    const label = (words: string, x: number, y: number, width: number, isRight = false): void => {
      const [line] = text.lines(words, { size: SMALL, width });
      if (!line) return;
      pdf.fillColor('#333333');
      text.write(line, isRight ? x + width - line.width : x, y, { size: SMALL, width: line.width });
    };
    const key = (words: string, y: number): number => {
      const box = { size: SMALL, width: paper.width - EDGE.left - SIZE.width - 17 };
      const lines = text.lines(words, box).slice(0, 3);
      pdf.fillColor('#333333');
      lines.forEach((line, at) => text.write(line, x0 + SIZE.width + 17, y + at * text.lineHeight(SMALL), box));
      return y + Math.max(lines.length, 1) * text.lineHeight(SMALL) + 2;
    };
    if (plot.range) pdf.rect(x0, y0 + plot.range.top, SIZE.width, plot.range.bottom - plot.range.top).fill('#d9ead3');
    for (const { y, text: words } of plot.yLabels) {
      pdf
        .moveTo(x0, y0 + y)
        .lineTo(x0 + SIZE.width, y0 + y)
        .lineWidth(0.4)
        .stroke('#c4ced5');
      label(words, left, y0 + y - SMALL / 2, EDGE.left - 6, true);
    }
    plot.lines.forEach((line, at) => drawLine(paper, line, at, x0, y0));
    plot.xLabels.forEach(({ x, text: words }, at) =>
      label(words, at === 0 ? x0 : x0 + x - 80, y0 + SIZE.height + 6, 80, at > 0),
    );
    label(plot.unit, left, top, EDGE.left + SIZE.width);
    let y = y0;
    for (const [at, { name }] of names.entries()) {
      drawMark(paper, at, x0 + SIZE.width + 10, y + 4);
      y = key(name, y);
    }
    if (plot.range) {
      pdf.rect(x0 + SIZE.width + 7, y + 1, 7, 7).fill('#d9ead3');
      key('reference range', y);
    }
  });
}

function drawLine({ pdf }: Paper, { points }: PlotLine, at: number, x0: number, y0: number): void {
  const ink = INKS[at % INKS.length]!;
  points.forEach(({ x, y }, place) => (place === 0 ? pdf.moveTo(x0 + x, y0 + y) : pdf.lineTo(x0 + x, y0 + y)));
  pdf.lineWidth(1.2).stroke(ink);
  for (const { x, y } of points) drawMark({ pdf }, at, x0 + x, y0 + y);
}

/** Told apart without colour as well. */
function drawMark({ pdf }: Pick<Paper, 'pdf'>, at: number, x: number, y: number): void {
  const ink = INKS[at % INKS.length]!;
  if (at % 2 === 0) pdf.circle(x, y, 2).fill(ink);
  else pdf.rect(x - 2, y - 2, 4, 4).fill(ink);
}
