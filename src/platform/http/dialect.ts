import type { Type } from '@nestjs/common';
import { problemBody, type Problem } from './problem.js';

/**
 * A family of routes that speaks JSON in a standard's own way, such as SCIM or FHIR: its media type beside
 * `application/json`, its form of errors, and its own limits. Routes say `dialect` in their `@Endpoint`; what never reaches a
 * route (unknown addresses, malformed bodies) is recognised by the prefix of the path.
 */
export interface Dialect {
  /** First part of the path: `/scim`. */
  readonly prefix: string;
  readonly mediaType: string;
  /** Takes forms too, each parameter once; only where no cookie counts, because other sites can send them. */
  readonly readsForms?: boolean;
  /** Largest body in bytes, where it is not the server's. */
  readonly bodyLimit?: number;
  /** Most values of one JSON body, where it is not the server's. */
  readonly maxValues?: number;
  /** Query parameters that a route does not know are ignored, where the standard wants that. */
  readonly ignoresUnknownQuery?: boolean;
  /** Form of its errors, for the documentation. */
  readonly problemView: Type;
  /** The body of an error. */
  problemBody(problem: Problem): object;
}

const dialects = new Map<string, Dialect>();

/** Modules say here which dialect is spoken under a prefix. */
export function speaks(dialect: Dialect): Dialect {
  dialects.set(dialect.prefix, dialect);
  return dialect;
}

/** The dialect of a path or route; undefined for the portal's own. */
export function dialectOf(path: string): Dialect | undefined {
  for (const dialect of dialects.values()) {
    const next = path.charAt(dialect.prefix.length);
    if (path.startsWith(dialect.prefix) && (next === '' || next === '/' || next === '?')) return dialect;
  }
  return undefined;
}

/** An error as it leaves the server: in the dialect of the path, else as application/problem+json. */
export function writeProblem(
  problem: Problem,
  at: { dialect?: Dialect; requestId: string },
  publicUrl: string,
): { type: string; body: string } {
  const { dialect, requestId } = at;
  return dialect
    ? { type: dialect.mediaType, body: JSON.stringify(dialect.problemBody(problem)) }
    : { type: 'application/problem+json', body: JSON.stringify(problemBody(problem, requestId, publicUrl)) };
}
