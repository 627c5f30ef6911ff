import { birthDateInFuture } from './users.errors.js';

/** The date it is anywhere: at UTC+14 a new day begins 14 hours before it does in UTC. */
const latestToday = (now: Date): string => new Date(now.getTime() + 14 * 3_600_000).toISOString().slice(0, 10);

/** Throws when somebody would be born later than today. */
export function checkBirthDate(birthDate: string, now: Date): void {
  if (birthDate > latestToday(now)) throw birthDateInFuture();
}

/** FHIR dates may stop at the year or the month. */
export const isWholeDate = (date: string | null): boolean => date !== null && date.length === 10;
