/** One wrong place in an input: JSON pointer (RFC 6901), stable code, words for a person. */
export interface FieldError {
  pointer: string;
  code: string;
  detail: string;
}

/**
 * An error that is answered as `application/problem+json` (RFC 9457). `code` is `<module>.<kebab-reason>`, never reused;
 * `detail` says what to do and never echoes input. `seeOther`: page to which a browser is sent instead (302); the event of
 * the request tells of the refusal all the same.
 */
export class Problem extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    readonly detail: string,
    readonly extra: {
      errors?: FieldError[];
      retryAfterSeconds?: number;
      headers?: Record<string, string>;
      seeOther?: string;
    } = {},
  ) {
    super(code);
    this.name = 'Problem';
  }
}

/** The same bytes whether a thing does not exist or is not the caller's. */
export const notFound = (): Problem => new Problem(404, 'http.not-found', 'There is nothing here that you may see.');

export const unavailable = (
  code = 'http.unavailable',
  detail = 'The portal cannot do this right now. Try again shortly.',
): Problem => new Problem(503, code, detail, { retryAfterSeconds: 2 });

/** Titles by status: short, the same for every problem of that status. */
const TITLES: Record<number, string> = {
  400: 'The request is not understood',
  401: 'Not recognised',
  403: 'Not allowed',
  404: 'Not found',
  405: 'Method not allowed',
  406: 'Not acceptable',
  408: 'The request took too long',
  409: 'Conflict',
  410: 'Gone',
  412: 'Changed in the meantime',
  413: 'Too large',
  414: 'Address too long',
  415: 'Media type not supported',
  417: 'Expectation failed',
  422: 'Against a rule',
  428: 'Precondition required',
  429: 'Too many requests',
  431: 'Headers too large',
  500: 'Something went wrong here',
  503: 'Not available right now',
};

export interface ProblemBody {
  type: string;
  title: string;
  status: number;
  detail: string;
  instance: string;
  code: string;
  errors?: FieldError[];
}

/** The body of a problem. `type` is the address of the error's documentation. */
export function problemBody(problem: Problem, requestId: string, publicUrl: string): ProblemBody {
  return {
    type: `${publicUrl}/docs/errors#${problem.code}`,
    title: TITLES[problem.status] ?? 'Error',
    status: problem.status,
    detail: problem.detail,
    instance: `urn:uuid:${requestId}`,
    code: problem.code,
    ...(problem.extra.errors ? { errors: problem.extra.errors } : {}),
  };
}
