const MINUTE = 60_000;
const DAY = 86_400_000;
export const YEAR_DAYS = 365.25;

// The hospital writes its local time with a fixed offset, so that the zone a reader must keep is never plain UTC.
const OFFSET_MINUTES = -300;

export const startOfDay = (date: Date): Date =>
  new Date(Date.UTC(date.getUTCFullYear(), date.getUTCMonth(), date.getUTCDate()));

export const addDays = (date: Date, days: number): Date => new Date(date.getTime() + Math.round(days) * DAY);
export const addMinutes = (date: Date, minutes: number): Date => new Date(date.getTime() + minutes * MINUTE);
export const yearsBefore = (date: Date, years: number): Date => addDays(date, -years * YEAR_DAYS);
export const yearsBetween = (from: Date, to: Date): number => (to.getTime() - from.getTime()) / DAY / YEAR_DAYS;
export const daysBetween = (from: Date, to: Date): number => Math.floor((to.getTime() - from.getTime()) / DAY);
export const latest = (a: Date, b: Date): Date => (a.getTime() > b.getTime() ? a : b);
export const earliest = (a: Date, b: Date): Date => (a.getTime() < b.getTime() ? a : b);

/** The same day, or the Monday after a weekend. */
export const workday = (date: Date): Date => addDays(date, [1, 0, 0, 0, 0, 0, 2][date.getUTCDay()] ?? 0);

/** `2026-03-01` */
export const day = (date: Date): string => date.toISOString().slice(0, 10);

/** `2026-03` */
export const month = (date: Date): string => date.toISOString().slice(0, 7);

/** `2026-03-01T09:30:00-05:00` */
export const localTime = (date: Date): string => `${addMinutes(date, OFFSET_MINUTES).toISOString().slice(0, 19)}-05:00`;

/** `2026-03-01T14:30:00.000Z` */
export const instant = (date: Date): string => date.toISOString();
