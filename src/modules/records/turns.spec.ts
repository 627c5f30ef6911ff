import { expect, it } from '@jest/globals';
import { Turns } from './turns.js';

it('runs some, lets some wait in order, refuses the rest, and recovers from failures', async () => {
  const turns = new Turns({ running: 2, waiting: 2 }, () => new Error('busy'));
  const log: string[] = [];
  const gates = new Map<string, () => void>();
  const work = (name: string) => () =>
    new Promise<void>((resolve, reject) => {
      log.push(name);
      gates.set(name, name === 'b' ? () => reject(new Error('failed')) : resolve);
    });
  const all = ['a', 'b', 'c', 'd', 'e'].map((name) =>
    turns.take(work(name)).then(
      () => 'done',
      (error: Error) => error.message,
    ),
  );
  expect(await all[4]).toBe('busy');
  expect(log).toEqual(['a', 'b']);
  gates.get('b')!();
  expect(await all[1]).toBe('failed');
  expect(log).toEqual(['a', 'b', 'c']);
  gates.get('a')!();
  await all[0];
  gates.get('c')!();
  gates.get('d')!();
  expect(await Promise.all(all)).toEqual(['done', 'failed', 'done', 'done', 'busy']);
  expect(await turns.take(() => Promise.resolve('free'))).toBe('free');
});
