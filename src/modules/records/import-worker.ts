import { Inject, Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { ResourceInspector, type BundleLimits, type Inspection } from '../../fhir/index.js';
import { AuditSink } from '../../platform/access/audit-sink.js';
import type { Touch } from '../../platform/access/trail.js';
import { Clock } from '../../platform/clock.js';
import { CONFIG, type Config } from '../../platform/config/config.js';
import { KeyRing } from '../../platform/crypto/index.js';
import { isDataRefused } from '../../platform/database/database-errors.js';
import { Database } from '../../platform/database/database.js';
import { Vault } from '../../platform/database/vault.js';
import { Charts } from '../users/index.js';
import { AttachmentSieve, type SpillTarget } from './attachment-sieve.js';
import { Spills } from './attachment-spills.js';
import { AttachmentStore } from './attachment.store.js';
import { AwaitedRepository } from './awaited.repository.js';
import { ChartMerges } from './chart-merges.js';
import { FeedRepository } from './feed.repository.js';
import { ImportBodies } from './import-bodies.js';
import { candidatesOf, namedBy } from './import-candidates.js';
import { readImport, type BundleType, type InspectedEntry } from './import-intake.js';
import {
  ImportFailure,
  type Delivery,
  type ImportCtx,
  type ImportFile,
  type ImportJob,
  type Turn,
} from './import-job.js';
import { ImportJobRepository } from './import-job.repository.js';
import { groupsOf, type LineGroup } from './import-groups.js';
import { ImportRelease } from './import-release.js';
import { ImportReport, MAX_ISSUES } from './import-report.js';
import { ImportRun, type Tools } from './import-run.js';
import { add, refuseLine, rounds, withClock } from './import-steps.js';
import { bundleLimits } from './import-limits.js';
import { Hl7Messages } from './hl7-messages.js';
import { MESSAGE, QuarantineStore, type Quarantined } from './quarantine.store.js';
import { RecordWords } from './record-words.js';

/** Does the work of one import, in transactions that each note how far it is: whoever comes next goes on from there. */
@Injectable()
export class ImportWorker implements OnApplicationShutdown {
  readonly inspector = new ResourceInspector();
  private readonly limits: BundleLimits;
  /** For those who store what is no file of an import. */
  readonly tools: Tools;

  constructor(
    @Inject(CONFIG) config: Config,
    private readonly jobs: ImportJobRepository,
    private readonly bodies: ImportBodies,
    private readonly database: Database,
    private readonly sink: AuditSink,
    private readonly clock: Clock,
    private readonly messages: Hl7Messages,
    feed: FeedRepository,
    awaited: AwaitedRepository,
    attachments: AttachmentStore,
    quarantine: QuarantineStore,
    merges: ChartMerges,
    charts: Charts,
    words: RecordWords,
    vault: Vault,
    ring: KeyRing,
  ) {
    this.limits = bundleLimits(config);
    this.tools = {
      ...{ feed, awaited, attachments, quarantine, merges, charts, words, vault },
      macKeys: ring.subkeys('records/content'),
      hospitalMrnSystem: config.hospital.mrnSystem,
    };
  }

  /**
   * From where it stands to its end. `mayGoOn` is asked between transactions. Throws Superseded when the turn was lost or the
   * import cancelled, ImportFailure when another try would be for nothing.
   */
  async work(turn: Turn, mayGoOn: () => void): Promise<void> {
    const job = await this.transaction(turn, (ctx) => this.jobs.begin(ctx, turn));
    const may = await this.transaction(turn, (ctx) => this.jobs.speaksFor(ctx, job.source));
    if (!may) throw new ImportFailure('feed-withdrawn');
    if (job.retryOf !== null) await this.retry(job, job.retryOf);
    while (job.at.file < job.files.length) {
      mayGoOn();
      const file = job.files[job.at.file]!;
      if (file.media === 'bundle') {
        if (!(await this.bundle(job, file))) return;
      } else await this.lines(job, file, mayGoOn);
    }
    await this.release(job, mayGoOn);
    const hasErrors = job.counts.rejected + job.counts.quarantined > 0;
    await this.transaction(job, (ctx) =>
      this.jobs.finish(ctx, job, hasErrors ? 'completed-with-issues' : 'completed', null),
    );
  }

  /** Ends it without doing more. */
  async fail(turn: Turn, code: string): Promise<void> {
    await this.transaction(turn, (ctx) => this.jobs.finish(ctx, turn, 'failed', code));
  }

  /** A text as an import would find it. */
  async inspect(text: string): Promise<Inspection> {
    return (await this.inspector.inspectMany([text]))[0]!;
  }

  async onApplicationShutdown(): Promise<void> {
    await this.inspector.close();
  }

  /** A Bundle is one transaction, whatever its type: its entries mean each other. False: a transaction that was refused. */
  private async bundle(job: ImportJob, file: ImportFile): Promise<boolean> {
    const spills = this.spills(job);
    const sieve = new AttachmentSieve(this.spillTarget(job, spills));
    const { entries } = await readImport(this.bodies.read(job, file), this.limits, this.inspector, sieve);
    const report = new ImportReport(job.bundleType as BundleType, MAX_ISSUES - job.issues);
    return this.transaction(job, async (ctx) => {
      const identified = candidatesOf(withClock(entries, job), report, job.source);
      if (!report.mustFail)
        await new ImportRun(ctx, this.delivery(job, null), report, this.tools, spills).store(identified);
      if (report.mustFail) report.fail();
      add(job, report);
      // Of a refused transaction only what it was refused for is in the report.
      job.entries += entries.length - report.entries;
      job.bytesDone += file.bytes;
      job.at = { file: job.at.file + 1, byte: 0, line: 0 };
      await this.jobs.issues(ctx, job, report.issues, null);
      await this.jobs.progress(ctx, job);
      if (report.hasFailed) await this.jobs.finish(ctx, job, 'failed', 'transaction-refused');
      return !report.hasFailed;
    });
  }

  /** Lines in groups, each in a transaction of its own; while one is stored, the next is inspected. */
  private async lines(job: ImportJob, file: ImportFile, mayGoOn: () => void): Promise<void> {
    const body = this.bodies.read(job, file, job.at.byte);
    const spills = this.spills(job);
    const sieve = new AttachmentSieve(this.spillTarget(job, spills));
    const groups = groupsOf(body, job.at, this.limits.maxEntryBytes, this.inspector, sieve);
    // Started and not awaited: its fault is met when its turn comes.
    const begun = (next: ReturnType<typeof groups.next>) => (next.catch(() => undefined), next);
    let next = begun(groups.next());
    for (let group = await next; !group.done; group = await next) {
      next = begun(groups.next());
      mayGoOn();
      await this.group(job, file, group.value, spills);
    }
    await this.transaction(job, async (ctx) => {
      job.bytesDone += file.bytes - job.at.byte;
      job.at = { file: job.at.file + 1, byte: 0, line: 0 };
      await this.jobs.progress(ctx, job);
    });
  }

  private async group(job: ImportJob, file: ImportFile, group: LineGroup, spills: Spills): Promise<void> {
    const entries = withClock(group.entries, job);
    try {
      await this.stored(job, file, group, spills, async (store) => {
        for (const round of rounds(entries, job.source)) await store(round);
      });
    } catch (error) {
      if (!isDataRefused(error)) throw error;
      // There is something in it that no check has found and the database does not take: each line by itself, so that only that one is lost.
      await this.stored(job, file, group, spills, async (store, { apart, report }) => {
        for (const line of Map.groupBy(entries, ({ index }) => index).values())
          if (!(await apart(() => store(line)))) refuseLine(report, line);
      });
    }
  }

  private async stored(
    job: ImportJob,
    file: ImportFile,
    group: LineGroup,
    spills: Spills,
    work: (
      store: (entries: readonly InspectedEntry[]) => Promise<void>,
      help: { apart: Apart; report: ImportReport },
    ) => Promise<void>,
  ): Promise<void> {
    const report = new ImportReport('ndjson', MAX_ISSUES - job.issues);
    for (const { line, code, detail } of group.refused)
      report.reject({ index: line, type: 'unknown' }, code, '', detail);
    const delivery = this.delivery(job, file.id);
    await this.transaction(job, async (ctx, apart) => {
      const store = (entries: readonly InspectedEntry[]): Promise<void> =>
        new ImportRun(ctx, delivery, report, this.tools, spills).store(candidatesOf(entries, report, job.source));
      await work(store, { apart, report });
      add(job, report);
      job.bytesDone += group.next.byte - job.at.byte;
      job.at = { file: job.at.file, ...group.next };
      await this.jobs.issues(ctx, job, report.issues, file.id);
      await this.jobs.progress(ctx, job);
    });
  }

  /** What has come is told to those that wait for it: at the end, so that nobody is looked at twice. */
  private async release(job: ImportJob, mayGoOn: () => void): Promise<void> {
    for (let isDone = false; !isDone;) {
      mayGoOn();
      isDone = await this.transaction(job, async (ctx) => {
        const step = await new ImportRelease(ctx, this.delivery(job, null), this.tools).step();
        job.released += step.released;
        await this.jobs.progress(ctx, job);
        return step.isDone;
      });
    }
  }

  /** One record of the work list once more, as it is or as it was put right. */
  private async retry(job: ImportJob, id: string): Promise<void> {
    await this.transaction(job, async (ctx) => {
      const record = await this.tools.quarantine.retried(ctx, id);
      if (!record) return;
      if (record.type === MESSAGE) return this.retryMessage(ctx, job, record);
      const report = new ImportReport('collection');
      const inspection = await this.inspect(record.text);
      const entry = { index: record.line, resource: { text: record.text, inspection } };
      const identified = candidatesOf([entry], report, job.source);
      for (const candidate of identified.candidates) candidate.isCorrected = record.isCorrected;
      const [again] = identified.broken;
      // Its Bundle is gone; what was named by its entries' fullUrls is known all the same.
      const good = { ...identified, broken: [], named: namedBy(record.names) };
      if (!again) await new ImportRun(ctx, this.delivery(job, null), report, this.tools, this.spills(job)).store(good);
      const isGood = report.counts.rejected + report.counts.quarantined === 0;
      await this.tools.quarantine.settle(ctx, id, isGood, again?.findings ?? null);
      add(job, report);
      await this.jobs.issues(ctx, job, report.issues, null);
      await this.jobs.progress(ctx, job);
    });
  }

  private async retryMessage(ctx: ImportCtx, job: ImportJob, { id, text }: Quarantined): Promise<void> {
    const report = new ImportReport('hl7-v2');
    const feed = this.messages.feedOf(job.source);
    const prepared = feed && (await this.messages.prepare(text, feed, this.inspector));
    const delivery = { ...this.delivery(job, null), messageId: prepared?.header?.controlId ?? null };
    const findings = prepared ? await this.messages.store(ctx, prepared, delivery, report, this.tools) : [FEED_UNKNOWN];
    if (findings.length > 0) {
      report.fail();
      job.counts.quarantined++;
    }
    await this.tools.quarantine.settle(ctx, id, findings.length === 0, findings.length === 0 ? null : findings);
    add(job, report);
    await this.jobs.issues(ctx, job, report.issues, null);
    await this.jobs.progress(ctx, job);
  }

  private spills({ accountId }: ImportJob): Spills {
    return new Spills((contentId, ordinal) => this.tools.attachments.chunks.read(accountId, contentId, ordinal));
  }

  /** Large contents are committed as they come; those that no record takes are swept. */
  private spillTarget({ accountId, source }: ImportJob, spills: Spills): SpillTarget {
    const { chunks, maxBytes } = this.tools.attachments;
    return {
      maxBytes,
      put: (sealed) =>
        this.database.write(accountId, (db) => chunks.put({ db, now: this.clock.now() }, source, sealed)),
      load: (contentId, ordinal) => chunks.read(accountId, contentId, ordinal),
      add: (sha256, content) => spills.add(sha256, content),
    };
  }

  private delivery({ id, source, accountId }: ImportJob, fileId: string | null): Delivery {
    return { importId: id, source, accountId, fileId, messageId: null };
  }

  /** As the feed's account: row policies hold for the work as they do for its requests. Its events are in it. */
  private async transaction<T>(turn: Turn | ImportJob, work: (ctx: ImportCtx, apart: Apart) => Promise<T>): Promise<T> {
    const afterCommit: (() => void)[] = [];
    const touches: Touch[] = [];
    const before = 'counts' in turn ? structuredClone(turn) : null;
    const now = this.clock.now();
    try {
      const result = await this.database.write(turn.accountId, async (db) => {
        // Of what is undone nothing may be told or remembered, keys above all.
        const apart: Apart = async (part) => {
          const [told, planned] = [touches.length, afterCommit.length];
          await db.query('SAVEPOINT apart');
          try {
            await part();
            return true;
          } catch (error) {
            if (!isDataRefused(error)) throw error;
            await db.query('ROLLBACK TO SAVEPOINT apart');
            [touches.length, afterCommit.length] = [told, planned];
            return false;
          }
        };
        const ctx: ImportCtx = {
          db,
          now,
          touch: (touch) => void touches.push(touch),
          afterCommit: (action) => void afterCommit.push(action),
        };
        const done = await work(ctx, apart);
        if (touches.length > 0 && 'counts' in turn) await this.tell(db, turn, now, touches);
        return done;
      });
      for (const action of afterCommit) action();
      return result;
    } catch (error) {
      // What was counted did not happen.
      if (before) Object.assign(turn, before);
      throw error;
    }
  }

  private tell(db: ImportCtx['db'], job: ImportJob, at: Date, touches: readonly Touch[]): Promise<void> {
    const { accountId, sessionId, requestId } = job;
    return this.sink.work(db, { code: 'Import.import', act: 'C', accountId, sessionId, requestId, at, touches });
  }
}

const FEED_UNKNOWN = {
  severity: 'error' as const,
  code: 'feed-unknown',
  path: '',
  detail: 'The feed is not, or no more, among those that send messages.',
};

/** Does a part of a transaction that is undone by itself where the database refuses what is in it: false. */
type Apart = (part: () => Promise<void>) => Promise<boolean>;
