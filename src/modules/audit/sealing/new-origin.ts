import type { Config } from '../../../platform/config/config.js';
import { FileKeyManagement, KeyRing } from '../../../platform/crypto/index.js';
import type { Db } from '../../../platform/database/db.js';
import { NoteError, parseCheckpoint, parseNote } from '../../../tlog/index.js';
import { commit } from '../commitment.js';
import { systemEvent } from '../event.js';
import { replicaName } from '../replica.js';
import { ArchivedLeaves } from '../retention/archived-leaves.js';
import { AuditorPool } from '../tree/auditor-pool.js';
import { TreeRepository } from '../tree/tree.repository.js';
import { CheckpointsRepository, SealingPool, type LogNow, type SignedRow } from './checkpoints.repository.js';
import { appendLeaves, compareWithHead } from './fresh-leaves.js';
import { History } from './history.js';
import { LogKeys } from './log-keys.js';
import { SealingRefusal } from './refusal.js';
import { ReplicaMemory } from './replica-memory.js';

export interface NewOrigin {
  origin: string;
  /** Place of the event that holds the last checkpoint of the former name. */
  place: number;
  /** Of that checkpoint. */
  closedSize: number;
}

/** Why no new name is opened; the message says what to do. */
export class NewOriginError extends Error {}

type Note = Omit<SignedRow, 'signedAt'>;

const readNote = (note: string): Note => ({ ...parseCheckpoint(parseNote(note).body), note });

/**
 * After a restore to an earlier point, and after somebody has looked: the former name of the log is closed, and the next one
 * (`…/audit/2`) begins with an event that holds the last checkpoint that was signed under the former, so that what was lost stays
 * provable. `lastNote`: that checkpoint from a witness or an anchor, where it is not known here.
 */
export async function openNewOrigin(
  config: Config,
  { reason, lastNote, now }: { reason: string; lastNote: string | null; now: Date },
): Promise<NewOrigin> {
  const keys = new LogKeys(new FileKeyManagement(await KeyRing.load(config.keyFile)));
  const [pool, auditor] = [new SealingPool(config), new AuditorPool(config)];
  try {
    const checkpoints = new CheckpointsRepository(pool);
    const history = new History(checkpoints, new TreeRepository(auditor, new ArchivedLeaves(auditor, config)), keys);
    const memory = await new ReplicaMemory(config).read();
    const known = [lastNote, memory.seen?.note ?? null].filter((note) => note !== null);
    return (await checkpoints.inTurn((db) => open(db, { config, checkpoints, history, known, reason, now }), true))!;
  } catch (error) {
    if (error instanceof NoteError || error instanceof SealingRefusal) throw new NewOriginError(error.message);
    throw error;
  } finally {
    await Promise.all([pool.close(), auditor.close()]);
  }
}

interface Work {
  config: Config;
  checkpoints: CheckpointsRepository;
  history: History;
  /** Checkpoints that are known from elsewhere than the database. */
  known: string[];
  reason: string;
  now: Date;
}

async function open(db: Pick<Db, 'query'>, work: Work): Promise<NewOrigin> {
  const { config, checkpoints, history, known, now } = work;
  const log = await checkpoints.now(db);
  if (log.origin === null) throw new NewOriginError('nothing was signed so far: there is nothing to close');
  const closed = lastOf(log, known.map(readNote), history);
  await requireSound(db, log, history);
  const generation = log.generation + 1;
  const next = { generation, origin: `${config.audit.origin}/${generation}`, closedNote: closed.note, at: now };
  const reason = commit('reason', work.reason);
  const event = systemEvent(
    {
      code: 'Checkpoint.new-origin',
      act: 'C',
      accountId: '',
      sessionId: null,
      reason: 'audit.new-origin',
      at: now,
      detail: { _sd: [reason.digest], closed: closed.note, origin: next.origin },
    },
    replicaName(),
  );
  const place = await checkpoints.open(db, next, event, reason);
  return { origin: next.origin, place, closedSize: closed.size };
}

/** The largest checkpoint of the present name that we have signed, wherever it is known from. */
function lastOf({ origin, latest }: LogNow, known: readonly Note[], history: History): Note {
  const signed = [...known, ...(latest ? [latest] : [])].filter((row) => row.origin === origin && history.isOurs(row));
  const last = signed.sort((a, b) => b.size - a.size)[0];
  if (!last) throw new NewOriginError(`no checkpoint of ${origin} is known that a key of the key file has signed`);
  return last;
}

/** A log that does not agree with itself would be refused under any name. */
async function requireSound(db: Pick<Db, 'query'>, { head, generation }: LogNow, history: History): Promise<void> {
  try {
    const frontier = await history.beginning(db, { generation: generation + 1, head });
    const from = frontier.size;
    await appendLeaves(db, frontier, head.size);
    compareWithHead(frontier, head.peaks, from);
  } catch (error) {
    if (!(error instanceof SealingRefusal)) throw error;
    throw new NewOriginError(`the log itself is damaged (${error.message}): restore it to a point before that first`);
  }
}
