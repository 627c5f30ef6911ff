import { Inject, Injectable } from '@nestjs/common';
import { Clock } from '../../../platform/clock.js';
import { CONFIG, type Config } from '../../../platform/config/config.js';
import type { Db } from '../../../platform/database/db.js';
import { systemEvent } from '../event.js';
import { replicaName } from '../replica.js';
import { ArchivedLeaves } from './archived-leaves.js';
import { Archiver, turnHeld, type Moved, type Work } from './archiver.js';
import type { ArchivedBlock } from './blocks.repository.js';
import { RetentionRepository } from './retention.repository.js';

export interface Order {
  /** Archive what is older than this; null: than AUDIT_HOT_MONTHS. */
  before: Date | null;
  /** Rejects to end the work; what was done stays done. */
  goOn?: () => void;
  onProgress?: Work['onProgress'];
}

export interface Done {
  archived: Moved[];
  deleted: ArchivedBlock[];
  /** Older than AUDIT_RETENTION_YEARS, and kept by a legal hold. */
  held: ArchivedBlock[];
}

/** What the rule of retention asks for, block by block: first into the archive, after years out of it. */
@Injectable()
export class Retention {
  constructor(
    @Inject(CONFIG) private readonly config: Config,
    private readonly archive: ArchivedLeaves,
    private readonly archiver: Archiver,
    private readonly blocks: RetentionRepository,
    private readonly clock: Clock,
  ) {}

  /** Everything that is due; null: another replica is at it. */
  async run(order: Order): Promise<Done | null> {
    await this.archive.files.requireRoot();
    return this.blocks.inTurn(async (turn) => {
      const archived = await this.archiveDue(turn, order);
      const { deleted, held } = await this.deleteExpired(order);
      await this.removeLeftovers();
      return { archived, deleted, held };
    });
  }

  private async archiveDue(turn: Pick<Db, 'query'>, { before, goOn, onProgress }: Order): Promise<Moved[]> {
    const cutoff = before ?? (await this.blocks.before(this.clock.now(), { months: this.config.audit.hotMonths }));
    const isHeld = turnHeld(turn);
    const work: Work = {
      goOn: () => {
        goOn?.();
        return isHeld();
      },
      onProgress: onProgress ?? (() => undefined),
    };
    const moved: Moved[] = [];
    for (;;) {
      const next = await this.blocks.nextBlock();
      if (!next || next.lastAt >= cutoff) return moved;
      moved.push(await this.archiver.move(next, work));
    }
  }

  private async deleteExpired({ goOn }: Order): Promise<Omit<Done, 'archived'>> {
    const now = this.clock.now();
    const cutoff = await this.blocks.before(now, { years: this.config.audit.retentionYears });
    const [deleted, held]: [ArchivedBlock[], ArchivedBlock[]] = [[], []];
    for (const block of await this.blocks.expired(cutoff)) {
      goOn?.();
      if (!(await this.blocks.delete(block.block, cutoff, now, deletionOf(block, now)))) held.push(block);
      else {
        await this.archive.files.remove(block);
        deleted.push(block);
      }
    }
    return { deleted, held };
  }

  /** A crash between the decision and the files leaves files that nobody may read any more. */
  private async removeLeftovers(): Promise<void> {
    const { files } = this.archive;
    for (const block of await this.blocks.deletedOf([...(await files.blocks())])) await files.remove({ block });
  }
}

const deletionOf = ({ block, first, end, digest }: ArchivedBlock, at: Date) =>
  systemEvent(
    {
      code: 'Block.delete',
      act: 'D',
      accountId: '',
      sessionId: null,
      reason: 'audit.retention',
      at,
      detail: { block, digest: digest.toString('hex'), first, last: end - 1 },
    },
    replicaName(),
  );
