import { Text } from '../../../platform/http/fields.js';

export class ChangePassword {
  @Text({ max: 1024, description: 'The password until now.' })
  currentPassword: string;

  @Text({ max: 1024, description: 'At least 15 characters; 8 for staff.' })
  newPassword: string;
}
