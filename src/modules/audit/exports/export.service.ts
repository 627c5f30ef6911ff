import { Readable } from 'node:stream';
import { Inject, Injectable } from '@nestjs/common';
import type { SignedIn } from '../../../platform/access/context.js';
import { CONFIG, type Config } from '../../../platform/config/config.js';
import { Cursors, limitOf } from '../../../platform/http/cursors.js';
import type { Page } from '../../../platform/http/presenter.js';
import { notFound, Problem } from '../../../platform/http/problem.js';
import { invalid } from '../../../platform/http/validation.js';
import { newId } from '../../../platform/ids.js';
import { TreeRepository } from '../tree/tree.repository.js';
import { ExportFiles } from './export-files.js';
import { ExportJobs } from './export-jobs.js';
import type { ExportFilter } from './export-plan.js';
import { planOf } from './export-plan.js';
import { ExportZip } from './export-zip.js';
import type { CreateExport, ExportFilterInput, ExportsQuery, ExportView } from './export.dto.js';
import { ExportRepository, type AskedExport, type ExportRow, type ReadyExport } from './export.repository.js';

/** A file of an export, on its way to somebody. */
export interface Download {
  mediaType: string;
  name: string;
  stream: Readable;
  /** It is long and packs well. */
  isLong: boolean;
}

/** Downloads at once of one process: each reads, packs and hashes as fast as its client takes it. */
const AT_ONCE = 4;

const outOfRange = (): Problem =>
  new Problem(
    422,
    'audit.export-range',
    'The log has no such places: fromSeq must not be behind toSeq, nor toSeq behind its end.',
  );
const unknownPatient = (): Problem =>
  new Problem(422, 'audit.export-unknown-patient', 'The audit trail knows no event of one of these patients.');
const notReady = (): Problem =>
  new Problem(409, 'audit.export-not-ready', 'The export is still being prepared: ask how far it is, and come back.', {
    retryAfterSeconds: 5,
  });
const busy = (): Problem =>
  new Problem(503, 'audit.exports-busy', 'Several exports are being fetched right now. Try again in a moment.', {
    retryAfterSeconds: 10,
  });
const failed = (): Problem =>
  new Problem(409, 'audit.export-failed', 'This export cannot be had: its state says why. Ask for a new one.');

/** What was left out is not there at all. */
const present = (filter: object): object =>
  Object.fromEntries(Object.entries(filter).filter(([, value]) => value !== undefined));

/** Ids as the log has them, and none twice. */
function filterOf({ requestId, sessionId, actorId, patientId, ...rest }: ExportFilterInput = {}): ExportFilter {
  const ids = (list: string[] | undefined) => list && [...new Set(list.map((id) => id.toLowerCase()))];
  return present({
    ...rest,
    actorIds: ids(actorId),
    patientIds: ids(patientId),
    requestId: requestId?.toLowerCase(),
    sessionId: sessionId?.toLowerCase(),
  });
}

/** In the words in which it was asked for. */
const askedFor = ({ actorIds, patientIds, ...rest }: ExportFilter): object =>
  present({ actorId: actorIds, patientId: patientIds, ...rest });

function endOf(row: ExportRow): number | null {
  if (row.ownIdx === null || row.treeSize === null) return null;
  const { from, to, ownLast } = planOf(row.filter, row.ownIdx, row.treeSize);
  return Math.max(from, ownLast === null ? to : ownLast + 1);
}

function viewOf(row: ExportRow): ExportView {
  const { id, state, failure, formats, reason, isDisclosing, accountId, position, lines, result } = row;
  return {
    ...{ id, state, failure, formats, reason, accountId },
    filter: askedFor(row.filter),
    disclosures: isDisclosing,
    createdAt: row.createdAt.toISOString(),
    finishedAt: row.finishedAt?.toISOString() ?? null,
    progress: { position, end: endOf(row), lines },
    seq: row.ownIdx,
    treeSize: row.treeSize,
    mismatchAt: result?.mismatch ?? null,
    files: result?.files ?? [],
  };
}

const fresh = (asked: AskedExport): ExportRow => ({
  ...asked,
  ...{ state: 'queued', failure: null, ownIdx: null, treeSize: null, checkpoint: null, previousSize: null },
  ...{ previousCheckpoint: null, position: 0, lines: 0, result: null, finishedAt: null, turn: 0 },
});

/** Copies of the trail for an auditor. Asking for one, looking at it and fetching it are events; the first is the copy's own last line. */
@Injectable()
export class ExportService {
  private readonly baseUrl: string;
  private downloads = 0;

