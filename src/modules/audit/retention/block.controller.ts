import { Controller, Get, Query } from '@nestjs/common';
import { ReqCtx, type SignedIn } from '../../../platform/access/context.js';
import { Endpoint } from '../../../platform/access/endpoint.js';
import { PageQuery } from '../../../platform/http/cursors.js';
import type { Page } from '../../../platform/http/presenter.js';
import { BlockView } from './block.dto.js';
import { Blocks } from './block.service.js';

@Controller('v1/audit/blocks')
export class BlockController {
  constructor(private readonly blocks: Blocks) {}

  @Get()
  @Endpoint({
    action: 'list',
    subject: 'Block',
    summary: 'Blocks of the audit trail, newest first: where they lie, and what keeps them',
    response: BlockView,
    paged: true,
  })
  list(@ReqCtx() ctx: SignedIn, @Query() query: PageQuery): Promise<Page<BlockView>> {
    return this.blocks.list(ctx, query);
  }
}
