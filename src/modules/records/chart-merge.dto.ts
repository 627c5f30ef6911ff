import { PageQuery } from '../../platform/http/cursors.js';
import { Instant, OneOf, Text, Uuid } from '../../platform/http/fields.js';
import { MERGE_STATES, type MergeState } from './chart-merges.js';

export class ChartMergeParams {
  @Uuid({ description: 'The merge.' })
  id: string;
}

export class ChartMergesQuery extends PageQuery {
  @OneOf(MERGE_STATES, { optional: true, description: 'Only these; `review` by default.' })
  state?: MergeState;
}

export class UndoMerge {
  @Text({ max: 500, description: 'Why the two are not one person.' })
  reason: string;
}

export class ChartMergeView {
  @Uuid({ description: 'The merge.' })
  id: string;

  @Uuid({ description: 'The chart whose records are shown in the other one.' })
  fromPatientId: string;

  @Uuid({ description: 'The chart that goes on.' })
  intoPatientId: string;

  @Text({ max: 2000, description: 'The feed that said so (a URI).' })
  source: string;

  @OneOf(['fhir-link', 'hl7-a40'], { description: 'How it said so.' })
  kind: string;

  @Uuid({ description: 'The import that it came with.' })
  importId: string;

  @Instant({ description: 'Since when.' })
  mergedAt: string;

  @OneOf(MERGE_STATES, {
    description:
      'review: patients and proxies are cut off from both charts until somebody has looked at it; confirmed: they are one person; undone: each record is back where it came from.',
  })
  state: MergeState;

  @Instant({ nullable: true, description: 'When that was decided.' })
  settledAt: string | null;

  @Uuid({ nullable: true, description: 'By whom.' })
  settledBy: string | null;

  @Text({ nullable: true, max: 500, description: 'Why it was undone.' })
  reason: string | null;
}
