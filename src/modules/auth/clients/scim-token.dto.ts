import { PageQuery } from '../../../platform/http/cursors.js';
import { Instant, Text, Uuid, Whole } from '../../../platform/http/fields.js';

export class ScimTokenQuery extends PageQuery {}

export class CreateScimToken {
  @Text({ max: 100, description: 'What it is for.', example: 'Entra ID, production' })
  name: string;

  @Whole({ min: 1, max: 365, default: 180, optional: true, description: 'Days that it is good for.' })
  days?: number;
}

export class ScimTokenParams {
  @Uuid({ description: 'Account of the directory.' })
  id: string;
}

export class OneScimTokenParams extends ScimTokenParams {
  @Uuid({ description: 'Token.' })
  tokenId: string;
}

export class ScimTokenView {
  @Uuid({ description: 'Token; not the secret.' })
  id: string;

  @Uuid({ description: 'Account of the directory.' })
  accountId: string;

  @Text({ description: 'What it is for.' })
  name: string;

  @Instant({ description: 'When it was made.' })
  createdAt: Date;

  @Uuid({ description: 'Account of who made it.' })
  createdBy: string;

  @Instant({ description: 'From when on it no longer counts.' })
  expiresAt: Date;

  @Instant({ nullable: true, description: 'When it was last used, to the minute.' })
  lastUsedAt: Date | null;

  @Instant({ nullable: true, description: 'When it was taken away.' })
  revokedAt: Date | null;
}

export class NewScimTokenView extends ScimTokenView {
  @Text({ description: 'The secret itself, for Authorization: Bearer under /scim alone. It is shown this once.' })
  token: string;
}
