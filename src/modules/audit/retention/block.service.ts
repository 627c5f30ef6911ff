import { Injectable } from '@nestjs/common';
import type { SignedIn } from '../../../platform/access/context.js';
import { Cursors, limitOf, type PageQuery } from '../../../platform/http/cursors.js';
import type { Page } from '../../../platform/http/presenter.js';
import { AuditorPool } from '../tree/auditor-pool.js';
import type { BlockView } from './block.dto.js';
import { BlocksRepository, type ListedBlock } from './blocks.repository.js';

const LIST = 'audit.blocks';
const iso = (time: Date | null): string | null => time?.toISOString() ?? null;

function viewOf(row: ListedBlock): BlockView {
  const { block, first, end, firstAt, lastAt, digest, bytes, detachedAt, deletedAt, holds } = row;
  return {
    block,
    firstSeq: first,
    lastSeq: end - 1,
    from: iso(firstAt),
    to: iso(lastAt),
    state: deletedAt ? 'deleted' : detachedAt ? 'archived' : 'hot',
    digest: digest?.toString('hex') ?? null,
    bytes,
    archivedAt: iso(detachedAt),
    deletedAt: iso(deletedAt),
    holds,
  };
}

/** Where the trail lies: which part of it is in the database, in the archive, or nowhere any more. */
@Injectable()
export class Blocks {
  private readonly blocks: BlocksRepository;

  constructor(
    pool: AuditorPool,
    private readonly cursors: Cursors,
  ) {
    this.blocks = new BlocksRepository(pool);
  }

  async list(ctx: SignedIn, query: PageQuery): Promise<Page<BlockView>> {
    const [before] = this.cursors.open<[number]>(ctx, LIST, query) ?? [null];
    const rows = await this.blocks.list(before, limitOf(query) + 1);
    for (const { block } of rows.slice(0, limitOf(query)))
      ctx.touch({ patientId: null, type: 'Block', id: String(block) });
    return this.cursors.page(ctx, LIST, query, rows, ({ block }) => [block], viewOf);
  }
}
