import { PageQuery } from '../../../platform/http/cursors.js';
import { Instant, Text, Uuid } from '../../../platform/http/fields.js';

export class DeviceParams {
  @Uuid({ description: 'Device.' })
  id: string;
}

export class DeviceQuery extends PageQuery {}

export class DeviceView {
  @Uuid({ description: 'Device.' })
  id: string;

  @Text({ description: 'Browser and system, in words.' })
  name: string;

  @Instant({ description: 'When it was remembered.' })
  createdAt: Date;

  @Instant({ description: 'Last sign-in on it without a second factor, or that first one.' })
  lastUsedAt: Date;

  @Instant({ description: 'Until when it is remembered; signing in does not prolong it.' })
  expiresAt: Date;
}
