import { Injectable } from '@nestjs/common';
import { authorize, type SignedIn } from '../../platform/access/context.js';
import { Cursors, limitOf } from '../../platform/http/cursors.js';
import type { Page } from '../../platform/http/presenter.js';
import { notFound } from '../../platform/http/problem.js';
import type { ChartMergesQuery, ChartMergeView } from './chart-merge.dto.js';
import { ChartMerges, type ChartMergeRow } from './chart-merges.js';
import { mergeSettled } from './records.errors.js';

const viewOf = ({ mergedAt, settledAt, ...row }: ChartMergeRow): ChartMergeView => ({
  ...row,
  mergedAt: mergedAt.toISOString(),
  settledAt: settledAt?.toISOString() ?? null,
});

/** Merges for review: the records office says whether two charts are one person's. */
@Injectable()
export class ChartMergeService {
  constructor(
    private readonly merges: ChartMerges,
    private readonly cursors: Cursors,
  ) {}

  async list(ctx: SignedIn, query: ChartMergesQuery): Promise<Page<ChartMergeView>> {
    const [after] = this.cursors.open<[string]>(ctx, 'chart-merges', query) ?? [null];
    const { state = 'review' } = query;
    const rows = await this.merges.list(ctx, { state, after, limit: limitOf(query) + 1 });
    const page = this.cursors.page(ctx, 'chart-merges', query, rows, ({ id }) => [id], viewOf);
    for (const merge of page.items) this.touch(ctx, merge);
    return page;
  }

  async settle(
    ctx: SignedIn,
    id: string,
    state: 'confirmed' | 'undone',
    reason: string | null,
  ): Promise<ChartMergeView> {
    const merge = await this.merges.find(ctx, id);
    if (!merge) throw notFound();
    authorize(ctx, state === 'confirmed' ? 'confirm' : 'revoke', 'ChartMerge', merge);
    if (!(await this.merges.settle(ctx, id, state, reason))) throw mergeSettled();
    this.touch(ctx, merge);
    return viewOf((await this.merges.find(ctx, id))!);
  }

  private touch(
    ctx: SignedIn,
    { id, fromPatientId, intoPatientId }: Pick<ChartMergeView, 'id' | 'fromPatientId' | 'intoPatientId'>,
  ): void {
    for (const patientId of [fromPatientId, intoPatientId]) ctx.touch({ patientId, type: 'ChartMerge', id });
  }
}
