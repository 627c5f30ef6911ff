import { Instant, OneOf, Text, Uuid } from '../../../platform/http/fields.js';

export class HoldParams {
  @Uuid({ description: 'Legal hold.' })
  id: string;
}

export class CreateHold {
  @Instant({ optional: true, description: 'First moment of the period; without it, from the first event on.' })
  from?: string;

  @Instant({
    optional: true,
    description: 'End of the period, not in it any more; without it, everything to come as well.',
  })
  to?: string;

  @Text({ max: 500, description: 'Why, such as the case or the order. It is kept with the hold.' })
  reason: string;
}

export class ReleaseHold {
  @Text({ max: 500, description: 'Why it is no longer needed, and who decided so. It is kept with the hold.' })
  reason: string;
}

export class HoldView {
  @Uuid({ description: 'Legal hold.' })
  id: string;

  @OneOf(['active', 'released'], { description: 'Whether it keeps blocks of the trail from being deleted.' })
  status: 'active' | 'released';

  @Instant({ nullable: true, description: 'First moment of the period; null: from the first event on.' })
  from: string | null;

  @Instant({ nullable: true, description: 'End of the period; null: none.' })
  to: string | null;

  @Text({ max: 500, description: 'Why it was placed.' })
  reason: string;

  @Uuid({ description: 'Account that placed it.' })
  placedBy: string;

  @Instant({ description: 'When it was placed.' })
  placedAt: string;

  @Text({ max: 500, nullable: true, description: 'Why it was released.' })
  releaseReason: string | null;

  @Uuid({ nullable: true, description: 'Account that released it.' })
  releasedBy: string | null;

  @Instant({ nullable: true, description: 'When it was released.' })
  releasedAt: string | null;
}
