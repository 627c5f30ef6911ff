import { Readable } from 'node:stream';
import { Inject, Injectable } from '@nestjs/common';
import { authorize, type SignedIn } from '../../../platform/access/context.js';
import { after } from '../../../platform/clock.js';
import { CONFIG, type Config } from '../../../platform/config/config.js';
import { Cursors, limitOf } from '../../../platform/http/cursors.js';
import type { Download } from '../../../platform/http/file-answer.js';
import type { Page } from '../../../platform/http/presenter.js';
import { notFound } from '../../../platform/http/problem.js';
import { invalid } from '../../../platform/http/validation.js';
import { newId } from '../../../platform/ids.js';
import type { ByteRange } from '../../../platform/http/byte-range.js';
import { endOf, startOf } from '../record-query.js';
import { FORMATS, isType, type CreateDownload, type DownloadsQuery, type DownloadView } from './download.dto.js';
import { DownloadFiles } from './download-files.js';
import type { DownloadFile, DownloadFilter, DownloadRow } from './download-job.js';
import { DownloadJobs } from './download-jobs.js';
import { DownloadRepository } from './download.repository.js';
import { downloadNotReady, downloadOver, downloadsBusy, tooManyDownloads } from './downloads.errors.js';

/** Each reads the whole chart several times. */
const MOST_A_DAY = 50;
/** Files that are fetched at once from one process. */
const AT_ONCE = 16;

const WHOLE = (bytes: number): ByteRange => ({ start: 0, end: bytes - 1 });

/** Copies of a chart for whoever may see it: asked for, watched, fetched and given up; each of that is an event. */
@Injectable()
export class DownloadService {
  private readonly days: number;
  private fetched = 0;

  constructor(
    @Inject(CONFIG) config: Config,
    private readonly downloads: DownloadRepository,
    private readonly files: DownloadFiles,
    private readonly jobs: DownloadJobs,
    private readonly cursors: Cursors,
  ) {
    this.days = config.downloads.days;
  }

  async create(ctx: SignedIn, patientId: string, input: CreateDownload): Promise<DownloadView> {
    authorize(ctx, 'create', 'ChartDownload', { patientId });
    if ((await this.downloads.madeSince(ctx, after(ctx.now, -86_400))) >= MOST_A_DAY) throw tooManyDownloads();
    const row: DownloadRow = {
      ...{ id: newId(), patientId, accountId: ctx.actor.id, requestId: ctx.requestId, sessionId: ctx.actor.sessionId },
      ...{ filter: filterOf(input), formats: input.formats ?? [...FORMATS], status: 'queued', failure: null },
      ...{ records: 0, recordsTotal: null, createdAt: ctx.now, finishedAt: null },
      expiresAt: after(ctx.now, this.days * 86_400),
    };
    await this.downloads.insert(ctx, row, openLabels(ctx, patientId));
    touch(ctx, row);
    ctx.afterCommit(() => this.jobs.wake());
    return viewOf(row, []);
  }

  async list(ctx: SignedIn, patientId: string, query: DownloadsQuery): Promise<Page<DownloadView>> {
    authorize(ctx, 'list', 'ChartDownload', { patientId });
    const list = `downloads:${patientId}`;
    const [before] = this.cursors.open<[string]>(ctx, list, query) ?? [null];
    const rows = await this.downloads.list(ctx, patientId, before, limitOf(query) + 1);
    const files = await this.downloads.files(
      ctx,
      rows.map(({ id }) => id),
    );
    if (rows.length === 0) ctx.touch({ patientId, type: 'Patient', id: patientId });
    return this.cursors.page(
      ctx,
      list,
      query,
      rows,
      ({ id }) => [id],
      (row) => (touch(ctx, row), viewOf(row, files.get(row.id) ?? [])),
    );
  }

