import { constraintMeans } from '../../../platform/database/database-errors.js';
import { Problem, unavailable } from '../../../platform/http/problem.js';

export const ssoUnavailable = (): Problem =>
  unavailable(
    'auth.sso-unavailable',
    'The identity provider does not answer right now. Try again shortly, or sign in another way.',
  );

/** One answer for a state or code that is unknown, used, too old, or another browser's. */
export const ssoExpired = (): Problem =>
  new Problem(
    401,
    'auth.sso-expired',
    'This sign-in took too long, was finished already, or was begun in another browser. Begin again.',
  );

export const ssoFailed = (): Problem =>
  new Problem(401, 'auth.sso-failed', 'The answer of the identity provider could not be verified. Begin again.');

export const ssoDeclined = (): Problem =>
  new Problem(
    403,
    'auth.sso-declined',
    'The identity provider did not sign you in. Begin again, or ask its help desk.',
  );

/** One answer for nobody that we know, no role that counts here, and an account that is disabled or not of this kind. */
export const ssoNotAllowed = (): Problem =>
  new Problem(
    403,
    'auth.sso-not-allowed',
    'The identity provider knows you, but gives you no access to this portal. Ask the hospital for help.',
  );

export const ssoReturnNotAllowed = (): Problem =>
  new Problem(422, 'auth.sso-return-not-allowed', 'Choose a path of the portal that a sign-in may lead on to.');

export const ssoLinkTaken = (): Problem =>
  new Problem(
    409,
    'auth.sso-link-taken',
    'This account has a link to the provider already, or the person at the provider has one to another account.',
  );

export const ssoOnlyWayIn = (): Problem =>
  new Problem(409, 'auth.sso-only-way-in', 'The identity provider opened this account: there is no other way into it.');

export const logoutTokenRefused = (): Problem =>
  new Problem(400, 'auth.logout-token-refused', 'Send one valid logout token that was not used before.');

constraintMeans('federated_identity__subject_taken', ssoLinkTaken);
constraintMeans('federated_identity__one_a_provider', ssoLinkTaken);
