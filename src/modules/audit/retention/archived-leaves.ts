import { Inject, Injectable } from '@nestjs/common';
import { CONFIG, type Config } from '../../../platform/config/config.js';
import type { SystemPool } from '../../../platform/database/system-pool.js';
import { TILE } from '../../../tlog/index.js';
import { AuditorPool } from '../tree/auditor-pool.js';
import { ArchiveUnavailable, EventsDeleted } from './archive.errors.js';
import { BlockFiles, digestPlace, type Part, type Span } from './block-files.js';
import { BlocksRepository } from './blocks.repository.js';

const HASH = 32;

/**
 * Entries that have left the database, out of their blocks' files; each file is compared with the digest that was recorded.
 * Ask the database first: what it has not any more is here (a block leaves it in one step). Rejects with {@link EventsDeleted},
 * {@link ArchiveUnavailable} or ArchiveDamaged; gives null for what is no matter of the archive.
 */
@Injectable()
export class ArchivedLeaves {
  readonly blocks: BlocksRepository;
  private readonly store: BlockFiles | null;

  constructor(@Inject(AuditorPool) pool: Pick<SystemPool, 'query'>, @Inject(CONFIG) { audit }: Config) {
    this.blocks = new BlocksRepository(pool);
    this.store = audit.archiveDir === null ? null : new BlockFiles(audit.archiveDir);
  }

  /** The files; rejects where no archive is set. */
  get files(): BlockFiles {
    if (!this.store) throw new ArchiveUnavailable('AUDIT_ARCHIVE_DIR is not set');
    return this.store;
  }

  /** Exact bytes of entries from this place on: those of one bundle, and none from `to` on. */
  async lines(from: number, to: number): Promise<Buffer[] | null> {
    const found = await this.find(from, 'entries');
    if (!found) return null;
    const first = found.tile * TILE;
    return (await this.files.entries(found.span, found.tile, found.digest)).slice(from - first, to - first);
  }

  /** Hashes of entries of one tile, one behind the other. */
  async leafHashes(first: number, count: number): Promise<Buffer | null> {
    const found = await this.find(first, 'tile');
    if (!found) return null;
    const at = (first - found.tile * TILE) * HASH;
    return (await this.files.hashes(found.span, found.tile, found.digest)).subarray(at, at + count * HASH);
  }

  /** What an answer has to say that looked at the database alone, for a period; null: nothing of it is in the archive. */
  async notice({ from }: { from?: string }): Promise<string | null> {
    const { archivedUntil } = await this.blocks.edge();
    if (!archivedUntil || (from !== undefined && new Date(from) > archivedUntil)) return null;
    const time = archivedUntil.toISOString();
    return `Events up to ${time} lie in the archive, and are not searched here. Export the period to look through them (POST /v1/audit/exports), or set \`from\` to a later time.`;
  }

  private async find(index: number, part: Part): Promise<{ span: Span; tile: number; digest: Buffer } | null> {
    const span = await this.blocks.holding(index);
    if (!span) return null;
    if (span.deletedAt) throw new EventsDeleted();
    const tile = Math.floor(index / TILE);
    return { span, tile, digest: await this.blocks.digestAt(span.block, digestPlace(span, part, tile)) };
  }
}
