import { Flag, Instant, Nested, OneOf, Text, Texts, Uuid, Whole } from '../../../platform/http/fields.js';
import type { Transport } from '../../../platform/http/cookies.js';
import { PageQuery } from '../../../platform/http/cursors.js';

import { MFA_METHODS, type MfaMethod } from '../factors/factor.js';
import { AssertionResponse } from '../factors/assertion.dto.js';

const Token = (description: string, optional = false) => Text({ min: 1, max: 200, optional, description });
const Code = () =>
  Text({
    max: 100,
    optional: true,
    description: 'One-time code of the app or of the text message, or a recovery code.',
  });
const Response = () =>
  Nested(() => AssertionResponse, {
    optional: true,
    description: 'passkey: what the browser answered to the options.',
  });
const Method = () => OneOf(MFA_METHODS, { description: 'How the second factor is shown.' });

/** On every way in: how the client carries the session that is opened. */
export const AskedTransport = () =>
  OneOf(['bearer', 'cookie'], {
    optional: true,
    description:
      'bearer (default): tokens in the answer. cookie: for browsers; tokens in cookies that scripts cannot read, and a CSRF token in the answer.',
  });

export class Login {
  @Text({ min: 1, max: 200, description: 'Username; case makes no difference.' })
  username: string;

  @Text({ min: 1, max: 1024, description: 'Password, exactly as chosen.' })
  password: string;

  @Token(
    'Of a device that is remembered; in place of the second factor. Left out by browsers whose cookies hold it.',
    true,
  )
  deviceToken?: string;

  @AskedTransport()
  transport?: Transport;
}

export class VerifySecondFactor {
  @Token('From the answer to the password.')
  mfaToken: string;

  @Method()
  method: MfaMethod;

  @Code()
  code?: string;

  @Response()
  response?: AssertionResponse;

  @Flag({
    optional: true,
    description: 'Patients: have this device remembered, so that it is not asked for the second factor for some weeks.',
  })
  rememberDevice?: boolean;

  @AskedTransport()
  transport?: Transport;
}

/** Who holds no second factor is recognised anew by the password. */
export const STEP_UP_METHODS = [...MFA_METHODS, 'password'] as const;

export class StepUp {
  @OneOf(STEP_UP_METHODS, {
    description: 'How the person is recognised anew: a second factor; password for those who hold none.',
  })
  method: (typeof STEP_UP_METHODS)[number];

  @Text({ max: 1024, optional: true, description: 'password: exactly as chosen.' })
  password?: string;

  @Code()
  code?: string;

  @Response()
  response?: AssertionResponse;
}

export class Refresh {
  @Token('From the sign-in or the refresh before. Left out by browsers whose cookies hold it.', true)
  refreshToken?: string;
}

export class CsrfView {
  @Token('For X-CSRF-Token, with everything that changes something.')
  csrfToken: string;
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

/** In place of the access token until now, which is refused from the next request on. */
export class RenewedView {
  @Text({
    optional: true,
    max: 1024,
    description: 'Authorization: Bearer, from now on. With cookies it is set as one.',
  })
  accessToken?: string;

  @Whole({ description: 'Seconds that it is good for.' })
  expiresIn: number;
}

export class StepUpView extends AssuranceView {
  @Text({
    optional: true,
    max: 1024,
    description: 'In place of the access token until now, which is void. Not with cookies.',
  })
  accessToken?: string;

  @Whole({ description: 'Seconds that the access token is good for.' })
  expiresIn: number;

  @Texts({ optional: true, description: 'Ten new ones, where the last recovery code was just used. Shown this once.' })
  recoveryCodes?: string[];
}

/** What an open session gives its client. */
export class OpenedView {
  @Text({ optional: true, max: 1024, description: 'Authorization: Bearer; a few minutes. Not with cookies.' })
  accessToken?: string;

  @Token('For a new pair, once. Not with cookies.', true)
  refreshToken?: string;

  @Token('For X-CSRF-Token, with everything that changes something. Only with cookies.', true)
  csrfToken?: string;

  @Token(
    'For the next sign-in on this device, in place of the second factor; each is good once. Not with cookies.',
    true,
  )
  deviceToken?: string;

  @OneOf(['token', 'mail', 'hospital'], {
    optional: true,
    description:
      'password_change_required: by the token (POST /v1/auth/password/change-required), by the link that was mailed to the verified address, or with the help of the hospital.',
  })
  changeBy?: string;

  @Token('password_change_required by token: for POST /v1/auth/password/change-required; five minutes, once.', true)
  token?: string;

  @Whole({ optional: true, description: 'Seconds that the access token is good for.' })
  expiresIn?: number;

  @Nested(() => AssuranceView, { optional: true, description: 'The session.' })
  session?: AssuranceView;
}

export class TokensView extends OpenedView {
  @OneOf(['authenticated', 'mfa_required', 'enrolment_required', 'password_change_required'], {
    description:
      'What is missing: nothing; the second factor (POST /v1/auth/mfa/verify); setting one up (POST /v1/auth/mfa/totp); another password (as changeBy says).',
  })
  status: string;

  @Token('Shows that the password was right; five minutes, once.', true)
  mfaToken?: string;

  @Texts({
    optional: true,
    description: 'Second factors that can be shown (mfa_required) or set up (enrolment_required).',
  })
  methods?: string[];

  @Texts({ optional: true, description: 'Ten new ones, where the last recovery code was just used. Shown this once.' })
  recoveryCodes?: string[];
}

export class SessionView {
  @Uuid({ description: 'Session.' })
  id: string;

  @Text({ description: 'Browser and system, in words.' })
  device: string;

  @Text({ description: 'Where it was opened, in words: a network of the hospital, or a country.' })
  place: string;

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

class ProviderLogoutView {
  @Text({ max: 4_000, format: 'uri', description: 'Send the browser there; the provider may ask the person first.' })
  url: string;

  @Text({ max: 200, description: 'Comes back with the browser, as state at the page that follows a sign-in.' })
  state: string;
}

export class LogoutView {
  @Nested(() => ProviderLogoutView, {
    nullable: true,
    description:
      'Where to sign out at the identity provider as well; null where the session did not come by one that has such a page.',
  })
  providerLogout: ProviderLogoutView | null;
}