  async get(ctx: SignedIn, id: string): Promise<DownloadView> {
    const row = await this.seen(ctx, id);
    touch(ctx, row);
    return viewOf(row, (await this.downloads.files(ctx, [id])).get(id) ?? []);
  }

  /** Its files are gone at once, whether it was ready or not. */
  async end(ctx: SignedIn, id: string): Promise<DownloadView> {
    const row = await this.seen(ctx, id);
    authorize(ctx, 'end', 'ChartDownload', row);
    if (!(await this.downloads.end(ctx, id))) throw downloadOver();
    touch(ctx, row);
    return viewOf({ ...row, status: 'ended', finishedAt: row.finishedAt ?? ctx.now }, []);
  }

  async file(ctx: SignedIn, id: string, name: string): Promise<Download> {
    const { row, files } = await this.ready(ctx, id);
    authorize(ctx, 'download', 'ChartDownload', row);
    const file = files.find((one) => one.name === name);
    if (!file) throw notFound();
    touch(ctx, row);
    const { mediaType, bytes, sha256 } = file;
    const content = (range: ByteRange | null) => this.files.read(ctx.actor.id, id, name, range ?? WHOLE(bytes));
    return {
      ...{ mediaType, name, isLong: false },
      known: { etag: `"${sha256}"`, size: bytes },
      open: (range) => this.counted(() => Readable.from(content(range), { objectMode: false })),
    };
  }

  /** A download whose files are whole and not too old. */
  async ready(ctx: SignedIn, id: string): Promise<{ row: DownloadRow; files: DownloadFile[] }> {
    const row = await this.seen(ctx, id);
    if (row.status === 'queued' || row.status === 'running') throw downloadNotReady();
    if (row.status !== 'ready' || row.expiresAt <= ctx.now) throw downloadOver();
    return { row, files: (await this.downloads.files(ctx, [id])).get(id) ?? [] };
  }

  private async seen(ctx: SignedIn, id: string): Promise<DownloadRow> {
    const row = await this.downloads.find(ctx, id);
    if (!row) throw notFound();
    return row;
  }

  private counted(open: () => Readable): Readable {
    if (this.fetched >= AT_ONCE) throw downloadsBusy();
    this.fetched++;
    return open().once('close', () => void this.fetched--);
  }
}

const touch = (ctx: SignedIn, { id, patientId }: DownloadRow): void =>
  ctx.touch({ patientId, type: 'ChartDownload', id });

/** Null: to the patient all is open. */
function openLabels({ actor }: SignedIn, patientId: string): readonly string[] | null {
  if (actor.roles.has('patient') && actor.patientIds.includes(patientId)) return null;
  return actor.proxied.get(patientId) ?? [];
}

function filterOf({ from, to, types }: CreateDownload): DownloadFilter {
  if (from !== undefined && to !== undefined && to < from)
    throw invalid([{ pointer: '/to', code: 'backwards', detail: '`from` comes before `to`.' }]);
  if (types?.some((type) => !isType(type)))
    throw invalid([{ pointer: '/types', code: 'not-a-type', detail: 'Names of FHIR types, such as Observation.' }]);
  return {
    ...{ from: from ?? null, to: to ?? null, types: types ?? [] },
    part: {
      ...(types?.length ? { types } : {}),
      ...(from === undefined ? {} : { from: startOf('/from', from) }),
      ...(to === undefined ? {} : { before: endOf('/to', to) }),
    },
  };
}

function viewOf(row: DownloadRow, files: readonly DownloadFile[]): DownloadView {
  const { id, patientId, status, failure, formats, filter, records, recordsTotal } = row;
  const { from, to, types } = filter;
  return {
    ...{ id, patientId, status, failure, from, to, types, formats },
    createdAt: row.createdAt.toISOString(),
    finishedAt: row.finishedAt?.toISOString() ?? null,
    expiresAt: row.expiresAt.toISOString(),
    progress: { records, total: recordsTotal },
    files: status === 'ready' ? [...files] : [],
  };
}
