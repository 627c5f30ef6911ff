import { Readable } from 'node:stream';
import { Inject, Injectable } from '@nestjs/common';
import type { BundleLimits } from '../../fhir/index.js';
import { authorize, type SignedIn } from '../../platform/access/context.js';
import { CONFIG, type Config } from '../../platform/config/config.js';
import { Database } from '../../platform/database/database.js';
import { Cursors, limitOf } from '../../platform/http/cursors.js';
import type { Page } from '../../platform/http/presenter.js';
import { notFound } from '../../platform/http/problem.js';
import { newId } from '../../platform/ids.js';
import { ImportBodies } from './import-bodies.js';
import type {
  ImportAccepted,
  ImportFileView,
  ImportIssueView,
  ImportsQuery,
  ImportView,
  IssuesQuery,
  OpenImport,
} from './import.dto.js';
import { checkBundle } from './import-intake.js';
import { bundleLimits } from './import-limits.js';
import { ImportJobs } from './import-jobs.js';
import { FirstLine, rankOf } from './import-rank.js';
import { issueView, viewOf } from './import.view.js';
import { ImportRepository, type ImportRow, type NewFile } from './import.repository.js';
import { bodyTooLarge, importNotOpen, importsBusy, isOver, NDJSON_TYPES, wrongMediaType } from './records.errors.js';
import { Turns, TurnsOfEach } from './turns.js';

// Each upload holds a few pieces in memory and a connection of its client's; those that wait, the latter alone.
const AT_ONCE = { running: 24, waiting: 100 };
/** An upload may take hours: those of one feed leave room for others'. */
const OF_A_FEED = { running: 4, waiting: 50 };

/** A request's body that nobody has read. */
export interface Upload {
  body: unknown;
  mediaType: string;
  /** Content-Length in bytes, when the sender said it. */
  length: number | undefined;
  name?: string;
}

interface Stored {
  file: NewFile;
  bundleType: string;
  /** Puts the last piece into the request's transaction. */
  finish: () => Promise<void>;
}

/** Imports as their feeds ask for them: bodies are taken in here, and worked off by {@link ImportJobs}. */
@Injectable()
export class ImportService {
  private readonly turns = new TurnsOfEach(OF_A_FEED, new Turns(AT_ONCE, importsBusy), importsBusy);
  private readonly limits: BundleLimits;
  private readonly maxFileBytes: number;

  constructor(
    @Inject(CONFIG) config: Config,
    private readonly database: Database,
    private readonly imports: ImportRepository,
    private readonly bodies: ImportBodies,
    private readonly jobs: ImportJobs,
    private readonly cursors: Cursors,
  ) {
    this.limits = bundleLimits(config);
    this.maxFileBytes = config.http.importFileLimit;
  }

  /** One body is a whole import. A Bundle that cannot be read is refused at once and leaves nothing behind. */
  async create(ctx: SignedIn, upload: Upload): Promise<ImportAccepted> {
    const source = this.sourceOf(ctx);
    const id = newId();
    await this.turns.take(ctx.actor.id, async () => {
      const { file, bundleType, finish } = await this.take(ctx, source, upload, false);
      await this.imports.open(ctx, { id, source, bundleType, transactionTime: null });
      await this.imports.addFile(ctx, id, file);
      await finish();
    });
    return this.queue(ctx, id);
  }

  /** An import of several files, such as those of one export; nothing happens before it is completed. */
  async open(ctx: SignedIn, { transactionTime }: OpenImport): Promise<ImportView> {
    const source = this.sourceOf(ctx);
    const id = newId();
    await this.imports.open(ctx, { id, source, bundleType: 'ndjson', transactionTime: transactionTime ?? null });
    return this.get(ctx, id);
  }

  /** One file more. Sent twice it is worked twice, and changes nothing the second time. */
  async addFile(ctx: SignedIn, id: string, upload: Upload): Promise<ImportFileView> {
    const { status, source } = await this.glance(ctx, id);
    if (status !== 'open') throw importNotOpen();
    return this.turns.take(ctx.actor.id, async () => {
      const { file, finish } = await this.take(ctx, source, upload, true);
      // It may have been completed meanwhile: then the file would be in it and not worked.
      if (!(await this.imports.lockOpen(ctx, id))) throw importNotOpen();
      await this.imports.addFile(ctx, id, file);
      await finish();
      return { id: file.id, name: file.name, bytes: file.bytes };
    });
  }

