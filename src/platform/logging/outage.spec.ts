import { Writable } from 'node:stream';
import { expect, it } from '@jest/globals';
import { Logger } from './logger.js';
import { Outage } from './outage.js';

it('tells a failure that lasts when it begins, once a minute, and when it is over', () => {
  const lines: { level: number; msg: string; count: number; ms?: number }[] = [];
  const stream = new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      lines.push(JSON.parse(chunk.toString()) as (typeof lines)[number]);
      done();
    },
  });
  let now = 5_000;
  const outage = new Outage(Logger.to('info', stream), 'nothing works', () => now);

  outage.over();
  for (let second = 0; second <= 130; second++, now += 1_000) outage.failed(new Error('away'));
  outage.over();
  outage.over();
  outage.failed(new Error('away again'));

  expect(lines.map(({ level, msg, count, ms }) => [level, msg, count, ms])).toEqual([
    [50, 'nothing works', 1, undefined],
    [50, 'nothing works', 61, undefined],
    [50, 'nothing works', 121, undefined],
    [30, 'over: nothing works', 131, 131_000],
    [50, 'nothing works', 1, undefined],
  ]);
});
