import { constraintMeans } from '../../platform/database/database-errors.js';
import { Problem } from '../../platform/http/problem.js';

export const usernameTaken = (): Problem =>
  new Problem(409, 'users.username-taken', 'Choose another username: this one is taken.');
export const usernameNeeded = (): Problem =>
  new Problem(422, 'users.username-needed', 'Choose a username: the account has none yet.');
export const notInvited = (): Problem =>
  new Problem(409, 'users.not-invited', 'The account is not waiting to be activated.');
export const notToOneself = (): Problem =>
  new Problem(403, 'users.not-to-oneself', 'Somebody else has to do this: nobody decides on their own access.');
export const lastAdmin = (): Problem =>
  new Problem(409, 'users.last-admin', 'Make another active account an administrator first: one must remain.');
export const roleAlreadyHeld = (): Problem =>
  new Problem(409, 'users.role-already-held', 'The account holds this role already.');
export const roleNotHeld = (): Problem =>
  new Problem(409, 'users.role-not-held', 'The account does not hold this role.');
export const rolesApart = (): Problem =>
  new Problem(
    422,
    'users.roles-apart',
    'These duties exclude each other at the same time: give one of them to somebody else.',
  );
export const serviceUnnamed = (): Problem =>
  new Problem(
    422,
    'users.service-unnamed',
    'Leave the username out: a machine never signs in by name and password, but with a key that is registered for it.',
  );
export const startsInPast = (): Problem =>
  new Problem(422, 'users.starts-in-past', 'A role begins now or later: leave startsAt out to give it now.');
export const integrationApart = (): Problem =>
  new Problem(
    422,
    'users.integration-apart',
    'The integration role stands alone: open an account of its own for the feed.',
  );
export const directoryApart = (): Problem =>
  new Problem(
    422,
    'users.directory-apart',
    'The directory role stands alone, from the opening of its account on: open an account of its own for the directory.',
  );
export const sourceNeeded = (): Problem =>
  new Problem(422, 'users.source-needed', 'Give a source exactly when the role is integration: the URI of the feed.');
export const sourceTaken = (): Problem =>
  new Problem(409, 'users.source-taken', 'Another account speaks for this feed.');
export const practitionerNeeded = (): Problem =>
  new Problem(
    422,
    'users.practitioner-needed',
    'A clinician has an entry among the practitioners: send `practitioner` with a new account; for one that is there, make it first (POST /v1/practitioners with its accountId). Nobody else gets one.',
  );
export const alreadyDisabled = (): Problem =>
  new Problem(409, 'users.already-disabled', 'The account is disabled already.');
export const notDisabled = (): Problem => new Problem(409, 'users.not-disabled', 'The account is not disabled.');
export const heldByDirectory = (): Problem =>
  new Problem(
    409,
    'users.held-by-directory',
    'The directory has deactivated or removed this person: it has to be undone there.',
  );
export const mrnTaken = (): Problem =>
  new Problem(409, 'users.mrn-taken', 'Another chart has this medical record number.');
export const birthDateInFuture = (): Problem =>
  new Problem(422, 'users.birth-date-in-future', 'The birth date lies in the future.');
export const birthDateNeeded = (): Problem =>
  new Problem(
    422,
    'users.birth-date-needed',
    'Complete the birth date of the chart first: the invitation is checked against it.',
  );
export const emailNeeded = (): Problem =>
  new Problem(422, 'users.email-needed', 'Give an email address: the chart has none.');
export const chartHasAccount = (): Problem =>
  new Problem(409, 'users.chart-has-account', 'The chart is tied to an account already.');
export const noSuchAccount = (): Problem =>
  new Problem(422, 'users.no-such-account', 'There is no account with this id.');
export const noSuchPractitioner = (): Problem =>
  new Problem(422, 'users.no-such-practitioner', 'There is no practitioner with this id.');
export const accountHasPractitioner = (): Problem =>
  new Problem(409, 'users.account-has-practitioner', 'The account has an entry among the practitioners already.');
export const practitionerHasAccount = (): Problem =>
  new Problem(409, 'users.practitioner-has-account', 'The practitioner has an account already.');
export const npiTaken = (): Problem => new Problem(409, 'users.npi-taken', 'Another practitioner has this NPI.');
export const emptyPeriod = (): Problem =>
  new Problem(422, 'users.empty-period', 'The period must end after it starts.');
export const alreadyOnTeam = (): Problem =>
  new Problem(
    409,
    'users.already-on-team',
    'The practitioner is on this care team already, without an end: end that first.',
  );
export const alreadyEnded = (): Problem =>
  new Problem(409, 'users.already-ended', 'This membership has ended already.');

constraintMeans('account__username_taken', usernameTaken);
constraintMeans('account_role__already_held', roleAlreadyHeld);
constraintMeans('account_role__not_to_oneself', notToOneself);
constraintMeans('account_role__not_by_oneself', notToOneself);
constraintMeans('account_role__apart', rolesApart);
constraintMeans('feed__source_taken', sourceTaken);
constraintMeans('patient__mrn_taken', mrnTaken);
constraintMeans('practitioner__account', noSuchAccount);
constraintMeans('practitioner__account_taken', accountHasPractitioner);
constraintMeans('practitioner__npi_taken', npiTaken);
constraintMeans('care_team_member__practitioner', noSuchPractitioner);
constraintMeans('care_team_member__already_on_it', alreadyOnTeam);
