import type { TrendView } from '../chart.dto.js';
import type { ValueView } from '../record.dto.js';

export interface PlotPoint {
  x: number;
  y: number;
  /** The number as its sender wrote it. */
  label: string;
}

export interface PlotLine {
  /** Empty where there is only one. */
  name: string;
  points: PlotPoint[];
}

/** A trend in a box of width and height; y grows downwards. */
export interface Plot {
  lines: PlotLine[];
  /** Of the range that the latest result was sent with. */
  range: { top: number; bottom: number } | null;
  yLabels: { y: number; text: string }[];
  xLabels: { x: number; text: string }[];
  /** Empty where the numbers have none. */
  unit: string;
  /** The same in words, for whoever does not see it. */
  alt: string;
}

interface Measured {
  at: number;
  day: string;
  value: ValueView;
}

const numberOf = ({ number }: ValueView): number | null => {
  const parsed = number === undefined ? NaN : Number(number);
  return Number.isFinite(parsed) ? parsed : null;
};

/** Results by line: the value itself, or each part of it (systolic, diastolic). */
function measured({ points }: TrendView): Map<string, Measured[]> {
  const found = new Map<string, Measured[]>();
  for (const { at, effectiveText, value, parts } of points) {
    if (at === null) continue;
    const named = [...(value ? [{ display: '', value }] : []), ...parts];
    for (const { display, value: one } of named) {
      if (numberOf(one) === null) continue;
      const line = found.get(display) ?? [];
      line.push({ at: Date.parse(at), day: (effectiveText ?? at).slice(0, 10), value: one });
      found.set(display, line);
    }
  }
  return found;
}

/** Digits enough to tell the ends apart, and no more. */
const shown = (value: number): string => String(Number(value.toPrecision(3)));

/** Null where there is nothing to draw: fewer than two numbers, or numbers in several units, which are not one line. */
export function plotOf(trend: TrendView, width: number, height: number): Plot | null {
  const lines = measured(trend);
  const all = [...lines.values()].flat();
  const units = new Set(all.map(({ value }) => value.unit ?? ''));
  if (units.size !== 1 || ![...lines.values()].some((line) => line.length > 1)) return null;
  const range = lines.size === 1 ? rangeOf(all.at(-1)!.value) : null;
  const values = [...all.map(({ value }) => numberOf(value)!), ...(range ?? [])];
  const [low, high] = padded(Math.min(...values), Math.max(...values));
  const first = Math.min(...all.map(({ at }) => at));
  const last = Math.max(...all.map(({ at }) => at));
  const x = (at: number): number => (last === first ? width / 2 : ((at - first) / (last - first)) * width);
  const y = (value: number): number => height - ((value - low) / (high - low)) * height;
  const [unit] = units;
  const days = all.map(({ day }) => day).sort();
  return {
    lines: [...lines].map(([name, points]) => ({
      name,
      points: points.map(({ at, value }) => ({ x: x(at), y: y(numberOf(value)!), label: value.number! })),
    })),
    range: range && { top: y(range[1]), bottom: y(range[0]) },
    yLabels: [low, (low + high) / 2, high].map((value) => ({ y: y(value), text: shown(value) })),
    xLabels: [
      { x: 0, text: days[0]! },
      { x: width, text: days.at(-1)! },
    ],
    unit: unit ?? '',
    alt: `${trend.display}: ${[...lines].map(([name, points]) => told(name, points, unit ?? '')).join('; ')}.`,
  };
}

const told = (name: string, points: readonly Measured[], unit: string): string =>
  `${name === '' ? '' : `${name} `}${points.length} results from ${points[0]!.value.text} on ${points[0]!.day} to ${points.at(-1)!.value.text} on ${points.at(-1)!.day}${unit === '' ? '' : ` (${unit})`}`;

function rangeOf({ low, high }: ValueView): [number, number] | null {
  const [from, to] = [Number(low ?? NaN), Number(high ?? NaN)];
  return Number.isFinite(from) && Number.isFinite(to) && from < to ? [from, to] : null;
}

/** A little room above and below, and never a line without height. */
function padded(low: number, high: number): [number, number] {
  const room = high > low ? (high - low) * 0.08 : Math.max(Math.abs(high) * 0.1, 1);
  return [low - room, high + room];
}
