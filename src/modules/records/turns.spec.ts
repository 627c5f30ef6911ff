import { expect, it } from '@jest/globals';
import { Turns, TurnsOfEach } from './turns.js';

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

it('leaves room for others, whoever takes all the turns of their own', async () => {
  const busy = () => new Error('busy');
  const turns = new TurnsOfEach({ running: 1, waiting: 1 }, new Turns({ running: 2, waiting: 0 }, busy), busy);
  const gate = Promise.withResolvers<void>();
  const greedy = [1, 2, 3].map((n) => turns.take('greedy', () => gate.promise.then(() => n)));
  await expect(greedy[2]).rejects.toThrow('busy');
  expect(await turns.take('modest', () => Promise.resolve('served'))).toBe('served');
  const another = turns.take('another', () => gate.promise);
  await expect(turns.take('one too many', () => gate.promise)).rejects.toThrow('busy');
  gate.resolve();
  await another;
  expect(await Promise.all(greedy.slice(0, 2))).toEqual([1, 2]);
});
