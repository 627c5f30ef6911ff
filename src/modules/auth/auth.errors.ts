import { constraintMeans } from '../../platform/database/database-errors.js';
import { Problem } from '../../platform/http/problem.js';

/** One answer for an unknown name, a wrong password, and an account that is locked, disabled or not activated. */
export const invalidCredentials = (): Problem =>
  new Problem(
    401,
    'auth.invalid-credentials',
    'Check the username and the password. After several failures, wait before trying again.',
  );

export const sessionEnded = (): Problem =>
  new Problem(401, 'auth.session-ended', 'The session has ended. Sign in again.');

export const signInExpired = (): Problem =>
  new Problem(
    401,
    'auth.sign-in-expired',
    'This sign-in took too long or was finished already. Begin again with the password.',
  );

export const invalidCode = (): Problem =>
  new Problem(
    401,
    'auth.invalid-code',
    'The code is not right, or was used before. Wait for the next one and try again.',
  );

/** As {@link invalidCode}, for somebody whose session is not in question: a 401 would make clients sign them out. */
export const wrongCode = (): Problem =>
  new Problem(
    403,
    'auth.wrong-code',
    'The code is not right, or was used before. Wait for the next one and try again.',
  );

export const wrongPassword = (): Problem =>
  new Problem(403, 'auth.wrong-password', 'The current password is not right.');

export const invalidActivation = (): Problem =>
  new Problem(
    401,
    'auth.invalid-activation',
    'Check the code; a patient also gives the date of birth and a username. A code works once and for seven days: ask for a new one if it is older.',
  );

/** `retryAfterSeconds` null: stopped for good, until somebody at the hospital helps. */
export const tooManyAttempts = (retryAfterSeconds: number | null): Problem =>
  retryAfterSeconds === null
    ? new Problem(429, 'auth.too-many-attempts', 'There were too many failures. Ask the hospital for help.')
    : new Problem(429, 'auth.too-many-attempts', 'There were too many failures. Wait, then try again.', {
        retryAfterSeconds,
      });

export const busy = (): Problem =>
  new Problem(503, 'auth.busy', 'Too many people are signing in right now. Try again shortly.', {
    retryAfterSeconds: 2,
  });

export const totpExists = (): Problem =>
  new Problem(409, 'auth.totp-exists', 'An authenticator app is set up already. Remove it before setting up another.');

export const totpMissing = (): Problem =>
  new Problem(409, 'auth.totp-missing', 'There is no authenticator app to confirm or remove.');

export const secondFactorMandatory = (): Problem =>
  new Problem(403, 'auth.second-factor-mandatory', 'People who work for the hospital keep their second factor.');

export const passwordChangedMeanwhile = (): Problem =>
  new Problem(409, 'auth.password-changed-meanwhile', 'The password was changed in the meantime. Sign in again.');

const PASSWORD_FAULTS = {
  'too-short': (least: number) =>
    new Problem(422, 'auth.password-too-short', `Choose a password of at least ${least} characters.`),
  'too-long': () => new Problem(422, 'auth.password-too-long', 'Choose a password of at most 256 characters.'),
  'not-text': () =>
    new Problem(422, 'auth.password-not-text', 'The password holds something that is not a character. Choose another.'),
  'is-username': () => new Problem(422, 'auth.password-is-username', 'Choose a password that is not the username.'),
  'too-common': () =>
    new Problem(
      422,
      'auth.password-too-common',
      'Choose another password: this is one of the first that attackers try.',
    ),
} as const;

export type PasswordFault = keyof typeof PASSWORD_FAULTS;

export const passwordRefused = (fault: PasswordFault, least: number): Problem => PASSWORD_FAULTS[fault](least);

constraintMeans('credential__pk', invalidActivation);
constraintMeans('totp__pk', totpExists);
