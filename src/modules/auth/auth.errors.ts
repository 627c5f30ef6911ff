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

export const forged = (): Problem =>
  new Problem(
    403,
    'auth.csrf',
    "Send the session's CSRF token in X-CSRF-Token, from a page of the portal itself. GET /v1/auth/csrf tells it anew.",
  );

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
  new Problem(
    403,
    'auth.second-factor-mandatory',
    'Your role needs it: set up another second factor before you remove this one.',
  );

/** Of a method that the account does not hold, or that its rule does not take. */
export const methodNotOffered = (): Problem =>
  new Problem(403, 'auth.method-not-offered', 'Use one of the methods that are offered.');

/** As at the door: also of a session that is fresh, but was opened without a factor that the account holds. */
export { stepUpRequired } from '../../platform/access/door.guard.js';

/** One answer for an unknown passkey, a wrong signature, origin or challenge, and an account that is disabled. */
export const passkeyRefused = (): Problem =>
  new Problem(401, 'auth.passkey-refused', 'The passkey was not accepted. Ask for new options and try again.');

/** As {@link passkeyRefused}, for somebody whose session is not in question. */
export const wrongPasskey = (): Problem =>
  new Problem(403, 'auth.wrong-passkey', 'The passkey was not accepted. Ask for new options and try again.');

/** Its counter went back (WebAuthn Level 3 §6.1.1): there is a second one that signs with the same key. */
export const passkeyCopied = (): Problem =>
  new Problem(
    403,
    'auth.passkey-copied',
    'This passkey may have been copied and is not accepted. Use another factor, remove it, and set up a new one.',
  );

export const passkeyExists = (): Problem => new Problem(409, 'auth.passkey-exists', 'This passkey is set up already.');

export const tooManyPasskeys = (): Problem =>
  new Problem(409, 'auth.too-many-passkeys', 'There are ten passkeys already. Remove one before setting up another.');

export const notMobile = (): Problem =>
  new Problem(
    422,
    'auth.number-not-mobile',
    'Give the number of a mobile phone with its country code, such as +44 7700 900123.',
  );

export const numberInUse = (): Problem =>
  new Problem(409, 'auth.number-in-use', 'Another account uses this number. Use one that is only yours.');

export const smsMissing = (): Problem =>
  new Problem(409, 'auth.sms-missing', 'There is no mobile number to confirm or remove.');

export const tooManyMessages = (retryAfterSeconds: number): Problem =>
  new Problem(429, 'auth.too-many-messages', 'Too many messages were sent. Wait, or use another method.', {
    retryAfterSeconds,
  });

export const tooManyChallenges = (retryAfterSeconds: number): Problem =>
  new Problem(
    429,
    'auth.too-many-challenges',
    'Too many sign-ins were begun from this network. Wait, then try again.',
    {
      retryAfterSeconds,
    },
  );

export const noFactor = (): Problem =>
  new Problem(409, 'auth.no-second-factor', 'Recovery codes stand in for a second factor: set one up first.');

export const noChallenge = (): Problem =>
  new Problem(409, 'auth.no-challenge', 'This method needs no challenge: send the code.');

/** One answer for a token that is unknown, used, too old, replaced by a newer one, or of an account that is not active. */
export const invalidReset = (): Problem =>
  new Problem(
    401,
    'auth.invalid-reset',
    'This link was used, replaced or is too old. Ask for a new one, and use the newest mail.',
  );

export const secondProofNeeded = (): Problem =>
  new Problem(403, 'auth.second-proof-needed', 'Show one of the second factors of this account as well.');

/** Where a mailbox and a password are not enough, or there is no verified address. */
export const askHospital = (): Problem =>
  new Problem(403, 'auth.ask-hospital', 'This cannot be done from here. Ask the hospital: an administrator can help.');

export const addressVerified = (): Problem =>
  new Problem(409, 'auth.address-verified', 'This is the verified address of the account already.');

export const accountNotActive = (): Problem =>
  new Problem(409, 'auth.account-not-active', 'The account is not active.');

export const resetAskedAlready = (): Problem =>
  new Problem(409, 'auth.reset-asked-already', 'This was asked for already and waits for another administrator.');

export const resetClosed = (): Problem =>
  new Problem(409, 'auth.reset-closed', 'This was decided already, or is older than a day. Ask for it anew.');

export const anotherAdministrator = (): Problem =>
  new Problem(
    403,
    'auth.another-administrator',
    'Another administrator has to approve this: neither who asked nor whose account it is.',
  );

/** Of two administrators one made or appointed the other, or somebody both: they may be one person (`auth.line_of`). */
export const approverNotIndependent = (): Problem =>
  new Problem(
    403,
    'auth.approver-not-independent',
    'You and who asked for it go back to one administrator, who made, invited or appointed you both, or one of you the other. Somebody independent has to approve: an administrator of the operator, or of another such line.',
  );

export const identityCheckNotNow = (): Problem =>
  new Problem(422, 'auth.identity-check-not-recent', 'The identity check must be of the last 24 hours.');

export const noPassword = (): Problem =>
  new Problem(409, 'auth.no-password', 'The account has no password to replace.');

export const passwordChangedMeanwhile = (): Problem =>
  new Problem(409, 'auth.password-changed-meanwhile', 'The password was changed in the meantime. Sign in again.');

