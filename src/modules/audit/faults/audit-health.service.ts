import { Inject, Injectable } from '@nestjs/common';
import type { SignedIn } from '../../../platform/access/context.js';
import { CONFIG, type Config } from '../../../platform/config/config.js';
import { Anchoring } from '../sealing/anchors/anchoring.js';
import type { AnchorState } from '../sealing/anchors/anchors.repository.js';
import { SealingState } from '../sealing/sealing-state.js';
import { Alarms, type ActiveAlarm } from './alarms.js';
import type { AlarmView, AnchorView, AuditHealthView, InboxView, ReplicaView, SealedView } from './audit-health.dto.js';
import { FaultWatch } from './fault-watch.js';
import { FaultsRepository, type ReplicaRow } from './faults.repository.js';
import { Intake } from './intake.js';
import { stateOf, type ReplicaState } from './ledger-alarms.js';

/** How the ledger is kept, for those who answer for it. */
@Injectable()
export class AuditHealth {
  constructor(
    @Inject(CONFIG) private readonly config: Config,
    private readonly alarms: Alarms,
    private readonly watch: FaultWatch,
    private readonly repository: FaultsRepository,
    private readonly anchoring: Anchoring,
    private readonly sealing: SealingState,
    private readonly intake: Intake,
  ) {}

  async read(ctx: SignedIn): Promise<AuditHealthView> {
    const [replicas, anchors] = await Promise.all([this.repository.replicas(), this.anchoring.report()]);
    for (const { replica } of replicas) ctx.touch({ patientId: null, type: 'Replica', id: replica });
    return {
      alarms: this.alarms.active().map(alarmView),
      inbox: this.inbox(),
      sealed: this.sealed(),
      anchors: anchors.map(anchorView),
      replicas: replicas.map((row) => replicaView(row, stateOf(row, this.config))),
    };
  }

  private inbox(): InboxView | null {
    const { database } = this.watch.seen;
    return (
      database && {
        rows: database.rows,
        oldestSeconds: Math.max(0, Math.round(database.oldestSeconds)),
        open: this.intake.isOpen,
      }
    );
  }

  private sealed(): SealedView {
    const { size, signedAt, waiting, problem } = this.sealing.report();
    return { size, signedAt: signedAt?.toISOString() ?? null, waiting, problem: problem?.code ?? null };
  }
}

const alarmView = ({ code, since, detail }: ActiveAlarm): AlarmView => ({
  code,
  since: since.toISOString(),
  detail: Object.entries(detail).map(([name, value]) => `${name}=${[value].flat().join(' ')}`),
});

const anchorView = ({ target, size, anchoredAt, failures, failure }: AnchorState): AnchorView => ({
  ...{ target, size, failures, failure },
  takenAt: anchoredAt?.toISOString() ?? null,
});

const replicaView = (row: ReplicaRow, state: ReplicaState): ReplicaView => ({
  name: row.replica,
  state,
  version: row.version,
  startedAt: row.startedAt.toISOString(),
  heardAt: row.heardAt.toISOString(),
  queueDepth: row.queueDepth,
  refused: row.refused,
  clockOffsetMs: row.clockOffsetMs,
});
