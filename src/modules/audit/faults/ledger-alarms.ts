import { Inject, Injectable, type OnModuleInit } from '@nestjs/common';
import { CONFIG, type Config } from '../../../platform/config/config.js';
import type { AnchorState } from '../sealing/anchors/anchors.repository.js';
import { HealthChecks } from '../../../platform/health/health-checks.js';
import { SealingState } from '../sealing/sealing-state.js';
import { VerificationJob } from '../verification/verification.job.js';
import { Alarms, type AlarmDetail } from './alarms.js';
import { FaultWatch } from './fault-watch.js';
import type { ReplicaRow } from './faults.repository.js';
import { Intake } from './intake.js';

/** Fifty turns of the sequencer. */
const INBOX_SECONDS = 5;
/** 45 CFR 170.210(g): clocks are synchronised; NTP keeps them within milliseconds. */
const CLOCK_MS = 1_000;
const MISSED_HEARTBEATS = 3;
/** A process that died is history by then: the log tells of it for good. */
const FORGOTTEN_SECONDS = 3_600;
/** Tries of a target that failed: a minute and more. */
const ANCHOR_FAILURES = 3;

export const REPLICA_STATES = ['running', 'silent', 'stopped'] as const;
export type ReplicaState = (typeof REPLICA_STATES)[number];

/** Whether a process is heard as often as it has to be. */
export function stateOf({ stoppedAt, silentSeconds }: ReplicaRow, { audit }: Config): ReplicaState {
  if (stoppedAt !== null) return 'stopped';
  return silentSeconds > MISSED_HEARTBEATS * audit.heartbeatSeconds ? 'silent' : 'running';
}

/** Fails for a while, or says that what we have signed is contradicted. */
const isFailing = ({ failures, failure }: AnchorState): boolean =>
  failures >= ANCHOR_FAILURES || (failure !== null && !failure.startsWith('audit.anchor-failed:'));

/** What is an alarm of the ledger, and from when on. */
@Injectable()
export class LedgerAlarms implements OnModuleInit {
  constructor(
    @Inject(CONFIG) private readonly config: Config,
    private readonly alarms: Alarms,
    private readonly watch: FaultWatch,
    private readonly intake: Intake,
    private readonly sealing: SealingState,
    private readonly verification: VerificationJob,
    private readonly health: HealthChecks,
  ) {}

  onModuleInit(): void {
    this.alarms.add('audit-inbox', 'audit.inbox-late', () => this.inbox());
    this.alarms.add('audit-intake', 'audit.intake-closed', () => this.closed());
    this.alarms.add('audit-sealing', 'audit.sealing-late', () => this.late());
    this.alarms.add('audit-sealing-refusal', 'audit.sealing-refused', () => this.refused());
    this.alarms.add('audit-anchors', 'audit.anchors-failing', () => this.anchors());
    this.alarms.add('audit-replicas', 'audit.replica-silent', () => this.replicas());
    this.alarms.add('audit-clock', 'audit.clock-offset', () => this.clock());
    // The health page has these from the jobs themselves.
    this.alarms.add(null, 'audit.verification-failed', () => this.unverified());
    this.alarms.add(null, 'audit.archiving-failed', () => this.unarchived());
  }

  private inbox(): AlarmDetail | null | undefined {
    const { database } = this.watch.seen;
    if (!database) return undefined;
    const { rows, oldestSeconds } = database;
    return oldestSeconds > INBOX_SECONDS ? { rows, seconds: Math.round(oldestSeconds) } : null;
  }

  private closed(): AlarmDetail | null | undefined {
    const { database } = this.watch.seen;
    if (!database) return undefined;
    return this.intake.isOpen ? null : { rows: database.rows, seconds: Math.round(database.oldestSeconds) };
  }

  private late(): AlarmDetail | null {
    const { isLate, waiting, lagSeconds } = this.sealing.report();
    return isLate ? { waiting, seconds: Math.round(lagSeconds) } : null;
  }

  private refused(): AlarmDetail | null {
    const { problem } = this.sealing.report();
    return problem?.kind === 'refused' ? { why: problem.code } : null;
  }

  private anchors(): AlarmDetail | null | undefined {
    const failing = this.watch.seen.anchors?.filter(isFailing);
    return failing && (failing.length > 0 ? { targets: failing.map(({ target }) => target) } : null);
  }

  private replicas(): AlarmDetail | null | undefined {
    const silent = this.watch.seen.replicas?.filter(
      (one) => stateOf(one, this.config) === 'silent' && one.silentSeconds < FORGOTTEN_SECONDS,
    );
    return silent && (silent.length > 0 ? { replicas: silent.map(({ replica }) => replica) } : null);
  }

  private clock(): AlarmDetail | null | undefined {
    const { clock } = this.watch.seen;
    if (!clock) return undefined;
    return Math.abs(clock.offsetMs) - clock.toleranceMs > CLOCK_MS ? { ms: clock.offsetMs } : null;
  }

  private unarchived(): AlarmDetail | null | undefined {
    const state = this.health.of('audit-retention');
    if (!state || state.status === 'unknown') return undefined;
    return state.status === 'alarm' ? { why: state.code ?? '' } : null;
  }

  private unverified(): AlarmDetail | null | undefined {
    const { last } = this.verification;
    return last ? (last.verdict === 'verified' ? null : { verdict: last.verdict, number: last.id }) : undefined;
  }
}
