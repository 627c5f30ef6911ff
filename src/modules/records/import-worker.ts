import { Inject, Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { ResourceInspector, type BundleLimits, type Inspection } from '../../fhir/index.js';
import { AuditSink } from '../../platform/access/audit-sink.js';
import type { Touch } from '../../platform/access/trail.js';
import { Clock } from '../../platform/clock.js';
import { CONFIG, type Config } from '../../platform/config/config.js';
import { KeyRing } from '../../platform/crypto/index.js';
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
import { candidatesOf, identityOf, keyOf } from './import-candidates.js';
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
import { ImportReport, MAX_ISSUES, noCounts, type CountsByType } from './import-report.js';
import { ImportRun, type Tools } from './import-run.js';
import { bundleLimits } from './import-limits.js';
import { QuarantineStore } from './quarantine.store.js';
import { RecordWords } from './record-words.js';

/** Does the work of one import, in transactions that each note how far it is: whoever comes next goes on from there. */
@Injectable()
export class ImportWorker implements OnApplicationShutdown {
  private readonly inspector = new ResourceInspector();
  private readonly limits: BundleLimits;
  private readonly tools: Tools;

  constructor(
    @Inject(CONFIG) config: Config,
    private readonly jobs: ImportJobRepository,
    private readonly bodies: ImportBodies,
    private readonly database: Database,
    private readonly sink: AuditSink,
    private readonly clock: Clock,
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
      const identified = candidatesOf(withClock(entries, job), report);
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
    const report = new ImportReport('ndjson', MAX_ISSUES - job.issues);
    for (const { line, code, detail } of group.refused)
      report.reject({ index: line, type: 'unknown' }, code, '', detail);
    const delivery = this.delivery(job, file.id);
    await this.transaction(job, async (ctx) => {
      for (const round of rounds(withClock(group.entries, job)))
        await new ImportRun(ctx, delivery, report, this.tools, spills).store(candidatesOf(round, report));
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
      const report = new ImportReport('collection');
      const inspection = await this.inspect(record.text);
      const entry = { index: record.line, resource: { text: record.text, inspection } };
      const identified = candidatesOf([entry], report);
      for (const candidate of identified.candidates) candidate.isCorrected = record.isCorrected;
      const [again] = identified.broken;
      const good = { ...identified, broken: [] };
      if (!again) await new ImportRun(ctx, this.delivery(job, null), report, this.tools, this.spills(job)).store(good);
      const isGood = report.counts.rejected + report.counts.quarantined === 0;
      await this.tools.quarantine.settle(ctx, id, isGood, again?.findings ?? null);
      add(job, report);
      await this.jobs.issues(ctx, job, report.issues, null);
      await this.jobs.progress(ctx, job);
    });
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
  private async transaction<T>(turn: Turn | ImportJob, work: (ctx: ImportCtx) => Promise<T>): Promise<T> {
    const afterCommit: (() => void)[] = [];
    const touches: Touch[] = [];
    const before = 'counts' in turn ? structuredClone(turn) : null;
    const now = this.clock.now();
    try {
      const result = await this.database.write(turn.accountId, async (db) => {
        const done = await work({
          db,
          now,
          touch: (touch) => void touches.push(touch),
          afterCommit: (action) => void afterCommit.push(action),
        });
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

/** Deletions of an export are as old as the export where they do not say it themselves. */
const withClock = (entries: readonly InspectedEntry[], { transactionTime }: ImportJob): readonly InspectedEntry[] =>
  transactionTime === null
    ? entries
    : entries.map((entry) =>
        entry.request?.method === 'DELETE'
          ? { ...entry, deletedAt: entry.deletedAt ?? transactionTime.toISOString() }
          : entry,
      );

/** Lines are independent: where one record stands in several, each is a version, in the order of the file. */
function rounds(entries: readonly InspectedEntry[]): InspectedEntry[][] {
  const seen = new Map<string, number>();
  const found: InspectedEntry[][] = [];
  for (const entry of entries) {
    const key = identityOf(entry);
    const round = key ? (seen.get(keyOf(key)) ?? 0) : 0;
    if (key) seen.set(keyOf(key), round + 1);
    (found[round] ??= []).push(entry);
  }
  return found;
}

function add(job: ImportJob, report: ImportReport): void {
  const { counts, byType } = report;
  job.entries += report.entries;
  job.flagged += report.flagged;
  for (const [outcome, count] of Object.entries(counts)) job.counts[outcome as keyof typeof counts] += count;
  // A Map: a type is the sender's word, and an object would take `__proto__` for something else.
  const all = new Map(Object.entries(job.byType));
  for (const [type, more] of Object.entries(byType)) {
    const sum: CountsByType[string] = { entries: 0, ...noCounts(), ...all.get(type) };
    for (const [name, count] of Object.entries(more)) sum[name as keyof typeof sum] += count;
    all.set(type, sum);
  }
  job.byType = Object.fromEntries([...all].sort(([a], [b]) => (a < b ? -1 : 1)));
}
