import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { etagOf, staleVersion } from '../../../platform/http/if-match.js';

/** Versions that a change may start from; null: any. */
export type Precondition = readonly number[] | null;

/**
 * If-Match is optional in SCIM (RFC 7644 section 3.14), and its clients send back tags as weak ones: `W/"3"` names the same
 * version as `"3"`. A tag that was never given out matches nothing.
 */
export const ScimIfMatch = createParamDecorator((_: unknown, context: ExecutionContext): Precondition => {
  const header = context.switchToHttp().getRequest<FastifyRequest>().headers['if-match']?.trim();
  if (header === undefined || header === '' || header === '*') return null;
  const tags = header.split(',').map((tag) => /^(?:W\/)?"([1-9]\d{0,8})"$/.exec(tag.trim())?.[1]);
  return tags.filter((tag) => tag !== undefined).map(Number);
});

/** Throws 412 when the version is none of those. */
export function checkPrecondition(precondition: Precondition, version: number): void {
  if (precondition !== null && !precondition.includes(version)) throw staleVersion();
}

/** The version as SCIM tells it: the same as the ETag header. */
export const versionTag = etagOf;
