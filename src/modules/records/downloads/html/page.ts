import type { TrendView } from '../../chart.dto.js';
import { SECTION_NAMES } from '../../chart.service.js';
import type { LineView } from '../../record.dto.js';
import { escaped } from '../escape.js';
import {
  madeWords,
  NOTICE,
  originWords,
  saidOf,
  scopeWords,
  SECTION_TITLES,
  typeWords,
  valueWords,
  whenOf,
  type Printed,
} from '../printed.js';
import { STYLE } from './style.js';
import { trendSvg } from './trend-svg.js';

/** Even if markup got through, a browser would run, load and send nothing. */
const POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

/** Its own direction: names and words may be of any script. */
const cell = (text: string, mark = ''): string => `<td${mark} dir="auto">${escaped(text)}</td>`;

/** For narrow screens, where a row stands as a list of its cells. */
const named = (head: string): string => ` data-head="${head}"`;

const listed = (texts: readonly string[], head: string): string =>
  texts.length < 2
    ? cell(texts[0] ?? '', named(head))
    : `<td${named(head)}><ul>${texts.map((text) => `<li dir="auto">${escaped(text)}</li>`).join('')}</ul></td>`;

function table(caption: string, heads: readonly string[], rows: Iterable<string>): string {
  const head = heads.map((text) => `<th scope="col">${escaped(text)}</th>`).join('');
  return `<div class="scroll"><table><caption>${escaped(caption)}</caption><thead><tr>${head}</tr></thead><tbody>${[...rows].join('\n')}</tbody></table></div>`;
}

const restOf = (line: LineView): string =>
  `${listed(saidOf(line), 'Details')}${cell(line.statusText ?? '', named('Status'))}${cell(originWords(line), named('Source'))}`;

const rowOf = (line: LineView): string =>
  `<tr><th scope="row" dir="auto">${escaped(line.display)}</th>${cell(whenOf(line), ` class="when"${named('Since or on')}`)}${restOf(line)}</tr>`;

function sectionOf(id: string, title: string, lines: readonly LineView[]): string {
  const inner =
    lines.length === 0
      ? '<p>No information.</p>'
      : table(title, ['What', 'Since or on', 'Details', 'Status', 'Source'], lines.map(rowOf));
  return `<section aria-labelledby="${id}"><h2 id="${id}">${escaped(title)}</h2>${inner}</section>\n`;
}

function trendOf(trend: TrendView): string {
  const rows = trend.points.toReversed().map(({ at, effectiveText, value, parts }) => {
    const said = [
      ...(value ? [valueWords(value)] : []),
      ...parts.map((one) => `${one.display}: ${valueWords(one.value)}`),
    ];
    return `<tr><th scope="row" class="when">${escaped(whenOf({ effectiveAt: at, effectiveText }))}</th>${listed(said, 'Result')}</tr>`;
  });
  return `<h3 dir="auto">${escaped(trend.display)}</h3>${trendSvg(trend)}${table(trend.display, ['Date', 'Result'], rows)}`;
}

function trendsOf(id: string, title: string, trends: readonly TrendView[]): string {
  const inner = trends.length === 0 ? '<p>No information.</p>' : trends.map(trendOf).join('\n');
  return `<section aria-labelledby="${id}"><h2 id="${id}">${escaped(title)}</h2>${inner}</section>\n`;
}

function headOf({ hospital, person, madeAt, job }: Printed): string {
  const title = `Health record${person.name === '' ? '' : ` of ${person.name}`}`;
  const links = [
    ...SECTION_NAMES.map((name) => [name, SECTION_TITLES[name]] as const),
    ...([
      ['vitals', 'Vital signs'],
      ['labs', 'Laboratory results'],
      ['records', 'All records'],
    ] as const),
  ].map(([id, text]) => `<li><a href="#${id}">${text}</a></li>`);
  return (
    `<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="${POLICY}">` +
    `<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="referrer" content="no-referrer">` +
    `<title>${escaped(title)}</title><style>${STYLE}</style></head>\n<body><a class="skip" href="#content">To the content</a>` +
    `<header><h1 dir="auto">${escaped(title)}</h1><p>${escaped([person.birthDate && `Born ${person.birthDate}.`, `From ${hospital}, made ${madeWords(madeAt)}.`].filter(Boolean).join(' '))}</p>` +
    `<p>${escaped(scopeWords(job))}.</p><p class="notice">${escaped(NOTICE)}</p></header>` +
    `<nav aria-label="Sections"><ul>${links.join('')}</ul></nav><main id="content">\n`
  );
}

const HEADS = ['What', 'Kind', 'Date', 'Details', 'Status', 'Source'];

const recordRow = (line: LineView): string =>
  `<tr><th scope="row" dir="auto">${escaped(line.display)}</th>${cell(typeWords(line.type), named('Kind'))}${cell(whenOf(line), ` class="when"${named('Date')}`)}${restOf(line)}</tr>`;

/** A page without a script that a browser shows and prints by itself, written while it is read. */
export async function* pageOf(printed: Printed): AsyncGenerator<string> {
  const { sections, vitals, labs } = await printed.glance();
  yield headOf(printed);
  for (const name of SECTION_NAMES) yield sectionOf(name, SECTION_TITLES[name], sections[name]);
  yield trendsOf('vitals', 'Vital signs', vitals);
  yield trendsOf('labs', 'Laboratory results', labs);
  yield '<section aria-labelledby="records"><h2 id="records">All records</h2>\n';
  let year: string | null = null;
  for await (const views of printed.pages())
    for (const [own, lines] of Map.groupBy(views, (view) => whenOf(view).slice(0, 4) || 'Undated')) {
      // A table for each page of each year: a reader is never lost in one of thousands of rows.
      if (own !== year) yield `<h3>${escaped(own)}</h3>\n`;
      year = own;
      yield `${table(`Records: ${own}`, HEADS, lines.map(recordRow))}\n`;
    }
  if (year === null) yield '<p>No information.</p>';
  yield '</section></main></body></html>\n';
}
