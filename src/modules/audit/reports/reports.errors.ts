import { constraintMeans } from '../../../platform/database/database-errors.js';
import { Problem } from '../../../platform/http/problem.js';

export const queryNameTaken = (): Problem =>
  new Problem(
    409,
    'audit.query-name-taken',
    'You have a saved query of this name: choose another name, or change that one.',
  );

export const periodBackwards = (): Problem =>
  new Problem(422, 'audit.period-backwards', 'A period ends after it has begun: `from` comes before `to`.');

export const periodTooLong = (most: string): Problem =>
  new Problem(422, 'audit.period-too-long', `A report covers ${most} at most: ask for several shorter periods.`);

export const daysOrPeriod = (): Problem =>
  new Problem(422, 'audit.days-or-period', 'Say either the last so many `days`, or `from` and `to`.');

export const reportTooWide = (): Problem =>
  new Problem(
    422,
    'audit.report-too-wide',
    'Counting this takes too long: name a shorter period, or a kind of event, a person or a patient.',
  );

constraintMeans('saved_query__name_taken', queryNameTaken);
