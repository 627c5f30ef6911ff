import { Inject, Injectable } from '@nestjs/common';
import { Clock } from '../../../platform/clock.js';
import { CONFIG, type Config } from '../../../platform/config/config.js';
import { Metrics, type Reading } from '../../../platform/metrics/metrics.js';
import { Ledger } from '../ledger.service.js';
import { SealingState } from '../sealing/sealing-state.js';
import { VerificationJob } from '../verification/verification.job.js';
import { Alarms } from './alarms.js';
import { FaultWatch } from './fault-watch.js';
import { Intake } from './intake.js';
import { REPLICA_STATES, stateOf } from './ledger-alarms.js';

const asNumber = (is: boolean): number => (is ? 1 : 0);

/** The ledger's state as metrics, from what the last look has seen: a scrape asks the database nothing. */
@Injectable()
export class FaultMetrics {
  constructor(
    @Inject(CONFIG) private readonly config: Config,
    metrics: Metrics,
    private readonly watch: FaultWatch,
    private readonly sealing: SealingState,
    private readonly verification: VerificationJob,
    private readonly alarms: Alarms,
    private readonly clock: Clock,
    intake: Intake,
    ledger: Ledger,
  ) {
    const { seen } = watch;
    const gauge = metrics.gauge.bind(metrics);
    gauge('portico_audit_alarm', '1 while the alarm is on', () => this.alarmed(), ['code']);
    gauge('portico_audit_inbox_rows', 'Events that wait for their place in the log', () => seen.database?.rows ?? null);
    gauge(
      'portico_audit_inbox_oldest_seconds',
      'For how long the oldest of them has waited, by the clock of the database',
      () => seen.database?.oldestSeconds ?? null,
    );
    gauge('portico_audit_intake_open', '0 while new requests are refused', () => asNumber(intake.isOpen));
    gauge('portico_audit_log_entries', 'Entries of the log', () => seen.database?.size ?? null);
    gauge('portico_audit_queue', 'Events that wait in this process to be stored', () => ledger.counts.queued);
    metrics.total(
      'portico_audit_events_total',
      'Events that this process has stored, and requests whose events it had to refuse',
      () => [
        { labels: { result: 'stored' }, value: ledger.counts.stored },
        { labels: { result: 'refused' }, value: ledger.counts.refused },
      ],
      ['result'],
    );
    gauge(
      'portico_audit_clock_offset_seconds',
      'How far the clock of this machine is ahead of that of the database',
      () => (seen.clock ? seen.clock.offsetMs / 1000 : null),
    );
    gauge(
      'portico_audit_replicas',
      'Processes of the last week that run, fell silent, or stopped',
      () => this.heard(),
      ['state'],
    );
    this.ofCheckpoints(metrics);
    this.ofVerification(metrics);
  }

  private ofCheckpoints(metrics: Metrics): void {
    const age = (at: Date | null | undefined): number | null =>
      at ? (this.clock.now().getTime() - at.getTime()) / 1000 : null;
    metrics.gauge(
      'portico_audit_checkpoint_entries',
      'Size of the newest checkpoint',
      () => this.sealing.report().size,
    );
    metrics.gauge('portico_audit_checkpoint_age_seconds', 'Since it was signed', () =>
      age(this.sealing.report().signedAt),
    );
    metrics.gauge(
      'portico_audit_sealing_problem',
      '1 while the log is not signed, for this reason',
      () => {
        const { problem } = this.sealing.report();
        return problem ? [{ labels: { kind: problem.kind, code: problem.code }, value: 1 }] : [];
      },
      ['kind', 'code'],
    );
    const anchors = (read: (anchor: { failures: number; size: number | null }) => number | null) => (): Reading[] =>
      (this.watch.seen.anchors ?? []).flatMap((anchor) => {
        const value = read(anchor);
        return value === null ? [] : [{ labels: { target: anchor.target }, value }];
      });
    metrics.gauge(
      'portico_audit_anchor_failures',
      'Tries that failed since the target took a checkpoint',
      anchors(({ failures }) => failures),
      ['target'],
    );
    metrics.gauge(
      'portico_audit_anchor_entries',
      'Size of the checkpoint that the target took last',
      anchors(({ size }) => size),
      ['target'],
    );
  }

  private ofVerification(metrics: Metrics): void {
    const { verification } = this;
    metrics.gauge('portico_audit_verified', '1: the last verification found the log as it was; 0: it did not', () =>
      verification.last ? asNumber(verification.last.verdict === 'verified') : null,
    );
    metrics.gauge('portico_audit_verified_entries', 'Size of the log then', () => verification.last?.size ?? null);
    metrics.gauge('portico_audit_verified_timestamp_seconds', 'When that was', () =>
      verification.last ? verification.last.finishedAt.getTime() / 1000 : null,
    );
  }

  private alarmed(): Reading[] {
    return this.alarms.all().map(({ code, isActive }) => ({ labels: { code }, value: asNumber(isActive) }));
  }

  private heard(): Reading[] {
    const states = this.watch.seen.replicas?.map((one) => stateOf(one, this.config));
    return states
      ? REPLICA_STATES.map((state) => ({ labels: { state }, value: states.filter((one) => one === state).length }))
      : [];
  }
}
