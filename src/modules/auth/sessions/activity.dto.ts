import { PageQuery } from '../../../platform/http/cursors.js';
import { Flag, Instant, Text, Uuid, Whole } from '../../../platform/http/fields.js';

export class ActivityQuery extends PageQuery {}

export class ActivityView {
  @Uuid({ description: 'Entry of the history.' })
  id: string;

  @Instant({ description: 'When it happened.' })
  at: Date;

  @Text({
    description:
      'What happened, such as signed-in, failed-sign-ins, session-ended, password-changed, factor-added, new-device.',
  })
  kind: string;

  @Text({
    nullable: true,
    description: 'More of it, as a code: how the person was recognised, why a session ended, which factor.',
  })
  detail: string | null;

  @Whole({ nullable: true, min: 1, description: 'How many; of failed sign-ins, those since the sign-in before.' })
  count: number | null;

  @Uuid({ nullable: true, description: 'Session that it happened to.' })
  sessionId: string | null;

  @Text({ nullable: true, description: 'Browser and system, in words; null where somebody else did it.' })
  device: string | null;

  @Text({ nullable: true, description: 'From where, in words; null where somebody else did it.' })
  place: string | null;

  @Flag({ description: 'It is about this very session.' })
  current: boolean;
}
