import { Flag, Instant, Nested, OneOf, Text, Uuid, Whole } from '../../../platform/http/fields.js';
import { TAMPERINGS } from './findings.js';

const SCOPES = ['whole', 'increment'];

export class StartVerification {
  @OneOf(SCOPES, {
    optional: true,
    description: '`whole`: from the first entry. `increment` (default): from the last checkpoint that was verified.',
  })
  scope?: 'whole' | 'increment';
}

export class TamperingView {
  @OneOf([...TAMPERINGS], { description: 'What was done.' })
  kind: string;

  @Text({ description: 'Table where it shows.' })
  where: string;

  @Whole({ nullable: true, description: 'Place of the first entry that it concerns.' })
  index: number | null;

  @Whole({ nullable: true, description: 'Last place that it can be, where it is only known to lie between two.' })
  through: number | null;

  @Text({ description: 'What is wrong.', max: 500 })
  what: string;
}

export class VerificationView {
  @Whole({ description: 'Number of the verification.' })
  number: number;

  @OneOf(SCOPES, { description: 'How much was read.' })
  scope: string;

  @Uuid({ nullable: true, description: 'Account that asked for it; null: it was due.' })
  accountId: string | null;

  @Instant({ description: 'When it began.' })
  startedAt: string;

  @Instant({ description: 'When it ended.' })
  finishedAt: string;

  @OneOf(['verified', 'refused', 'failed'], { description: 'What came of it; failed: it could not be done.' })
  verdict: string;

  @Whole({ description: 'First place that was read.' })
  from: number;

  @Whole({ description: 'Entries of the log when it began.' })
  size: number;

  @Text({ nullable: true, description: 'Root of the tree over all of them, in base64.' })
  root: string | null;

  @Whole({ nullable: true, description: 'Size of the newest checkpoint among them.' })
  sealedSize: number | null;

  @Nested(() => TamperingView, { nullable: true, description: 'The first thing that is wrong.' })
  finding: TamperingView | null;
}

export class ReachedView {
  @Whole({ description: 'Next place to be read.' })
  index: number;

  @Whole({ description: 'Where it ends.' })
  size: number;
}

export class VerificationStateView {
  @Flag({ description: 'One runs now, in whichever server process.' })
  running: boolean;

  @Nested(() => ReachedView, {
    nullable: true,
    description: 'How far it is, where it runs in the process that answers.',
  })
  progress: ReachedView | null;

  @Nested(() => VerificationView, { nullable: true, description: 'The last one; null before the first.' })
  last: VerificationView | null;

  @Nested(() => VerificationView, { nullable: true, description: 'The last one of the whole log.' })
  lastWhole: VerificationView | null;
}
