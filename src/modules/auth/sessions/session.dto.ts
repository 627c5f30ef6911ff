import { Flag, Instant, Nested, OneOf, Text, Texts, Uuid, Whole } from '../../../platform/http/fields.js';
import { PageQuery } from '../../../platform/http/cursors.js';

const MFA_METHODS = ['totp', 'recovery_code'] as const;
export type MfaMethod = (typeof MFA_METHODS)[number];

const Token = (description: string, optional = false) => Text({ min: 1, max: 200, optional, description });
const Code = () => Text({ min: 1, max: 100, description: 'One-time code of the app, or a recovery code.' });
const Method = () => OneOf(MFA_METHODS, { description: 'How the second factor is shown.' });

export class Login {
  @Text({ min: 1, max: 200, description: 'Username; case makes no difference.' })
  username: string;

  @Text({ min: 1, max: 1024, description: 'Password, exactly as chosen.' })
  password: string;
}

export class VerifySecondFactor {
  @Token('From the answer to the password.')
  mfaToken: string;

  @Method()
  method: MfaMethod;

  @Code()
  code: string;
}

export class StepUp {
  @Method()
  method: MfaMethod;

  @Code()
  code: string;
}

export class Refresh {
  @Token('From the sign-in or the refresh before.')
  refreshToken: string;
}

export class SessionParams {
  @Uuid({ description: 'Session.' })
  id: string;
}

export class SessionQuery extends PageQuery {}

/** The session that a sign-in opened, and how strongly it was opened. */
export class AssuranceView {
  @Uuid({ description: 'Session.' })
  id: string;

  @OneOf(['aal1', 'aal2'], { description: 'aal1: password; aal2: password and a second factor.' })
  acr: string;

  @Texts({ description: 'How the person was recognised (RFC 8176).' })
  amr: string[];

  @Instant({ description: 'When they last were.' })
  authTime: Date;

  @Instant({ description: 'When the session ends at the latest.' })
  expiresAt: Date;

  @Whole({ description: 'Seconds without activity after which the session ends.' })
  idleSeconds: number;
}

/** What an open session gives its client. */
export class OpenedView {
  @Text({ optional: true, max: 1024, description: 'Authorization: Bearer; a few minutes.' })
  accessToken?: string;

  @Token('For a new pair, once.', true)
  refreshToken?: string;

  @Whole({ optional: true, description: 'Seconds that the access token is good for.' })
  expiresIn?: number;

  @Nested(() => AssuranceView, { optional: true, description: 'The session.' })
  session?: AssuranceView;
}

export class TokensView extends OpenedView {
  @OneOf(['authenticated', 'mfa_required', 'enrolment_required'], {
    description:
      'What is missing: nothing; the second factor (POST /v1/auth/mfa/verify); setting one up (POST /v1/auth/mfa/totp).',
  })
  status: string;

  @Token('Shows that the password was right; five minutes, once.', true)
  mfaToken?: string;

  @Texts({ optional: true, description: 'Ways to show the second factor.' })
  methods?: string[];
}

export class SessionView {
  @Uuid({ description: 'Session.' })
  id: string;

  @Text({ description: 'Browser and system, in words.' })
  device: string;

  @Text({ description: 'Network address of the sign-in.' })
  address: string;

  @Instant({ description: 'When it was opened.' })
  createdAt: Date;

  @Instant({ description: 'Last activity.' })
  lastActiveAt: Date;

  @Instant({ description: 'When it ends at the latest.' })
  expiresAt: Date;

  @Flag({ description: 'This very session.' })
  current: boolean;
}