  constructor(
    @Inject(CONFIG) config: Config,
    private readonly exports: ExportRepository,
    private readonly tree: TreeRepository,
    private readonly files: ExportFiles,
    private readonly zip: ExportZip,
    private readonly jobs: ExportJobs,
    private readonly cursors: Cursors,
  ) {
    this.baseUrl = config.http.publicUrl;
  }

  async create(ctx: SignedIn, input: CreateExport): Promise<ExportView> {
    const filter = filterOf(input.filter);
    await this.refuseWhatCannotBe(filter);
    const patients = filter.patientIds ?? [];
    const asked: AskedExport = {
      id: newId(),
      accountId: ctx.actor.id,
      requestId: ctx.requestId,
      filter,
      formats: [...new Set(['ndjson', ...(input.formats ?? [])])],
      reason: input.reason,
      isDisclosing: input.disclosures ?? false,
      baseUrl: this.baseUrl,
      ownEvents: Math.max(1, patients.length),
      createdAt: ctx.now,
    };
    await this.exports.ask(ctx, asked);
    this.touch(ctx, asked);
    ctx.afterCommit(() => this.jobs.wake());
    return viewOf(fresh(asked));
  }

  async list(ctx: SignedIn, query: ExportsQuery): Promise<Page<ExportView>> {
    const [before] = this.cursors.open<[string]>(ctx, 'audit.exports', query) ?? [null];
    const rows = await this.exports.list(before, limitOf(query) + 1);
    for (const { id } of rows.slice(0, limitOf(query))) ctx.touch({ patientId: null, type: 'AuditExport', id });
    return this.cursors.page(ctx, 'audit.exports', query, rows, ({ id }) => [id], viewOf);
  }

  async get(ctx: SignedIn, id: string): Promise<ExportView> {
    const row = await this.exports.find(id);
    if (!row) throw notFound();
    ctx.touch({ patientId: null, type: 'AuditExport', id: row.id });
    return viewOf(row);
  }

  async bundle(ctx: SignedIn, id: string): Promise<Download> {
    const row = await this.ready(ctx, id);
    return {
      mediaType: 'application/zip',
      name: `audit-export-${row.id}.zip`,
      stream: this.counted(() => this.zip.open(row)),
      isLong: false,
    };
  }

  /** `after`: place of the last line that the caller has already. */
  async file(ctx: SignedIn, id: string, name: string, after: number | null): Promise<Download> {
    const row = await this.ready(ctx, id);
    const long = this.files.lineFiles(row).find((file) => file.name === name);
    if (long) {
      const stream = this.counted(() => Readable.from(this.files.content(row, long, after), { objectMode: false }));
      return { mediaType: long.mediaType, name, stream, isLong: true };
    }
    if (after !== null)
      throw invalid([
        { pointer: '/after', code: 'unknown', detail: 'Only files with a line for each event go on behind a place.' },
      ]);
    const small = await this.files.small(row, name);
    if (!small) throw notFound();
    return { ...small, name, stream: Readable.from([small.bytes], { objectMode: false }), isLong: false };
  }

  private counted(open: () => Readable): Readable {
    if (this.downloads >= AT_ONCE) throw busy();
    this.downloads++;
    return open().once('close', () => void this.downloads--);
  }

  private async ready(ctx: SignedIn, id: string): Promise<ReadyExport> {
    const row = await this.exports.find(id);
    if (!row) throw notFound();
    if (row.state === 'failed') throw failed();
    if (row.state !== 'ready') throw notReady();
    this.touch(ctx, row);
    return row as ReadyExport;
  }

  /** An export about patients is an event of each of them. */
  private touch(ctx: SignedIn, { id, filter }: AskedExport): void {
    for (const patientId of filter.patientIds ?? [null]) ctx.touch({ patientId, type: 'AuditExport', id });
  }

  private async refuseWhatCannotBe({ fromSeq, toSeq, patientIds }: ExportFilter): Promise<void> {
    if (fromSeq !== undefined || toSeq !== undefined) {
      const { size } = await this.tree.head();
      // Where the log ends now, the export's own event will be, or stand behind.
      if ((toSeq ?? 0) >= size || (fromSeq ?? 0) > (toSeq ?? size)) throw outOfRange();
    }
    // Else the export's own event would be the first of a patient who is none.
    if (patientIds && (await this.exports.known(patientIds)) < patientIds.length) throw unknownPatient();
  }
}
