import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { Inject, Injectable } from '@nestjs/common';
import type { SignedIn } from '../../../platform/access/context.js';
import { after } from '../../../platform/clock.js';
import { CONFIG, type Config } from '../../../platform/config/config.js';
import { part, type ByteRange } from '../../../platform/http/byte-range.js';
import type { Download } from '../../../platform/http/file-answer.js';
import { Cursors, limitOf } from '../../../platform/http/cursors.js';
import type { Page } from '../../../platform/http/presenter.js';
import { notFound, Problem } from '../../../platform/http/problem.js';
import { newId } from '../../../platform/ids.js';
import { EventsDeleted } from '../retention/archive.errors.js';
import { ArchivedLeaves } from '../retention/archived-leaves.js';
import { TreeRepository } from '../tree/tree.repository.js';
import { ExportFiles, FORMS, WHOLE } from './export-files.js';
import { ExportJobs } from './export-jobs.js';
import type { ExportFilter } from './export-plan.js';
import { planOf } from './export-plan.js';
import { ExportZip } from './export-zip.js';
import type { CreateExport, ExportFilterInput, ExportsQuery, ExportView } from './export.dto.js';
import { ExportRepository, type AskedExport, type ExportRow, type ReadyExport } from './export.repository.js';

/** Downloads at once of one process: each reads, packs and hashes as fast as its client takes it. */
const AT_ONCE = 4;
/** For which an export can be fetched; what it opens and tells is not lying ready for longer than it is needed. */
const DAYS = 30;
/** Exports that are worked on or wait, whoever asked for them. */
const MOST_UNFINISHED = 20;

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
const tooMany = (): Problem =>
  new Problem(
    503,
    'audit.exports-waiting',
    'Too many exports wait for their turn. Ask again when some of them are ready.',
    {
      retryAfterSeconds: 60,
    },
  );
const over = (): Problem => new Problem(409, 'audit.export-over', 'This export has failed or was ended before.');
const expired = (): Problem =>
  new Problem(409, 'audit.export-expired', 'This export is too old to be fetched. Ask for a new one.');
const failed = (): Problem =>
  new Problem(409, 'audit.export-failed', 'This export cannot be had: its state says why. Ask for a new one.');

/** What was left out is not there at all. */
const present = (filter: object): object =>
  Object.fromEntries(Object.entries(filter).filter(([, value]) => value !== undefined));

/** Ids as the log has them, and none twice. */
function filterOf({ requestId, sessionId, actorId, patientId, ip, ...rest }: ExportFilterInput = {}): ExportFilter {
  const ids = (list: string[] | undefined) => list && [...new Set(list.map((id) => id.toLowerCase()))];
  return present({
    ...rest,
    actorIds: ids(actorId),
    patientIds: ids(patientId),
    requestId: requestId?.toLowerCase(),
    sessionId: sessionId?.toLowerCase(),
    ip: ip?.toLowerCase(),
  });
}

/** In the words in which it was asked for. */
const askedFor = ({ actorIds, patientIds, ...rest }: ExportFilter): object =>
  present({ actorId: actorIds, patientId: patientIds, ...rest });

/** Until when a ready export can be fetched. */
const expiryOf = ({ finishedAt }: ExportRow): Date => after(finishedAt!, DAYS * 86_400);

function endOf(row: ExportRow): number | null {
  if (row.ownIdx === null || row.treeSize === null) return null;
  const { from, to, ownLast } = planOf(row.filter, row.ownIdx, row.treeSize);
  return Math.max(from, ownLast === null ? to : ownLast + 1);
}

