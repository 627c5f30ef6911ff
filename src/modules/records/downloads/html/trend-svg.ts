import type { TrendView } from '../../chart.dto.js';
import { escaped } from '../escape.js';
import { plotOf, type PlotLine } from '../trend-plot.js';

const SIZE = { width: 560, height: 140 };
const EDGE = { left: 60, right: 20, top: 12, bottom: 24 };
/** Told apart without colour as well: by what stands at each point. */
const INKS = ['#0b5394', '#a64d00', '#38761d', '#741b47'];

const n = (value: number): string => value.toFixed(1);

function lineOf({ points }: PlotLine, at: number): string {
  const ink = INKS[at % INKS.length]!;
  const path = points.map(({ x, y }) => `${n(x)},${n(y)}`).join(' ');
  const dots = points.map(({ x, y }) =>
    at % 2 === 0
      ? `<circle cx="${n(x)}" cy="${n(y)}" r="3" fill="${ink}"/>`
      : `<rect x="${n(x - 3)}" y="${n(y - 3)}" width="6" height="6" fill="${ink}"/>`,
  );
  return `<polyline points="${path}" fill="none" stroke="${ink}" stroke-width="1.5"/>${dots.join('')}`;
}

/** The picture of a trend; its numbers stand in the table below it. Empty where there is nothing to draw. */
export function trendSvg(trend: TrendView): string {
  const plot = plotOf(trend, SIZE.width, SIZE.height);
  if (!plot) return '';
  const [width, height] = [SIZE.width + EDGE.left + EDGE.right, SIZE.height + EDGE.top + EDGE.bottom];
  const { range, lines, yLabels, xLabels, unit, alt } = plot;
  const band = range
    ? `<rect x="0" y="${n(range.top)}" width="${SIZE.width}" height="${n(range.bottom - range.top)}" fill="#d9ead3"/>`
    : '';
  const grid = yLabels.map(
    ({ y, text }) =>
      `<line x1="0" y1="${n(y)}" x2="${SIZE.width}" y2="${n(y)}" stroke="#c4ced5"/><text x="-8" y="${n(y + 4)}" text-anchor="end" font-size="12">${escaped(text)}</text>`,
  );
  const days = xLabels.map(
    ({ x, text }, at) =>
      `<text x="${n(x)}" y="${SIZE.height + 18}" text-anchor="${at === 0 ? 'start' : 'end'}" font-size="12">${escaped(text)}</text>`,
  );
  const marks = lines.map(
    ({ name }, at) =>
      `<span class="ink-${at % INKS.length}">${at % 2 === 0 ? '●' : '■'}</span> ${escaped(name === '' ? 'result' : name)}`,
  );
  const key = [...marks, ...(range ? ['<span class="range">■</span> reference range'] : [])];
  const inUnit = unit === '' ? '' : ` (${escaped(unit)})`;
  return (
    `<figure><figcaption dir="auto">${key.join(' &nbsp; ')}${inUnit}</figcaption>` +
    `<svg role="img" aria-label="${escaped(alt)}" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}">` +
    `<g transform="translate(${EDGE.left} ${EDGE.top})">${band}${grid.join('')}${lines.map(lineOf).join('')}${days.join('')}</g></svg></figure>`
  );
}
