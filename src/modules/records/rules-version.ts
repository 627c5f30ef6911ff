import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { Problem } from '../../platform/http/problem.js';
import { staleVersion } from '../../platform/http/if-match.js';

/** As `IfMatch`, and `"0"` where there are no rules yet: otherwise two who write the first ones would not see each other. */
export const RulesVersion = createParamDecorator((_: unknown, context: ExecutionContext): number => {
  const header = context.switchToHttp().getRequest<FastifyRequest>().headers['if-match'];
  if (header === undefined || header === '')
    throw new Problem(428, 'http.if-match-needed', 'Send If-Match with the ETag of what you last read.');
  const version = /^"(0|[1-9]\d{0,8})"$/.exec(header)?.[1];
  if (version === undefined) throw staleVersion();
  return Number(version);
});