  async complete(ctx: SignedIn, id: string): Promise<ImportAccepted> {
    const { status } = await this.find(ctx, id, 'import');
    if (status !== 'open' || !(await this.imports.lockOpen(ctx, id))) throw importNotOpen();
    return this.queue(ctx, id);
  }

  /** What was stored stays: every version says which import it came with. */
  async cancel(ctx: SignedIn, id: string): Promise<ImportAccepted> {
    await this.find(ctx, id, 'import');
    if (!(await this.imports.cancel(ctx, id))) throw isOver();
    return { id, status: 'cancelled' };
  }

  async list(ctx: SignedIn, query: ImportsQuery): Promise<Page<ImportView>> {
    const [before] = this.cursors.open<[string]>(ctx, 'imports', query) ?? [null];
    const rows = await this.imports.list(ctx, { status: query.status, before, limit: limitOf(query) + 1 });
    const page = this.cursors.page(
      ctx,
      'imports',
      query,
      rows,
      ({ id }) => [id],
      (row) => viewOf(row, ctx.now),
    );
    for (const { id } of page.items) ctx.touch({ patientId: null, type: 'Import', id });
    return page;
  }

  async get(ctx: SignedIn, id: string): Promise<ImportView> {
    return viewOf(await this.find(ctx, id, 'read'), ctx.now);
  }

  async issues(ctx: SignedIn, id: string, query: IssuesQuery): Promise<Page<ImportIssueView>> {
    await this.find(ctx, id, 'read');
    const list = `import-issues:${id}`;
    const [after] = this.cursors.open<[number]>(ctx, list, query) ?? [-1];
    const rows = await this.imports.issues(ctx, id, { severity: query.severity, after, limit: limitOf(query) + 1 });
    return this.cursors.page(ctx, list, query, rows, ({ ordinal }) => [ordinal], issueView);
  }

  /** On a connection that is given back at once: uploads, and those that wait for their turn, would hold all there are. */
  private async glance(ctx: SignedIn, id: string): Promise<ImportRow> {
    const db = this.database.openRead(ctx.actor.id);
    try {
      return await this.find({ ...ctx, db }, id, 'import');
    } finally {
      await db.release();
    }
  }

  private async find(ctx: SignedIn, id: string, action: 'read' | 'import'): Promise<ImportRow> {
    const row = await this.imports.find(ctx, id);
    if (!row) throw notFound();
    authorize(ctx, action, 'Import', row);
    ctx.touch({ patientId: null, type: 'Import', id });
    return row;
  }

  private sourceOf(ctx: SignedIn): string {
    authorize(ctx, 'import', 'Import', { accountId: ctx.actor.id });
    if (ctx.actor.source === null) throw notFound();
    return ctx.actor.source;
  }

  private async queue(ctx: SignedIn, id: string): Promise<ImportAccepted> {
    await this.imports.queue(ctx, id);
    ctx.touch({ patientId: null, type: 'Import', id });
    ctx.afterCommit(() => this.jobs.wake());
    return { id, status: 'queued' };
  }

  private async take(ctx: SignedIn, source: string, upload: Upload, areLinesOnly: boolean): Promise<Stored> {
    const { body, mediaType, length, name } = upload;
    const isLines = NDJSON_TYPES.includes(mediaType);
    // A type that some other route takes arrives here parsed, or not at all.
    if (!(body instanceof Readable) || (areLinesOnly && !isLines)) throw wrongMediaType();
    const maxBytes = isLines ? this.maxFileBytes : this.limits.maxBytes;
    if (length !== undefined && length > maxBytes) throw bodyTooLarge(maxBytes);
    const id = newId();
    const owner = { accountId: ctx.actor.id, source };
    const store = this.bodies.store(owner, id, ctx.now, maxBytes);
    try {
      // Ending the loop early must not destroy the stream: that would cut the connection before the answer.
      const chunks = store.through(body.iterator({ destroyOnReturn: false }) as AsyncIterable<Uint8Array>);
      const first = new FirstLine();
      const bundleType = isLines ? await first.drain(chunks) : await checkBundle(chunks, this.limits);
      const media = isLines ? ('ndjson' as const) : ('bundle' as const);
      const file = { id, media, name: name ?? null, rank: rankOf(first.type), bytes: store.bytes };
      return { file, bundleType, finish: () => store.finish(ctx) };
    } catch (error) {
      discard(body);
      await this.bodies.forget(owner, id);
      throw error;
    }
  }
}

/** What still comes is read and dropped; whoever hands bodies out (`Uploads`) bounds for how long. */
function discard(body: Readable): void {
  body.on('error', () => undefined);
  body.resume();
}
