import type { TrendView } from './chart.dto.js';
import type { LineView } from './record.dto.js';

/** Results by what was measured, from lines that come by code and latest first. A result without a code is a trend of its own. */
export function trendsOf(lines: readonly LineView[]): TrendView[] {
  const groups = Map.groupBy(lines, ({ code, id }) => code ?? id);
  return [...groups.values()].map((group) => {
    const latest = group[0]!;
    return {
      code: latest.code,
      display: latest.display,
      latest,
      unit: unitOf(group),
      points: group
        .filter(({ value, parts }) => value !== null || parts.length > 0)
        .map(({ id, effectiveAt, effectiveText, status, value, parts }) => ({
          id,
          at: effectiveAt,
          effectiveText,
          status,
          value,
          parts,
        }))
        .reverse(),
    };
  });
}

/** Points in several units are not one line: whoever plots them must see that. */
function unitOf(lines: readonly LineView[]): string | null {
  const units = new Set(
    lines.flatMap(({ value, parts }) =>
      [value, ...parts.map((part) => part.value)].flatMap((one) => (one?.number === undefined ? [] : [one.unit ?? ''])),
    ),
  );
  const [unit = ''] = units.size === 1 ? units : [];
  return unit === '' ? null : unit;
}
