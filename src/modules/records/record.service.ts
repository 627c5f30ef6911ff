import { Injectable } from '@nestjs/common';
import { instantOf } from '../../fhir/index.js';
import { authorize, type SignedIn } from '../../platform/access/context.js';
import { Vault } from '../../platform/database/vault.js';
import { Cursors, limitOf } from '../../platform/http/cursors.js';
import { RawJson, type Page } from '../../platform/http/presenter.js';
import { notFound } from '../../platform/http/problem.js';
import { invalid } from '../../platform/http/validation.js';
import type { RecordsQuery, RecordView } from './record.dto.js';
import { RecordRepository, type RecordRow } from './record.repository.js';
import { auditCategory, codeToken, placeOf, unpackRecord } from './record-text.js';

const DAY_MS = 86_400_000;

/** The chart, for reading. Every answer is noted record by record, so that the trail shows whose data was seen. */
@Injectable()
export class RecordService {
  constructor(
    private readonly records: RecordRepository,
    private readonly vault: Vault,
    private readonly cursors: Cursors,
  ) {}

  async list(ctx: SignedIn, patientId: string, query: RecordsQuery): Promise<Page<RecordView>> {
    authorize(ctx, 'list', 'Record', { patientId });
    const { type, category, code, sort } = query;
    const list = `records:${patientId}`;
    const rows = await this.records.list(ctx, patientId, {
      type,
      category,
      code: code === undefined ? undefined : codeOf(code),
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
    return { items: await this.views(ctx, page.items), next: page.next };
  }

  async get(ctx: SignedIn, id: string): Promise<RecordView> {
    const row = await this.records.find(ctx, id);
    if (!row) throw notFound();
    authorize(ctx, 'read', 'Record', { patientId: row.patient_id });
    const [view] = await this.views(ctx, [row]);
    return view!;
  }

  private async views(ctx: SignedIn, rows: readonly RecordRow[]): Promise<RecordView[]> {
    const opened = await this.vault.openAll(
      ctx,
      rows.map((row) => ({ place: placeOf(row.record_id, row.version), sealed: Buffer.from(row.resource, 'base64') })),
    );
    return rows.map((row, index) => this.view(ctx, row, opened[index]!));
  }

  private view(ctx: SignedIn, row: RecordRow, plaintext: Buffer): RecordView {
    const { record_id: id, patient_id: patientId, type, category, version } = row;
    const { head, resource } = unpackRecord(plaintext);
    ctx.touch({ patientId, type, id, category: auditCategory(category), version });
    return {
      id,
      patientId,
      type,
      category,
      code: codeToken(row.code_system, row.code),
      display: head.display,
      effectiveAt: row.effective_at === null ? null : isoOf(row.effective_at),
      effectiveText: head.effectiveText ?? null,
      status: row.status === '' ? null : row.status,
      version,
      source: row.source,
      resource: new RawJson(resource),
    };
  }
}

/** ISO 8601 of PostgreSQL's `YYYY-MM-DD hh:mm:ss[.f]` in UTC. Not of the text as it is: JavaScript takes its year 0001 for 2001. */
const isoOf = (text: string): string => new Date(`${text.replace(' ', 'T')}Z`).toISOString();

/** `code`, or `system|code`. */
function codeOf(token: string): { system?: string; code: string } {
  const bar = token.lastIndexOf('|');
  return bar < 0 ? { code: token } : { system: token.slice(0, bar), code: token.slice(bar + 1) };
}

function startOf(pointer: string, text: string): string {
  const instant = instantOf(text);
  if (instant === undefined) throw invalid([{ pointer, code: 'not-a-time', detail: 'There is no such day or time.' }]);
  return instant;
}

/** A day counts whole; an instant counts to its millisecond. */
function endOf(pointer: string, text: string): string {
  const start = Date.parse(startOf(pointer, text));
  return new Date(start + (text.length > 10 ? 1 : DAY_MS)).toISOString();
}
