import { Injectable } from '@nestjs/common';
import { authorize, type SignedIn } from '../../platform/access/context.js';
import { Vault } from '../../platform/database/vault.js';
import { Cursors, limitOf } from '../../platform/http/cursors.js';
import type { Page } from '../../platform/http/presenter.js';
import { notFound } from '../../platform/http/problem.js';
import { invalid } from '../../platform/http/validation.js';
import type { RecordsQuery, RecordView } from './record.dto.js';
import { recordsOf } from './record-line.js';
import { RecordRepository } from './record.repository.js';
import { RecordWords } from './record-words.js';
import { codeOf, endOf, startOf } from './record-query.js';

/** The chart, for reading. Every answer is noted record by record, so that the trail shows whose data was seen. */
@Injectable()
export class RecordService {
  constructor(
    private readonly records: RecordRepository,
    private readonly vault: Vault,
    private readonly cursors: Cursors,
    private readonly words: RecordWords,
  ) {}

  async list(ctx: SignedIn, patientId: string, query: RecordsQuery): Promise<Page<RecordView>> {
    authorize(ctx, 'list', 'Record', { patientId });
    const { type, category, code, status, text, sort } = query;
    const words = text === undefined ? undefined : this.words.asked(text);
    if (words?.length === 0)
      throw invalid([{ pointer: '/text', code: 'no-word', detail: 'There is no letter or digit in it.' }]);
    const list = `records:${patientId}`;
    const rows = await this.records.list(ctx, patientId, {
      type,
      category,
      code: code === undefined ? undefined : codeOf(code),
      status,
      words,
      from: query.from === undefined ? undefined : startOf('/from', query.from),
      before: query.to === undefined ? undefined : endOf('/to', query.to),
      oldestFirst: sort === 'oldest',
      after: this.cursors.open<[string, string]>(ctx, list, query),
      limit: limitOf(query) + 1,
    });
    const page = this.cursors.page(
      ctx,
      list,
      query,
      rows,
      (row) => [row.sort_at, row.record_id],
      (row) => row,
    );
    // An empty answer tells something of this patient as well.
    if (page.items.length === 0) ctx.touch({ patientId, type: 'Patient', id: patientId });
    return { items: await recordsOf(ctx, this.vault, page.items), next: page.next };
  }

  async get(ctx: SignedIn, id: string): Promise<RecordView> {
    const row = await this.records.find(ctx, id);
    if (!row) throw notFound();
    const [view] = await recordsOf(ctx, this.vault, [row]);
    return view!;
  }
}
