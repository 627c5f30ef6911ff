import { setTimeout as sleep } from 'node:timers/promises';
import { Inject, Injectable, type BeforeApplicationShutdown } from '@nestjs/common';
import { AuditSink } from '../../../platform/access/audit-sink.js';
import { replicaName } from '../replica.js';
import { Clock } from '../../../platform/clock.js';
import { CONFIG, type Config } from '../../../platform/config/config.js';
import { SystemPool } from '../../../platform/database/system-pool.js';
import { Logger } from '../../../platform/logging/logger.js';
import { ArchivedLeaves } from '../retention/archived-leaves.js';
import { LogKeys } from '../sealing/log-keys.js';
import { TreeRepository } from '../tree/tree.repository.js';
import { ArchiveCheck, besideArchive } from './archive-check.js';
import { sentence } from './findings.js';
import { LogCheck, type LogReport } from './log-check.js';
import { LogRepository } from './log.repository.js';
import { checkDisclosures, checkSubjects } from './side-tables.js';
import { isNameOf } from './trusted-keys.js';
import { VerificationPool, VerificationRepository, type Scope, type Verification } from './verification.repository.js';

/** Who wants it; null: it is due. */
interface Order {
  scope: Scope;
  accountId: string | null;
}

type Turn = Pick<SystemPool, 'query'>;

/** Entries at a time: the event loop also serves requests, and is held for some milliseconds by each lot. */
const PAGE = 200;
const ALARM = 'audit.verification-refused';

/** The server stops: the next verification begins anew. */
class Stopped extends Error {}

/** Verifies the log in the background, in one replica at a time; what comes of it stands in a table, and a refusal is an alarm. */
@Injectable()
export class Verifier implements BeforeApplicationShutdown {
  private readonly replica = replicaName();
  private working: Promise<unknown> = Promise.resolve();
  private stopped = false;
  private reached: { index: number; size: number } | null = null;

  constructor(
    @Inject(CONFIG) private readonly config: Config,
    private readonly pool: VerificationPool,
    private readonly results: VerificationRepository,
    private readonly tree: TreeRepository,
    private readonly archive: ArchivedLeaves,
    private readonly keys: LogKeys,
    private readonly sink: AuditSink,
    private readonly system: SystemPool,
    private readonly clock: Clock,
    private readonly logger: Logger,
  ) {}

  async beforeApplicationShutdown(): Promise<void> {
    this.stopped = true;
    await this.working;
  }

  /** How far the verification in this replica is; null: none runs here. */
  get progress(): { index: number; size: number } | null {
    return this.reached;
  }

  /** Resolves as soon as it runs, with its end to wait for; null: one runs already, here or in another replica. */
  async start(order: Order): Promise<{ done: Promise<Verification | null> } | null> {
    const begun = Promise.withResolvers<boolean>();
    const done = this.results.inTurn(async (turn) => {
      begun.resolve(true);
      return this.verify(order, turn);
    });
    done.then(
      () => begun.resolve(false),
      (error: unknown) => begun.reject(error),
    );
    const isBegun = await begun.promise;
    if (isBegun) this.working = done.catch(() => undefined);
    // Whoever does not wait for the end must not be the one to hear that it failed: that is noted and logged.
    done.catch((error: unknown) =>
      this.logger.error('a verification lost its turn', error, { code: 'audit.verification-failed' }),
    );
    return isBegun ? { done: done.catch(() => null) } : null;
  }

  private async verify(order: Order, turn: Pick<SystemPool, 'query'>): Promise<Verification | null> {
    const startedAt = this.clock.now();
    const before = await this.results.newest();
    const base = { ...order, replica: this.replica, startedAt };
    let report: LogReport;
    try {
      report = await this.check(order.scope, turn);
    } catch (error) {
      if (error instanceof Stopped) return null;
      this.logger.error('the log could not be verified', error, {
        component: 'verifier',
        code: 'audit.verification-failed',
      });
      const nothing = { verdict: 'failed', from: 0, size: 0, root: null, sealedSize: null, finding: null } as const;
      return await this.results.add({ ...base, ...nothing, finishedAt: this.clock.now() });
    } finally {
      this.reached = null;
    }
    const { verdict, from, size, root, sealedSize, findings } = report;
    const finding = findings[0] ?? null;
    const result = await this.results.add({
      ...base,
      finishedAt: this.clock.now(),
      verdict,
      from,
      size,
      root,
      sealedSize,
      finding,
    });
    await this.tell(result, before);
    return result;
  }

  private async check(scope: Scope, turn: Pick<SystemPool, 'query'>): Promise<LogReport> {
    const log = new LogRepository(this.pool);
    const verified = scope === 'increment' ? await this.results.newest({ verdict: 'verified' }) : null;
    return besideArchive(this.archive, (archivedTo) =>
      this.checkFrom(archivedTo, log, scope, verified?.size ?? 0, turn),
    );
  }

  private async checkFrom(
    archivedTo: number,
    log: LogRepository,
    scope: Scope,
    verifiedTo: number,
    turn: Turn,
  ): Promise<LogReport> {
    const report = await new LogCheck(log, {
      keys: (origin) => (isNameOf(origin, this.config.audit.origin) ? this.keys.verifiers(origin) : []),
      hashes: this.tree.hashes(),
      verifiedTo,
      archivedTo,
      kept: null,
      page: PAGE,
      pause: () => this.pause(turn),
      onProgress: (index, size) => (this.reached = { index, size }),
    }).run();
    const sides = scope === 'whole' ? [await checkSubjects(log, archivedTo), await checkDisclosures(log)] : [];
    const archived = await new ArchiveCheck(this.archive, this.tree, log, () => undefined).glance();
    const findings = [...archived, ...report.findings, ...sides.filter((one) => one !== null)];
    return findings.length === 0 ? report : { ...report, findings, verdict: 'refused', root: null };
  }

  /** Half of the time at most is spent on it; and the turn must still be ours. */
  private async pause(turn: Pick<SystemPool, 'query'>): Promise<void> {
    if (this.stopped) throw new Stopped();
    await turn.query('SELECT 1');
    await sleep(2);
  }

  /** A refusal is told in the log and in the trail itself, once for each thing that is found. */
  private async tell({ finding, verdict, size }: Verification, before: Verification | null): Promise<void> {
    const was = before?.finding ?? null;
    if (verdict === 'verified' && was)
      this.logger.info('the log is verified again', { component: 'verifier', count: size });
    if (!finding) return;
    if (was?.kind === finding.kind && was.where === finding.where && was.index === finding.index) return;
    const reason = sentence({ ...finding, line: null });
    this.logger.error('the log is not what it was', undefined, { component: 'verifier', code: ALARM, reason });
    const { kind, where, index, through } = finding;
    await this.sink.system(this.system, {
      code: 'AuditVerification.refuse',
      act: 'E',
      accountId: '',
      sessionId: null,
      reason: ALARM,
      at: this.clock.now(),
      outcome: 8,
      detail: { kind, where, ...(index === null ? {} : { index }), ...(through === null ? {} : { through }) },
    });
  }
}
