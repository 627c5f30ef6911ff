import { Email, Flag, Instant, Nested, OneOf, Text, Texts } from '../../../platform/http/fields.js';
import { MFA_METHODS, type MfaMethod } from '../factors/factor.js';
import { AssertionResponse } from '../factors/assertion.dto.js';

const ResetToken = () => Text({ max: 200, description: 'From the mailed link, behind `#token=`.' });
const Code = (description: string) => Text({ max: 100, description });

export class ForgotPassword {
  @Text({ max: 254, description: 'Username or verified email address.' })
  usernameOrEmail: string;
}

export class ForgotUsername {
  @Email({ description: 'Verified email address.' })
  email: string;
}

export class CheckReset {
  @ResetToken()
  token: string;
}

export class ResetChallenge extends CheckReset {
  @OneOf(MFA_METHODS, { description: 'What is going to be shown.' })
  method: MfaMethod;
}

export class ResetPassword extends CheckReset {
  @Text({ max: 1024, description: 'The new password.' })
  newPassword: string;

  @OneOf(MFA_METHODS, { optional: true, description: 'Second proof: needed where the account has a second factor.' })
  method?: MfaMethod;

  @Text({ max: 100, optional: true, description: 'Code of that method.' })
  code?: string;

  @Nested(() => AssertionResponse, {
    optional: true,
    description: 'passkey: what the browser answered to the options.',
  })
  response?: AssertionResponse;
}

export class PasswordResetView {
  @Texts({ description: 'Second factors, of which one is to be shown as well; empty: the token is enough.' })
  methods: MfaMethod[];

  @Instant({ description: 'Until when the token works.' })
  expiresAt: Date;
}

export class ReportLostFactor {
  @Text({ max: 200, description: 'From the answer to the password.' })
  mfaToken: string;
}

export class LostFactorView {
  @OneOf(['waiting', 'code_sent'], {
    description: 'waiting: come back with the password when the time has come; code_sent: to the verified address.',
  })
  status: string;

  @Instant({ description: 'When a code is mailed at the earliest.' })
  usableAt: Date;

  @Instant({ optional: true, description: 'Until when the mailed code works.' })
  expiresAt?: Date;
}

const LOST_PROOFS = ['recovery_code', 'email'] as const;

export class ConfirmLostFactor extends ReportLostFactor {
  @OneOf(LOST_PROOFS, { description: 'A saved recovery code, or the mailed code (patients).' })
  method: (typeof LOST_PROOFS)[number];

  @Code('The code.')
  code: string;
}

export class ChangeEmail {
  @Email({ description: 'The new address, or the present one to have it verified. A code is mailed there.' })
  email: string;
}

export class ConfirmEmail {
  @Code('The mailed code.')
  code: string;
}

export class PendingEmail {
  @Email({ description: 'Address that waits to be confirmed.' })
  email: string;

  @Instant({ description: 'Until when its code works.' })
  expiresAt: Date;
}

export class EmailView {
  @Email({ description: 'Where notices go.' })
  email: string;

  @Flag({ description: 'Its holder has shown to read it; only then it serves for a forgotten password or username.' })
  verified: boolean;

  @Nested(() => PendingEmail, { optional: true, description: 'A change that is not confirmed yet.' })
  pending?: PendingEmail;
}
