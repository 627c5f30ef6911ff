import { Catch, HttpException, type ArgumentsHost, type ExceptionFilter } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { trailOf } from '../access/trail.js';
import { problemOf } from '../database/database-errors.js';
import type { Logger } from '../logging/logger.js';
import { writeProblem } from './dialect.js';
import { notFound, Problem } from './problem.js';

/** Fastify's own refusals, by code. Everything else of it is answered by its status. */
const FASTIFY: Record<string, Problem> = {
  FST_ERR_CTP_INVALID_MEDIA_TYPE: new Problem(415, 'http.media-type', 'Send the body as application/json.'),
  FST_ERR_CTP_BODY_TOO_LARGE: new Problem(413, 'http.too-large', 'The body is larger than is accepted here.'),
  FST_ERR_CTP_INVALID_CONTENT_LENGTH: new Problem(
    400,
    'http.content-length',
    'The body is not as long as its Content-Length says.',
  ),
  FST_ERR_BAD_URL: new Problem(400, 'http.bad-url', 'The address is not properly percent-encoded.'),
  FST_ERR_MAX_PARAM_LENGTH: new Problem(414, 'http.address-too-long', 'A part of the address is too long.'),
};

const BY_STATUS: Record<number, Problem> = {
  400: new Problem(400, 'http.bad-request', 'The request is not understood.'),
  403: new Problem(403, 'access.forbidden', 'Your role does not allow this.'),
  404: notFound(),
  405: new Problem(405, 'http.method', 'This address does not take that method.'),
  408: new Problem(408, 'http.timeout', 'The request took too long to arrive.'),
  413: new Problem(413, 'http.too-large', 'The body is larger than is accepted here.'),
  414: new Problem(414, 'http.address-too-long', 'The address is too long.'),
  415: new Problem(415, 'http.media-type', 'Send the body as application/json.'),
};

/** Any error as a problem; unknown ones are 500 and say nothing of themselves. */
export function toProblem(error: unknown): Problem {
  const mapped = problemOf(error);
  if (mapped instanceof Problem) return mapped;
  const { code, statusCode } = (mapped ?? {}) as { code?: string; statusCode?: number };
  if (code && FASTIFY[code]) return FASTIFY[code];
  const status =
    mapped instanceof HttpException
      ? mapped.getStatus()
      : code?.startsWith('FST_')
        ? statusCode
        : mapped instanceof SyntaxError
          ? 400
          : undefined;
  if (status !== undefined && BY_STATUS[status]) return BY_STATUS[status];
  return new Problem(
    500,
    'http.internal',
    'The portal could not do this. The fault was noted; the instance identifies it.',
  );
}

/** What a handler's answer said of its data, before it came to nothing. */
const OF_DATA = [
  ...['accept-ranges', 'cache-control', 'content-disposition', 'content-encoding', 'content-length', 'content-range'],
  ...['etag', 'link', 'location', 'idempotency-replayed'],
];

/** Every error of guards, pipes, handlers and the framework leaves as problem+json, or in the form of its route's dialect. */
@Catch()
export class ProblemFilter implements ExceptionFilter {
  constructor(
    private readonly publicUrl: string,
    private readonly logger: Logger,
  ) {}

  catch(error: unknown, host: ArgumentsHost): void {
    const http = host.switchToHttp();
    this.answer(error, http.getRequest<FastifyRequest>(), http.getResponse<FastifyReply>());
  }

  answer(error: unknown, request: FastifyRequest, reply: FastifyReply): void {
    const problem = toProblem(error);
    const trail = trailOf(request);
    trail.code = problem.code;
    if (problem.status === 500)
      this.logger.error('unexpected error', error, { requestId: trail.requestId, route: trail.route });
    for (const name of OF_DATA) void reply.removeHeader(name);
    const { type, body } = writeProblem(problem, trail, this.publicUrl);
    void reply
      .status(problem.extra.seeOther === undefined ? problem.status : 302)
      .headers({
        ...problem.extra.headers,
        ...(problem.extra.seeOther === undefined ? {} : { location: problem.extra.seeOther }),
        ...(problem.extra.retryAfterSeconds === undefined
          ? {}
          : { 'retry-after': String(problem.extra.retryAfterSeconds) }),
      })
      .type(type)
      .send(body);
  }
}
