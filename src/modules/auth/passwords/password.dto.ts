import { Text, Uuid } from '../../../platform/http/fields.js';

const NewPassword = () =>
  Text({
    max: 1024,
    description:
      'At least 15 characters, or 8 where a second factor is mandatory; at most 256. Anything but what attackers try first.',
  });

export class ChangePassword {
  @Text({ max: 1024, description: 'The password until now.' })
  currentPassword: string;

  @NewPassword()
  newPassword: string;
}

export class ChangeRequiredPassword {
  @Text({ max: 200, description: 'From the answer password_change_required.' })
  token: string;

  @NewPassword()
  newPassword: string;
}

export class ExpirePassword {
  @Text({ max: 500, description: 'Why others may know the password.' })
  reason: string;
}

export class PasswordParams {
  @Uuid({ description: 'Account.' })
  id: string;
}