export const noDirectory = (): Problem =>
  new Problem(422, 'auth.no-directory', 'The account does not hold the role of a directory: open one that does.');
export const tooManyScimTokens = (): Problem =>
  new Problem(409, 'auth.too-many-scim-tokens', 'The directory has four bearer secrets that stand: revoke one first.');
export const scimTokenRevokedAlready = (): Problem =>
  new Problem(409, 'auth.scim-token-revoked-already', 'The bearer secret was revoked already.');

/** Nobody can say right now whether the password has leaked. */
export const breachCheckUnavailable = (): Problem =>
  new Problem(503, 'auth.breach-check-unavailable', 'The password cannot be checked right now. Try again shortly.', {
    retryAfterSeconds: 10,
  });

export const ownPassword = (): Problem =>
  new Problem(403, 'auth.own-password', 'Change your own password at POST /v1/auth/password/change.');

/** One answer for an unknown client, a wrong, old or used assertion, a key that was taken away, and an account without a service role. */
export const invalidClient = (): Problem =>
  new Problem(
    401,
    'auth.invalid-client',
    'Check the client id, the key and the assertion: each assertion works once, for five minutes, for this portal alone.',
  );

/** Said before anything of the assertion is looked at: it is the same for everybody. */
export const certificateNeeded = (): Problem =>
  new Problem(
    401,
    'auth.certificate-needed',
    'Connect with the certificate of the client, registered here, and send client_id and no assertion: this portal takes no other proof of machines.',
  );

export const noBearerSecrets = (): Problem =>
  new Problem(
    422,
    'auth.no-bearer-secrets',
    'Register a certificate of the directory (POST /v1/users/{id}/keys): this portal takes no other proof of machines.',
  );

export const invalidTokenRequest = (): Problem =>
  new Problem(
    400,
    'auth.invalid-token-request',
    'Send grant_type, client_assertion_type and client_assertion, each once, as a form or JSON.',
  );

export const unsupportedGrantType = (): Problem =>
  new Problem(400, 'auth.unsupported-grant-type', 'Send grant_type=client_credentials: there is no other here.');

export const invalidScope = (): Problem =>
  new Problem(400, 'auth.invalid-scope', 'Leave scope out, or ask for no more than the account may do.');

export const keyNeeded = (): Problem => new Problem(422, 'auth.key-needed', 'Send a public key: either jwk or pem.');

export const unusableKey = (): Problem =>
  new Problem(
    422,
    'auth.key-unusable',
    'Send a public signing key: P-256, P-384, Ed25519, or RSA of 3,072 to 8,192 bits with the exponent 65537.',
  );

export const unusableCertificate = (): Problem =>
  new Problem(
    422,
    'auth.certificate-unusable',
    'Send one PEM certificate with a key as strong as registered keys are.',
  );

export const privateKeyShown = (): Problem =>
  new Problem(
    422,
    'auth.private-key-shown',
    'This is a private key, which must never leave its owner: make a new pair, and send the public one.',
  );

export const keyKnown = (): Problem =>
  new Problem(409, 'auth.key-known', 'This key was registered before, here or for another account: make a new pair.');

export const keyExpiry = (): Problem =>
  new Problem(422, 'auth.key-expiry', 'The key must end after now, and within two years.');

export const tooManyKeys = (): Problem =>
  new Problem(409, 'auth.too-many-keys', 'The account has ten keys already: take one away first.');

export const keyRevokedAlready = (): Problem =>
  new Problem(409, 'auth.key-revoked-already', 'The key was taken away already.');

export const noServiceAccount = (): Problem =>
  new Problem(422, 'auth.no-service-account', 'Only an account with the role integration or directory has keys.');

export const letterFontNeeded = (): Problem =>
  new Problem(
    422,
    'auth.letter-font-needed',
    "Send the code by mail, or have LETTER_FONT_FILE set: the hospital's name has letters that printing needs a font for.",
  );

const PASSWORD_FAULTS = {
  'too-short': (least: number) =>
    new Problem(422, 'auth.password-too-short', `Choose a password of at least ${least} characters.`),
  'too-long': () => new Problem(422, 'auth.password-too-long', 'Choose a password of at most 256 characters.'),
  'not-text': () =>
    new Problem(422, 'auth.password-not-text', 'The password holds something that is not a character. Choose another.'),
  'is-username': () => new Problem(422, 'auth.password-is-username', 'Choose a password that is not the username.'),
  'is-name': () =>
    new Problem(
      422,
      'auth.password-is-name',
      "Choose a password that is not your email address, nor the hospital's or the portal's name.",
    ),
  leaked: () =>
    new Problem(
      422,
      'auth.password-leaked',
      'Choose another password: this one was stolen somewhere and stands in lists of attackers. Change it wherever you use it.',
    ),
  'is-current': () =>
    new Problem(422, 'auth.password-is-current', 'Choose another password: the one until now may be known to others.'),
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
constraintMeans('client_key__known', keyKnown);
constraintMeans('totp__pk', totpExists);
constraintMeans('account_reset__one_open', resetAskedAlready);
constraintMeans('account_reset__not_ones_own', anotherAdministrator);
constraintMeans('account_reset__four_eyes', anotherAdministrator);
constraintMeans('account_reset__independent', approverNotIndependent);
constraintMeans('passkey__credential', passkeyExists);
constraintMeans('sms_number__one_account', numberInUse);
