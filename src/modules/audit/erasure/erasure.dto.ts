import { Instant, Text, Uuid, Whole } from '../../../platform/http/fields.js';

export class CreateErasure {
  @Uuid({
    optional: true,
    description: 'Account whose addresses and user agents are erased; without it, those of all.',
  })
  accountId?: string;

  @Instant({ optional: true, description: 'Only what is older than this. Needed where no account is named.' })
  before?: string;

  @Text({ max: 500, description: 'Why, such as the request that asks for it. It is kept with the erasure.' })
  reason: string;
}

export class ErasureView {
  @Uuid({ description: 'Erasure.' })
  id: string;

  @Uuid({ nullable: true, description: 'Account; null for all.' })
  accountId: string | null;

  @Instant({ nullable: true, description: 'What was older than this; null for all.' })
  before: string | null;

  @Whole({ description: 'Pairs of an address and a user agent that are gone.' })
  erased: number;
}
