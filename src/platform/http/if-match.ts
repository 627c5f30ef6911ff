import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { Problem } from './problem.js';

export const staleVersion = (): Problem =>
  new Problem(412, 'http.stale', 'It has changed since you read it: read it again and send its ETag in If-Match.');

const precondition = (): Problem =>
  new Problem(428, 'http.if-match-needed', 'Send If-Match with the ETag of what you last read.');

export const etagOf = (version: number): string => `"${version}"`;

/**
 * The version that the caller last read, from `If-Match: "<version>"`. Without the header 428. `*`, weak tags and lists name
 * no version that was read and fail as stale ones do (RFC 9110 section 13.1.1).
 */
export const IfMatch = createParamDecorator((_: unknown, context: ExecutionContext): number => {
  const header = context.switchToHttp().getRequest<FastifyRequest>().headers['if-match'];
  if (header === undefined || header === '') throw precondition();
  const version = /^"([1-9]\d{0,8})"$/.exec(header)?.[1];
  if (version === undefined) throw staleVersion();
  return Number(version);
});
