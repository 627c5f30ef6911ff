import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Inject, Injectable } from '@nestjs/common';
import { CONFIG, type Config } from '../../../platform/config/config.js';
import { replaceFile } from '../../../platform/durable-file.js';
import { NoteError, parseCheckpoint, parseNote, type Checkpoint } from '../../../tlog/index.js';
import { SealingRefusal, type RefusalCode } from './refusal.js';

/** The newest checkpoint that this replica knows of. */
export interface Seen extends Checkpoint {
  note: string;
  /** False: signed here, and not known to be in the database. */
  isPublished: boolean;
}

export interface Memory {
  seen: Seen | null;
  /** Why it does not sign any more under this name of the log. */
  refusal: { origin: string; code: RefusalCode; message: string } | null;
}

interface Kept {
  note: string | null;
  isPublished: boolean;
  refusal: Memory['refusal'];
}

const NOTHING: Memory = { seen: null, refusal: null };

/**
 * What this replica remembers apart from the database, in a file of DATA_DIR: a database that is restored to an earlier
 * point takes its checkpoints along. On disk (fsync) before a checkpoint is published, so that no crash makes it forget one.
 */
@Injectable()
export class ReplicaMemory {
  readonly path: string;

  constructor(@Inject(CONFIG) config: Config) {
    this.path = join(config.dataDir, 'audit-checkpoint.json');
  }

  /** Throws {@link SealingRefusal} when the file is there and cannot be understood. */
  async read(): Promise<Memory> {
    const text = await readFile(this.path, 'utf8').catch((error: { code?: string }) => {
      if (error.code === 'ENOENT') return null;
      throw error as Error;
    });
    if (text === null) return NOTHING;
    try {
      const { note, isPublished, refusal } = JSON.parse(text) as Kept;
      return {
        seen: note === null ? null : { ...parseCheckpoint(parseNote(note).body), note, isPublished },
        refusal,
      };
    } catch (error) {
      if (!(error instanceof NoteError || error instanceof SyntaxError || error instanceof TypeError)) throw error;
      throw new SealingRefusal(
        'audit.memory-unreadable',
        `audit-checkpoint.json of DATA_DIR is damaged: compare the newest checkpoint of a witness or an anchor with the database, then remove the file`,
      );
    }
  }

  async write({ seen, refusal }: Memory): Promise<void> {
    const kept: Kept = { note: seen?.note ?? null, isPublished: seen?.isPublished ?? false, refusal };
    await replaceFile(this.path, `${JSON.stringify(kept, null, 1)}\n`);
  }

  /** Notes that a checkpoint has been published, unless a process that shares the folder has seen a newer one meanwhile. */
  async confirm(note: string): Promise<void> {
    const { seen, refusal } = await this.read();
    if (seen?.note === note) await this.write({ seen: { ...seen, isPublished: true }, refusal });
  }
}
