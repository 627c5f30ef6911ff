import { hash } from 'node:crypto';
import { finding, type Finding } from './findings.js';
import { readLeaf } from './leaf.js';
import type { LogRepository } from './log.repository.js';

const PAGE = 1_000;

const where = 'audit.subject_head';

/** Each patient's counter is the number of their last event (the sequencer counts on from it). The first that is not. */
export async function checkSubjects(log: LogRepository, archivedTo: number): Promise<Finding | null> {
  return (await checkCounters(log, archivedTo)) ?? (await checkCounted(log));
}

async function checkCounted(log: LogRepository): Promise<Finding | null> {
  for (let after = ''; ;) {
    const rows = await log.patients(after, PAGE);
    if (rows.some(({ uncounted }) => uncounted)) return finding('deletion', where, "a patient's counter is missing");
    if (rows.length < PAGE) return null;
    after = rows.at(-1)!.subject;
  }
}

async function checkCounters(log: LogRepository, archivedTo: number): Promise<Finding | null> {
  for (let after = ''; ;) {
    const rows = await log.subjects(after, PAGE);
    for (const { n, last_idx, leaf, has_later } of rows) {
      const index = Number(last_idx);
      if (leaf === null && index < archivedTo) continue;
      if (leaf === null) return finding('truncation', where, "a patient's last event is missing", { index });
      const { count } = readLeaf(Buffer.from(leaf));
      if (count !== Number(n) || has_later)
        return finding('edit', where, "a patient's counter is not the number of their last event", { index });
    }
    if (rows.length < PAGE) return null;
    after = rows.at(-1)!.subject;
  }
}

/** What opens a commitment hashes to it (RFC 9901); erased ones are missing, and nothing depends on that. */
export async function checkDisclosures(log: LogRepository): Promise<Finding | null> {
  for (let after = ''; ;) {
    const rows = await log.disclosures(after, PAGE);
    if (rows.some(({ digest, disclosure }) => hash('sha256', disclosure, 'base64url') !== digest))
      return finding('edit', 'audit.disclosure', 'a value is not the one that was committed to');
    if (rows.length < PAGE) return null;
    after = rows.at(-1)!.digest;
  }
}
