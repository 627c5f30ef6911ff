import { Injectable } from '@nestjs/common';
import { authorize, type SignedIn } from '../../platform/access/context.js';
import { Vault } from '../../platform/database/vault.js';
import { Cursors, limitOf } from '../../platform/http/cursors.js';
import { RawJson, type Page } from '../../platform/http/presenter.js';
import { notFound } from '../../platform/http/problem.js';
import type { HistoryQuery, ProvenanceView, VersionView } from './history.dto.js';
import { HistoryRepository, type VersionRow } from './history.repository.js';
import { provenanceOf } from './provenance.js';
import { isoOf, recordsOf, touchRecord, WITHDRAWN } from './record-line.js';
import type { RecordView } from './record.dto.js';
import { RecordRepository } from './record.repository.js';
import { statusWords } from './status-words.js';
import { isTreating } from './visibility.js';

/** Every version of a record, for whoever may see the record, and where each came from. */
@Injectable()
export class HistoryService {
  constructor(
    private readonly history: HistoryRepository,
    private readonly records: RecordRepository,
    private readonly vault: Vault,
    private readonly cursors: Cursors,
  ) {}

  async list(ctx: SignedIn, id: string, query: HistoryQuery): Promise<Page<VersionView>> {
    const list = `history:${id}`;
    const [before = null] = this.cursors.open<[number]>(ctx, list, query) ?? [];
    const rows = await this.rows(ctx, id, before, limitOf(query) + 1);
    return this.cursors.page(
      ctx,
      list,
      query,
      rows,
      (row) => [row.version],
      (row) => (touchRecord(ctx, row), versionView(row)),
    );
  }

  async get(ctx: SignedIn, id: string, version: number): Promise<RecordView> {
    const row = await this.history.find(ctx, id, version);
    if (!row) throw notFound();
    authorize(ctx, 'read', 'RecordVersion', { patientId: row.patient_id });
    // What was withdrawn was never so: only who treats the patient may have to know what stood there.
    const isHidden = row.status_now === WITHDRAWN && !isTreating(ctx, row.patient_id);
    const [view] = await recordsOf(ctx, this.vault, [isHidden ? { ...row, status: WITHDRAWN } : row]);
    return view!;
  }

  /** One Provenance for each version that came, newest first, then those of the source itself. */
  async provenances(ctx: SignedIn, id: string, query: HistoryQuery): Promise<Page<ProvenanceView>> {
    const list = `provenance:${id}`;
    const [before, after] = this.cursors.open<[number, string]>(ctx, list, query) ?? [null, ''];
    const limit = limitOf(query) + 1;
    const versions = before === 0 ? [] : await this.rows(ctx, id, before, limit);
    if (before === 0 && !(await this.records.find(ctx, id))) throw notFound();
    const room = limit - versions.length;
    const own = room > 0 ? await this.history.provenances(ctx, id, after === '' ? null : after, room) : [];
    return this.page(ctx, query, list, versions, own);
  }

  private async page(
    ctx: SignedIn,
    query: HistoryQuery,
    list: string,
    versions: readonly VersionRow[],
    own: Awaited<ReturnType<HistoryRepository['provenances']>>,
  ): Promise<Page<ProvenanceView>> {
    const items = [
      ...versions.map((row) => ({ keys: [row.version, ''], version: row, record: null })),
      ...own.map((row) => ({ keys: [0, row.record_id], version: null, record: row })),
    ];
    const page = this.cursors.page(
      ctx,
      list,
      query,
      items,
      ({ keys }) => keys,
      (item) => item,
    );
    const opened = await recordsOf(
      ctx,
      this.vault,
      page.items.flatMap(({ record }) => record ?? []),
    );
    const views = page.items.flatMap(({ version }): ProvenanceView[] => {
      if (!version) return [];
      touchRecord(ctx, version);
      return [{ by: 'portal', resource: new RawJson(Buffer.from(JSON.stringify(provenanceOf(version)))) }];
    });
    return {
      items: [...views, ...opened.map(({ resource }): ProvenanceView => ({ by: 'source', resource }))],
      next: page.next,
    };
  }

  /** Of a record that is not there, or not the actor's to see, there is no version. */
  private async rows(ctx: SignedIn, id: string, before: number | null, limit: number): Promise<VersionRow[]> {
    const rows = await this.history.list(ctx, id, before, limit);
    const [first] = rows;
    if (!first && (before === null || !(await this.records.find(ctx, id)))) throw notFound();
    if (first) authorize(ctx, 'list', 'RecordVersion', { patientId: first.patient_id });
    return rows;
  }
}

const versionView = (row: VersionRow): VersionView => ({
  version: row.version,
  isCurrent: row.is_current,
  isDeleted: row.is_deleted,
  status: row.status === '' ? null : row.status,
  statusText: statusWords(row.status),
  source: row.source,
  sourceUpdatedAt: row.source_updated_at === null ? null : isoOf(row.source_updated_at),
  receivedAt: isoOf(row.received_at),
  origin: row.origin,
  writtenBy: row.written_by,
  importId: row.import_id,
  line: row.import_line,
  messageId: row.message_id,
});
