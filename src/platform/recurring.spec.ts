import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import type { Outage } from './logging/outage.js';
import { Recurring } from './recurring.js';

const outage = { failed: jest.fn(), over: jest.fn() };
const options = { everyMs: 100, afterFailureMs: 1_000, outage: outage as unknown as Outage };

/** Work whose turns end when the test says so. */
function byHand() {
  const turns: PromiseWithResolvers<void>[] = [];
  const recurring = new Recurring(() => {
    const turn = Promise.withResolvers<void>();
    turns.push(turn);
    return turn.promise;
  }, options);
  return { recurring, turns };
}

describe('recurring work', () => {
  beforeEach(() => {
    jest.useFakeTimers();
    outage.failed.mockClear();
    outage.over.mockClear();
  });
  afterEach(() => {
    jest.useRealTimers();
  });

  it('has its next turn so long after the end of the one before', async () => {
    const { recurring, turns } = byHand();
    recurring.start();
    await jest.advanceTimersByTimeAsync(99);
    expect(turns).toHaveLength(0);
    await jest.advanceTimersByTimeAsync(1_000);
    expect(turns).toHaveLength(1);
    turns[0]!.resolve();
    await jest.advanceTimersByTimeAsync(99);
    expect(turns).toHaveLength(1);
    await jest.advanceTimersByTimeAsync(1);
    expect(turns).toHaveLength(2);
  });

  it('tells of a turn that fails, and comes again after its own time', async () => {
    const { recurring, turns } = byHand();
    recurring.start(0);
    await jest.advanceTimersByTimeAsync(0);
    const error = new Error('away');
    turns[0]!.reject(error);
    await jest.advanceTimersByTimeAsync(999);
    expect(outage.failed.mock.calls).toEqual([[error]]);
    expect(turns).toHaveLength(1);
    await jest.advanceTimersByTimeAsync(1);
    turns[1]!.resolve();
    await jest.advanceTimersByTimeAsync(0);
    expect(outage.over).toHaveBeenCalledTimes(1);
  });

  it('never has two turns at once, and forgets no waking', async () => {
    const { recurring, turns } = byHand();
    recurring.start(0);
    await jest.advanceTimersByTimeAsync(0);
    recurring.wake();
    recurring.wake();
    await jest.advanceTimersByTimeAsync(50);
    expect(turns).toHaveLength(1);
    turns[0]!.resolve();
    await jest.advanceTimersByTimeAsync(0);
    expect(turns).toHaveLength(2);
    // Woken in the very moment in which a turn ends and sets the next one for later.
    turns[1]!.resolve();
    recurring.wake();
    await jest.advanceTimersByTimeAsync(0);
    expect(turns).toHaveLength(3);
  });

  it('lets whoever asks for a turn hear of its failure', async () => {
    const { recurring, turns } = byHand();
    const asked = recurring.run();
    await jest.advanceTimersByTimeAsync(0);
    turns[0]!.reject(new Error('away'));
    await expect(asked).rejects.toThrow('away');
    expect(outage.failed).not.toHaveBeenCalled();
  });

  it('stops with the turn under way, and has none after it', async () => {
    const { recurring, turns } = byHand();
    recurring.start(0);
    await jest.advanceTimersByTimeAsync(0);
    const ended = jest.fn();
    const stopping = recurring.stop().then(ended);
    recurring.wake();
    await jest.advanceTimersByTimeAsync(5_000);
    expect([recurring.isStopped, ended.mock.calls.length, turns.length]).toEqual([true, 0, 1]);
    turns[0]!.resolve();
    await stopping;
    await recurring.run();
    await jest.advanceTimersByTimeAsync(5_000);
    expect(turns).toHaveLength(1);
  });
});
