import { Flag, Instant, Nested, OneOf, Text, Texts, Whole } from '../../../platform/http/fields.js';
import { REPLICA_STATES } from './ledger-alarms.js';

export class AlarmView {
  @Text({ description: 'What is wrong; what to do is in the documentation of the audit trail.' })
  code: string;

  @Instant({ description: 'Since when the process that answers has seen it.' })
  since: string;

  @Texts({ many: 50, description: 'What it is about: name=value.' })
  detail: string[];
}

export class InboxView {
  @Whole({ description: 'Events that wait for their place in the log.' })
  rows: number;

  @Whole({ description: 'Seconds for which the oldest of them has waited.' })
  oldestSeconds: number;

  @Flag({ description: 'New requests are taken on; false: too much waits, and they are refused.' })
  open: boolean;
}

export class SealedView {
  @Whole({ nullable: true, description: 'Entries that the newest checkpoint covers; null before the first.' })
  size: number | null;

  @Instant({ nullable: true, description: 'When it was signed.' })
  signedAt: string | null;

  @Whole({ description: 'Entries that no checkpoint covers yet.' })
  waiting: number;

  @Text({ nullable: true, description: 'Why the log is not signed at present.' })
  problem: string | null;
}

export class AnchorView {
  @Text({ description: 'Who is to keep checkpoints.' })
  target: string;

  @Whole({ nullable: true, description: 'Size of the checkpoint that it took last; null: none yet.' })
  size: number | null;

  @Instant({ nullable: true, description: 'When it took that.' })
  takenAt: string | null;

  @Whole({ description: 'Tries that failed since.' })
  failures: number;

  @Text({ nullable: true, description: 'Why the last one failed.' })
  failure: string | null;
}

export class ReplicaView {
  @Text({ description: 'Server process: host and process id, as in the events that it writes.' })
  name: string;

  @OneOf(REPLICA_STATES, { description: '`silent`: three heartbeats are missing, and it has not said that it stops.' })
  state: string;

  @Text({ description: 'Version of the portal that it runs.' })
  version: string;

  @Instant({ description: 'When it began.' })
  startedAt: string;

  @Instant({ description: "When it was heard last, by the database's clock." })
  heardAt: string;

  @Whole({ description: 'Events that waited in it to be stored then.' })
  queueDepth: number;

  @Whole({
    description: 'Requests that it had refused since the heartbeat before, because their events could not be stored.',
  })
  refused: number;

  @Whole({
    nullable: true,
    min: -Number.MAX_SAFE_INTEGER,
    description: "Milliseconds by which its clock was ahead of the database's.",
  })
  clockOffsetMs: number | null;
}

export class AuditHealthView {
  @Nested(() => AlarmView, { many: 50, description: 'What somebody has to look at.' })
  alarms: AlarmView[];

  @Nested(() => InboxView, { nullable: true, description: 'Events on their way into the log; null: not seen yet.' })
  inbox: InboxView | null;

  @Nested(() => SealedView, { description: 'How far the log is signed.' })
  sealed: SealedView;

  @Nested(() => AnchorView, { many: 100, description: 'Who else is to keep checkpoints, and how that stands.' })
  anchors: AnchorView[];

  @Nested(() => ReplicaView, { many: 500, description: 'Server processes of the last week, last heard first.' })
  replicas: ReplicaView[];
}
