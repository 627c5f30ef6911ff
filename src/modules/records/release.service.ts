import { Injectable } from '@nestjs/common';
import { authorize, type SignedIn } from '../../platform/access/context.js';
import type { Action } from '../../platform/access/vocabulary.js';
import type { Place } from '../../platform/crypto/index.js';
import { Vault } from '../../platform/database/vault.js';
import { Cursors, limitOf, type PageQuery } from '../../platform/http/cursors.js';
import { staleVersion } from '../../platform/http/if-match.js';
import type { Page } from '../../platform/http/presenter.js';
import { notFound } from '../../platform/http/problem.js';
import { newId } from '../../platform/ids.js';
import { alreadyHeld, holdEnd, notHeld } from './reading.errors.js';
import { touchRecord, type RecordRow } from './record-line.js';
import { scopeOf } from './record-text.js';
import { RecordRepository } from './record.repository.js';
import type { ChartSettingsView, HeldItemView, HoldBack, HoldReportQuery, HoldView } from './release.dto.js';
import { ReleaseRepository, type HoldRow } from './release.repository.js';

const LONGEST_HOLD_MS = 30 * 86_400_000;

const explanationAt = (id: string): Place => ({ table: 'hold', row: id, column: 'explanation' });

/**
 * Everything is shown when it comes: a policy that delays results is interference (45 CFR 171; healthit.gov, information
 * blocking FAQ). What may be held back is one record, by a clinician who treats the patient and says why, for a time that
 * ends by itself; and what the patient wishes to hear from a clinician first.
 */
@Injectable()
export class ReleaseService {
  constructor(
    private readonly records: RecordRepository,
    private readonly release: ReleaseRepository,
    private readonly vault: Vault,
    private readonly cursors: Cursors,
  ) {}

  async holdBack(ctx: SignedIn, recordId: string, { reason, explanation, until }: HoldBack): Promise<HoldView> {
    const record = await this.record(ctx, ['create', 'Hold'], recordId);
    const left = Date.parse(until) - ctx.now.getTime();
    if (left <= 0) throw holdEnd('It would be over already.');
    if (left > LONGEST_HOLD_MS) throw holdEnd('30 days at most: then look at it anew.');
    const id = newId();
    const scope = scopeOf(record.patient_id, record.source);
    const sealed = (await this.vault.seal(ctx, scope, explanationAt(id), explanation)).toString('base64');
    if (!(await this.release.holdBack(ctx, { id, recordId, reason, explanation: sealed, until }))) throw alreadyHeld();
    const [hold] = await this.opened(ctx, await this.release.holds(ctx, recordId, null, 1));
    return hold!;
  }

  async lift(ctx: SignedIn, recordId: string): Promise<void> {
    await this.record(ctx, ['end', 'Hold'], recordId);
    if (!(await this.release.lift(ctx, recordId))) throw notHeld();
  }

  /** All holds there were on a record, the latest first; for those who treat the patient. */
  async holds(ctx: SignedIn, recordId: string, query: PageQuery): Promise<Page<HoldView>> {
    await this.record(ctx, ['list', 'Hold'], recordId);
    const list = `holds:${recordId}`;
    const [before = null] = this.cursors.open<[string]>(ctx, list, query) ?? [];
    const rows = await this.release.holds(ctx, recordId, before, limitOf(query) + 1);
    const page = this.cursors.page(
      ctx,
      list,
      query,
      rows,
      ({ id }) => [id],
      (row) => row,
    );
    return { items: await this.opened(ctx, page.items), next: page.next };
  }

  /**
   * Holds across charts: for clinicians, of those whom they treat; for compliance officers, of everybody's. Whoever looks at how
   * a lawful exception is used needs who, what, why and for how long, and neither the record nor the clinician's words.
   */
  async report(ctx: SignedIn, query: HoldReportQuery): Promise<Page<HeldItemView>> {
    const [before] = this.cursors.open<[string]>(ctx, 'hold-report', query) ?? [null];
    const rows = await this.release.report(ctx, query, before, limitOf(query) + 1);
    const keys = ({ id }: HeldItemView) => [id] as const;
    const page = this.cursors.page(ctx, 'hold-report', query, rows, keys, (row) => row);
    for (const { patientId, id } of page.items) ctx.touch({ patientId, type: 'Hold', id });
    return page;
  }

  private async opened(ctx: SignedIn, rows: readonly HoldRow[]): Promise<HoldView[]> {
    const opened = await this.vault.openAll(
      ctx,
      rows.map(({ id, explanation }) => ({ place: explanationAt(id), sealed: Buffer.from(explanation, 'base64') })),
    );
    return rows.map((row, at) => ({ ...row, explanation: opened[at]!.toString('utf8') }));
  }

  /** A clinician has looked at this version: whoever wished to hear of it from them first may see it. */
  async review(ctx: SignedIn, recordId: string, version: number): Promise<void> {
    const record = await this.record(ctx, ['review', 'Record'], recordId);
    if (record.version !== version || !(await this.release.lookAt(ctx, recordId, version))) throw staleVersion();
  }

  async settings(ctx: SignedIn, patientId: string): Promise<ChartSettingsView> {
    authorize(ctx, 'read', 'ChartSettings', { patientId });
    ctx.touch({ patientId, type: 'ChartSettings', id: patientId });
    return { patientId, resultsAfterReview: await this.release.hasWish(ctx, patientId) };
  }

  async change(ctx: SignedIn, patientId: string, resultsAfterReview: boolean): Promise<ChartSettingsView> {
    authorize(ctx, 'update', 'ChartSettings', { patientId });
    await (resultsAfterReview ? this.release.wish(ctx, patientId) : this.release.wishNoMore(ctx, patientId));
    return this.settings(ctx, patientId);
  }

  private async record(ctx: SignedIn, [action, subject]: [Action, 'Hold' | 'Record'], id: string): Promise<RecordRow> {
    const record = await this.records.find(ctx, id);
    if (!record || record.is_deleted) throw notFound();
    authorize(ctx, action, subject, { patientId: record.patient_id });
    touchRecord(ctx, record);
    return record;
  }
}