function viewOf(row: ExportRow): ExportView {
  const { id, state, failure, formats, reason, isDisclosing, accountId, position, lines } = row;
  const result = state === 'ready' ? row.result : null;
  return {
    ...{ id, state, failure, formats, reason, accountId },
    filter: askedFor(row.filter),
    disclosures: isDisclosing,
    createdAt: row.createdAt.toISOString(),
    finishedAt: row.finishedAt?.toISOString() ?? null,
    progress: { position, end: endOf(row), lines },
    seq: row.ownIdx,
    treeSize: row.treeSize,
    mismatchAt: row.result?.mismatch ?? null,
    expiresAt: result && expiryOf(row).toISOString(),
    bundle: result && { bytes: result.bundle.bytes, sha256: result.bundle.sha256 },
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
    private readonly archive: ArchivedLeaves,
    private readonly files: ExportFiles,
    private readonly zip: ExportZip,
    private readonly jobs: ExportJobs,
    private readonly cursors: Cursors,
  ) {
    this.baseUrl = config.http.publicUrl;
  }

  async create(ctx: SignedIn, input: CreateExport): Promise<ExportView> {
    const filter = await this.fromWhatIsLeft(filterOf(input.filter));
    await this.refuseWhatCannotBe(filter);
    if ((await this.exports.unfinished()) >= MOST_UNFINISHED) throw tooMany();
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

  /** Nobody can fetch it any more, and nobody goes on working on it. */
  async end(ctx: SignedIn, id: string): Promise<ExportView> {
    const ended = await this.exports.end(ctx, id);
    if (ended === null) throw notFound();
    if (!ended) throw over();
    const row = (await this.exports.find(id))!;
    this.touch(ctx, row);
    return viewOf({ ...row, state: 'ended', finishedAt: row.finishedAt ?? ctx.now });
  }

  async bundle(ctx: SignedIn, id: string): Promise<Download> {
    const row = await this.ready(ctx, id);
    const { bytes, sha256, zlib } = row.result.bundle;
    return {
      mediaType: 'application/zip',
      name: `audit-export-${row.id}.zip`,
      known: zlib === process.versions.zlib ? { etag: `"${sha256}"`, size: bytes } : null,
      // Packing has to begin at the beginning.
      open: (range) => this.counted(() => (range ? part(this.zip.open(row), range) : this.zip.open(row))),
      isLong: false,
    };
  }

  async file(ctx: SignedIn, id: string, name: string): Promise<Download> {
    const row = await this.ready(ctx, id);
    const long = this.files.lineFiles(row).find((file) => file.name === name);
    const told = row.result.files.find((file) => file.name === name);
    if (long && told) {
      const content = (range: ByteRange | null) => this.files.content(row, long, range ?? WHOLE);
      return {
        ...{ mediaType: long.mediaType, name, isLong: true },
        known: { etag: `"${told.sha256}"`, size: told.bytes },
        open: (range) => this.counted(() => Readable.from(content(range), { objectMode: false })),
      };
    }
    const small = await this.files.small(row, name);
    if (!small) throw notFound();
    const { mediaType, bytes } = small;
    const etag = `"${createHash('sha256').update(bytes).digest('hex')}"`;
    return {
      ...{ mediaType, name, isLong: false },
      known: { etag, size: bytes.length },
      open: (range) =>
        Readable.from([range ? bytes.subarray(range.start, range.end + 1) : bytes], { objectMode: false }),
    };
  }

  private counted(open: () => Readable): Readable {
    if (this.downloads >= AT_ONCE) throw busy();
    this.downloads++;
    return open().once('close', () => void this.downloads--);
  }

  private async ready(ctx: SignedIn, id: string): Promise<ReadyExport> {
    const row = await this.exports.find(id);
    if (!row) throw notFound();
    if (row.state === 'failed' || row.state === 'ended') throw failed();
    if (row.state !== 'ready') throw notReady();
    if (expiryOf(row) <= ctx.now || row.result?.forms !== FORMS) throw expired();
    this.touch(ctx, row);
    return { ...row, segments: await this.exports.segments(id) } as ReadyExport;
  }

  /** An export about patients is an event of each of them. */
  private touch(ctx: SignedIn, { id, filter }: AskedExport): void {
    for (const patientId of filter.patientIds ?? [null]) ctx.touch({ patientId, type: 'AuditExport', id });
  }

  /** Where retention has deleted the beginning of the log, an export begins behind that, and says so in its filter. */
  private async fromWhatIsLeft(filter: ExportFilter): Promise<ExportFilter> {
    const { blocks } = this.archive;
    const { deletedTo } = await blocks.edge();
    const { fromSeq, toSeq = Number.MAX_SAFE_INTEGER } = filter;
    if (deletedTo > 0 && fromSeq === undefined && toSeq >= deletedTo) return { ...filter, fromSeq: deletedTo };
    if (deletedTo > 0 && (await blocks.hasDeleted(fromSeq ?? 0, toSeq))) throw new EventsDeleted();
    return filter;
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
