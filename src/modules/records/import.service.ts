import { Readable } from 'node:stream';
import { Inject, Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { newId } from '../../platform/ids.js';
import { ResourceInspector, type BundleLimits } from '../../fhir/index.js';
import { authorize, type SignedIn } from '../../platform/access/context.js';
import { Clock } from '../../platform/clock.js';
import { CONFIG, type Config } from '../../platform/config/config.js';
import { KeyRing } from '../../platform/crypto/index.js';
import { Vault } from '../../platform/database/vault.js';
import { Cursors, limitOf } from '../../platform/http/cursors.js';
import type { Page } from '../../platform/http/presenter.js';
import { notFound } from '../../platform/http/problem.js';
import { Charts } from '../users/index.js';
import { FeedRepository } from './feed.repository.js';
import { candidatesOf } from './import-candidates.js';
import type { ImportAccepted, ImportIssueView, ImportView, IssuesQuery } from './import.dto.js';
import { readImport, type InspectedBundle } from './import-intake.js';
import { ImportReport } from './import-report.js';
import { ImportRepository, type ImportRow } from './import.repository.js';
import { ImportRun, type Tools } from './import-run.js';
import { bodyTooLarge, importsBusy, wrongMediaType } from './records.errors.js';
import { Turns } from './turns.js';

// Deeper than any real record (a questionnaire's items, a Bundle in a Bundle), shallow enough for every recursion here.
const MAX_DEPTH = 200;
// One entry is in memory several times while it is read: attachments larger than this come as Binary by themselves.
const MAX_ENTRY_BYTES = 16 * 1024 * 1024;
// Each running import may hold a whole body in memory; each waiting one only a connection.
const AT_ONCE = { running: 2, waiting: 50 };
// One per feed holds a connection of the pool and the feed's lock; the others wait here, without one.
const AT_ONCE_OF_FEED = { running: 1, waiting: 50 };

/** Imports of one feed each. The work is done inside the request; the contract is that of a job. */
@Injectable()
export class ImportService implements OnApplicationShutdown {
  private readonly inspector = new ResourceInspector();
  private readonly turns = new Turns(AT_ONCE, importsBusy);
  private readonly turnsOf = new Map<string, Turns>();
  private readonly limits: BundleLimits;
  private readonly tools: Tools;

  constructor(
    @Inject(CONFIG) config: Config,
    private readonly imports: ImportRepository,
    feed: FeedRepository,
    charts: Charts,
    vault: Vault,
    ring: KeyRing,
    private readonly cursors: Cursors,
    private readonly clock: Clock,
  ) {
    const { importLimit, importMaxEntries } = config.http;
    this.limits = {
      maxDepth: MAX_DEPTH,
      maxEntries: importMaxEntries,
      maxEntryBytes: Math.min(MAX_ENTRY_BYTES, importLimit),
      maxBytes: importLimit,
    };
    this.tools = {
      feed,
      charts,
      vault,
      macKeys: ring.subkeys('records/content'),
      hospitalMrnSystem: config.hospital.mrnSystem,
    };
  }

  /** `declaredLength`: Content-Length in bytes, when the sender said it. Whatever could be read becomes an import, also one that failed. */
  async create(ctx: SignedIn, body: unknown, declaredLength: number | undefined): Promise<ImportAccepted> {
    authorize(ctx, 'import', 'Import', { accountId: ctx.actor.id });
    const { source } = ctx.actor;
    if (source === null) throw notFound();
    // A type that some other route takes arrives here parsed, or not at all.
    if (!(body instanceof Readable)) throw wrongMediaType();
    if (declaredLength !== undefined && declaredLength > this.limits.maxBytes) throw bodyTooLarge(this.limits.maxBytes);
    return this.turns.take(async () => {
      const bundle = await readImport(body, this.limits, this.inspector);
      return this.turnsOfFeed(source).take(() => this.store(ctx, source, bundle));
    });
  }

  async get(ctx: SignedIn, id: string): Promise<ImportView> {
    const row = await this.find(ctx, id);
    const { bundleType, source, status, entries, counts, byType } = row;
    return {
      id,
      status,
      bundleType,
      source,
      entries,
      ...counts,
      byType,
      receivedAt: row.receivedAt.toISOString(),
      finishedAt: row.finishedAt.toISOString(),
    };
  }

  async issues(ctx: SignedIn, id: string, query: IssuesQuery): Promise<Page<ImportIssueView>> {
    await this.find(ctx, id);
    const list = `import-issues:${id}`;
    const [after] = this.cursors.open<[number]>(ctx, list, query) ?? [-1];
    const rows = await this.imports.issues(ctx, id, { severity: query.severity, after, limit: limitOf(query) + 1 });
    return this.cursors.page(
      ctx,
      list,
      query,
      rows,
      ({ ordinal }) => [ordinal],
      (row) => row,
    );
  }

  async onApplicationShutdown(): Promise<void> {
    await this.inspector.close();
  }

  private async find(ctx: SignedIn, id: string): Promise<ImportRow> {
    const row = await this.imports.find(ctx, id);
    if (!row) throw notFound();
    authorize(ctx, 'read', 'Import', row);
    ctx.touch({ patientId: null, type: 'Import', id });
    return row;
  }

  private async store(ctx: SignedIn, source: string, bundle: InspectedBundle): Promise<ImportAccepted> {
    const id = newId();
    const report = new ImportReport(bundle.type, bundle.entries.length);
    const identified = candidatesOf(bundle.entries, report);
    if (!report.mustFail) await new ImportRun(ctx, { importId: id, source }, report, this.tools).store(identified);
    if (report.mustFail) report.fail();
    await this.imports.save(
      ctx,
      {
        id,
        accountId: ctx.actor.id,
        source,
        bundleType: bundle.type,
        status: report.status,
        entries: report.entries,
        counts: report.counts,
        byType: report.byType,
        receivedAt: ctx.now,
        finishedAt: this.clock.now(),
      },
      report.issues,
    );
    ctx.touch({ patientId: null, type: 'Import', id });
    return { id, status: report.status };
  }

  private turnsOfFeed(source: string): Turns {
    let turns = this.turnsOf.get(source);
    if (!turns) this.turnsOf.set(source, (turns = new Turns(AT_ONCE_OF_FEED, importsBusy)));
    return turns;
  }
}
