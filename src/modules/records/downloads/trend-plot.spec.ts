import { describe, expect, it } from '@jest/globals';
import type { TrendView } from '../chart.dto.js';
import { plotOf } from './trend-plot.js';

const trend = (points: [string, string | undefined, string?][], more: object = {}): TrendView =>
  ({
    display: 'Potassium',
    points: points.map(([at, number, unit = 'mmol/L']) => ({
      ...{ id: at, at, effectiveText: at.slice(0, 10), status: 'final', parts: [] },
      value: { text: `${number} ${unit}`, number, unit, ...more },
    })),
  }) as unknown as TrendView;

describe('a plot', () => {
  it('has its points in the box, the earliest to the left and the largest above, and its numbers as they were sent', () => {
    const plot = plotOf(
      trend([
        ['2025-01-01T00:00:00Z', '4.10'],
        ['2025-01-03T00:00:00Z', '5.60'],
        ['2025-01-05T00:00:00Z', '5.0'],
      ]),
      100,
      50,
    )!;
    const [line] = plot.lines;
    expect(line!.points.map(({ x }) => x)).toEqual([0, 50, 100]);
    expect(line!.points.map(({ label }) => label)).toEqual(['4.10', '5.60', '5.0']);
    const ys = line!.points.map(({ y }) => y);
    expect(Math.min(...ys)).toBe(ys[1]);
    for (const y of ys) expect(y > 0 && y < 50).toBe(true);
    expect(plot.alt).toBe('Potassium: 3 results from 4.10 mmol/L on 2025-01-01 to 5.0 mmol/L on 2025-01-05 (mmol/L).');
  });

  it('shows the range of the latest within it', () => {
    const plot = plotOf(
      trend(
        [
          ['2025-01-01T00:00:00Z', '9'],
          ['2025-01-02T00:00:00Z', '8'],
        ],
        { low: '3.50', high: '5.0' },
      ),
      100,
      50,
    )!;
    expect(plot.range!.top).toBeLessThan(plot.range!.bottom);
    expect(plot.range!.bottom).toBeLessThan(50);
  });

  it('is none of one number, of words, or of several units', () => {
    expect(plotOf(trend([['2025-01-01T00:00:00Z', '1']]), 100, 50)).toBeNull();
    expect(
      plotOf(
        trend([
          ['2025-01-01T00:00:00Z', undefined],
          ['2025-01-02T00:00:00Z', undefined],
        ]),
        100,
        50,
      ),
    ).toBeNull();
    expect(
      plotOf(
        trend([
          ['2025-01-01T00:00:00Z', '1', 'g'],
          ['2025-01-02T00:00:00Z', '2', 'kg'],
        ]),
        100,
        50,
      ),
    ).toBeNull();
  });

  it('of equal numbers at one instant is a line all the same', () => {
    const plot = plotOf(
      trend([
        ['2025-01-01T00:00:00Z', '1'],
        ['2025-01-01T00:00:00Z', '1'],
      ]),
      100,
      50,
    )!;
    for (const { x, y } of plot.lines[0]!.points) expect([x, Number.isFinite(y)]).toEqual([50, true]);
  });
});
