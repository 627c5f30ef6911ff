import { createHash } from 'node:crypto';
import { expect } from '@jest/globals';
import type { Portal } from './portal.js';

export interface LedgerEntry {
  idx: string;
  leaf: string;
  leaf_hash: Buffer;
  subject: string | null;
  request_id: string;
}

const sha256 = (...parts: Buffer[]): Buffer => createHash('sha256').update(Buffer.concat(parts)).digest();

/** RFC 6962 root of leaf hashes, written from the RFC and not from the server's code. */
function rootOf(hashes: Buffer[]): Buffer {
  if (hashes.length === 0) return sha256();
  if (hashes.length === 1) return hashes[0]!;
  let split = 1;
  while (split * 2 < hashes.length) split *= 2;
  return sha256(Buffer.from([1]), rootOf(hashes.slice(0, split)), rootOf(hashes.slice(split)));
}

function rootOfPeaks(size: number, peaks: Buffer[]): Buffer {
  let root: Buffer | null = null;
  for (let level = 0, rest = size; rest > 0; level++, rest = Math.floor(rest / 2)) {
    if (rest % 2 === 1) root = root ? sha256(Buffer.from([1]), peaks[level]!, root) : peaks[level]!;
  }
  return root ?? sha256();
}

/**
 * The invariant after each test file: every answer that the server gave has an event; the log has no gap, each leaf hashes
 * to what stands beside it, each subject's counter counts, and the tree's head is the tree of the leaves. `archived`: entries that
 * have left the database, as they were.
 */
export async function checkLedger(
  portal: Pick<Portal, 'log' | 'owner'>,
  archived: readonly LedgerEntry[] = [],
): Promise<{ answers: number; entries: number }> {
  const answered = new Set(
    portal.log
      .filter((line) => line.msg === 'answered' && line.route !== '/health/live')
      .map((line) => line.requestId as string),
  );
  const { rows: stored } = await portal.owner.query<{ request_id: string }>(
    'SELECT request_id FROM audit.inbox UNION SELECT request_id FROM audit.entry',
  );
  const told = new Set([...stored, ...archived].map((row) => row.request_id));
  const untold = portal.log.filter(
    (line) =>
      line.msg === 'answered' &&
      answered.has(line.requestId as string) &&
      !told.has(line.requestId as string) &&
      line.code !== 'audit.unavailable',
  );
  expect(untold).toEqual([]);

  await portal.owner.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
  const { rows: hot } = await portal.owner.query<LedgerEntry>(
    'SELECT idx, leaf, leaf_hash, subject, request_id FROM audit.entry ORDER BY idx',
  );
  const entries = [...archived, ...hot];
  const { rows: heads } = await portal.owner.query<{ size: string; peaks: Buffer[] }>(
    'SELECT size, peaks FROM audit.head',
  );
  await portal.owner.query('COMMIT');
  const counters = new Map<string, number>();
  entries.forEach((entry, index) => {
    const leaf = JSON.parse(entry.leaf) as { i: number; n?: number; e: { pat?: string } };
    expect([Number(entry.idx), leaf.i]).toEqual([index, index]);
    expect(entry.leaf_hash.equals(sha256(Buffer.from([0]), Buffer.from(entry.leaf)))).toBe(true);
    expect(leaf.e.pat ?? null).toBe(entry.subject);
    if (entry.subject === null) return;
    const count = (counters.get(entry.subject) ?? 0) + 1;
    counters.set(entry.subject, count);
    expect(leaf.n).toBe(count);
  });
  const { size, peaks } = heads[0]!;
  expect(Number(size)).toBe(entries.length);
  expect(rootOfPeaks(entries.length, peaks).equals(rootOf(entries.map((entry) => entry.leaf_hash)))).toBe(true);
  return { answers: answered.size, entries: entries.length };
}
