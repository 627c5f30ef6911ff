import type { IncomingMessage } from 'node:http';
import { PassThrough } from 'node:stream';
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { SlowBody } from './uploads.js';

const LIMITS = { patienceMs: 10_000, leastBytesPerSecond: 100, longestMs: 3_600_000 };

/** A body that comes as the test says, and whoever reads it. */
function upload(limits = LIMITS) {
  const sent = new PassThrough();
  const connection = { destroyed: false, destroy: jest.fn() };
  const source = Object.assign(sent, { socket: connection, complete: false });
  const body = new SlowBody(source as unknown as IncomingMessage, limits);
  const read: string[] = [];
  const outcome = { code: null as string | null };
  const reading = (async () => {
    for await (const chunk of body) read.push(String(chunk));
    outcome.code = 'whole';
  })().catch((error: Error) => void (outcome.code = error.message));
  return { sent, source, body, connection, read, outcome, reading };
}

const pass = (seconds: number): Promise<void> => jest.advanceTimersByTimeAsync(seconds * 1_000);

describe('the body of an upload', () => {
  beforeEach(() => {
    jest.useFakeTimers();
  });
  afterEach(() => {
    jest.useRealTimers();
  });

  it('may take long while it comes on', async () => {
    const { sent, read, outcome, body } = upload();
    for (let piece = 0; piece < 100; piece++) {
      sent.write('x'.repeat(1_000));
      await pass(9);
      expect(outcome.code).toBeNull();
      expect(body.isUnderWay).toBe(true);
    }
    sent.end();
    await pass(0);
    expect(read.join('')).toHaveLength(100_000);
    expect(outcome.code).toBe('whole');
    expect(body.isUnderWay).toBe(false);
  });

  it.each([
    ['stops', 0, 10],
    ['trickles', 1, 11],
  ])('of a sender who %s is over when the patience is', async (_what, bytesPerSecond, afterSeconds) => {
    const { sent, outcome } = upload();
    for (let second = 0; second < afterSeconds - 1; second++) {
      await pass(1);
      sent.write('x'.repeat(bytesPerSecond));
      expect(outcome.code).toBeNull();
    }
    await pass(1.2);
    expect(outcome.code).toBe('http.timeout');
  });

  it('that came quickly at first earns no more than the patience by that', async () => {
    const { sent, outcome } = upload();
    sent.write('x'.repeat(15_000));
    await pass(9.9);
    expect(outcome.code).toBeNull();
    await pass(0.2);
    expect(outcome.code).toBe('http.timeout');
  });

  it('is over after its longest time, however quickly it comes', async () => {
    const { sent, outcome } = upload({ ...LIMITS, longestMs: 60_000 });
    for (let second = 0; second < 59; second++) {
      sent.write('x'.repeat(5_000));
      await pass(1);
    }
    expect(outcome.code).toBeNull();
    await pass(2);
    expect(outcome.code).toBe('http.timeout');
  });

  it('does not count the time in which nobody reads it: that is not its sender’s', async () => {
    const sent = new PassThrough();
    const source = Object.assign(sent, { socket: {}, complete: false });
    const body = new SlowBody(source as unknown as IncomingMessage, LIMITS);
    // Waiting for its turn: the server's own limit holds.
    expect(body.isUnderWay).toBe(false);
    const chunks = body.iterator({ destroyOnReturn: false });
    // More than is read ahead: what has come waits while the piece before it is being stored.
    for (let piece = 0; piece < 20; piece++) {
      for (let more = 0; more < 4; more++) sent.write('x'.repeat(100_000));
      expect(String((await chunks.next()).value)).toMatch(/^x+$/);
      await pass(60);
    }
    expect(body.destroyed).toBe(false);
  });

  it.each([
    ['goes on for ever', false, 1],
    ['comes to its end', true, 0],
  ])('that %s after its answer: connection cut is %s', async (_what, isComplete, cuts) => {
    const { body, source, connection } = upload();
    await pass(1);
    body.answered();
    expect(body.isUnderWay).toBe(false);
    source.complete = isComplete;
    await pass(9.9);
    expect(connection.destroy).not.toHaveBeenCalled();
    await pass(0.2);
    expect(connection.destroy).toHaveBeenCalledTimes(cuts);
  });
});
