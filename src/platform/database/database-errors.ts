import { Problem, unavailable } from '../http/problem.js';

const constraints = new Map<string, () => Problem>();

/** Modules say here what a violated constraint means to a caller: `appointment__no_overlap` → `appointments.slot-taken`. */
export function constraintMeans(name: string, problem: () => Problem): void {
  constraints.set(name, problem);
}

/** SQLSTATE classes that mean "not now": connection lost (08), resources (53), shutdown (57P), timeouts, serialisation. */
const NOT_NOW = /^(08|53|57P|57014|55P03|40001|40P01|25P03|25P04)/;
const CONNECTION_ERRORS = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ETIMEDOUT',
  'ENOENT',
]);
/** What pg, its pool and TypeORM say without a code when the server went away or something did not come in time. */
const CONNECTION_MESSAGES =
  /Connection terminated|connection timeout|timeout exceeded when trying to connect|Query read timeout|not queryable|Query runner already released|Cannot use a pool after/i;

const codeOf = (error: unknown): string => {
  const code = (error as { code?: unknown; driverError?: { code?: unknown } } | null)?.code;
  return typeof code === 'string' ? code : '';
};

/** Is the database away, busy or restarting (as against a fault of ours)? */
export function isDatabaseAway(error: unknown): boolean {
  const code = codeOf(error);
  if (NOT_NOW.test(code) || CONNECTION_ERRORS.has(code)) return true;
  return error instanceof Error && CONNECTION_MESSAGES.test(error.message);
}

/** Did the database refuse what it was given (SQLSTATE classes 22, 23, 54), so that the same again is refused again? */
export const isDataRefused = (error: unknown): boolean => /^(22|23|54)/.test(codeOf(error));

/** What pg says when a connection ends under a statement that was sent. */
const CUT_MESSAGES = /Connection terminated|connection ended/i;
const CUT_CODES = new Set(['ECONNRESET', 'EPIPE', '08003', '08006', '57P01', '57P02']);

/** Did the connection end under a statement, so that nobody has said whether it was done? */
export function isConnectionCut(error: unknown): boolean {
  return CUT_CODES.has(codeOf(error)) || (error instanceof Error && CUT_MESSAGES.test(error.message));
}

/** Was a statement sent whose answer did not come, because the connection ended or in time? What PostgreSQL refuses has an answer. */
export const isAnswerLost = (error: unknown): boolean =>
  isConnectionCut(error) || (error instanceof Error && /Query read timeout/.test(error.message));

/** A driver error in the API's words: a known constraint's problem, 503 when the database is away, otherwise the error itself (→ 500). */
export function problemOf(error: unknown): unknown {
  if (error instanceof Problem) return error;
  const meaning = constraints.get((error as { constraint?: string } | null)?.constraint ?? '');
  if (meaning) return meaning();
  if (isDatabaseAway(error)) return unavailable();
  return error;
}
