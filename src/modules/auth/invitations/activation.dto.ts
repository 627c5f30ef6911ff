import { Day, Text } from '../../../platform/http/fields.js';
import { Username } from '../../users/index.js';

export class Activate {
  @Text({ max: 100, description: 'From the invitation; dashes, spaces and case make no difference.' })
  activationCode: string;

  @Username({ optional: true, description: 'Where the account has none yet: patients choose one here.' })
  username?: string;

  @Text({ max: 1024, description: 'At least 15 characters; 8 for staff, who also need a second factor.' })
  password: string;

  @Day({ optional: true, description: 'Patients: as on the chart.' })
  dateOfBirth?: string;
}
