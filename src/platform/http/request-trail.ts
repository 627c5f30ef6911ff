import type { FastifyRequest } from 'fastify';
import { validate } from 'uuid';
import { newId } from '../ids.js';
import type { EndpointOptions } from '../access/endpoint.js';
import type { Trail } from '../access/trail.js';
import type { Clock } from '../clock.js';
import { Cookies } from './cookies.js';
import { dialectOf } from './dialect.js';

/** X-Request-Id is taken over when it is a UUID; anything else would be somebody's text in logs and events. */
const requestIdOf = (given: string | string[] | undefined): string =>
  typeof given === 'string' && validate(given) ? given.toLowerCase() : newId();

const blank = {
  route: '',
  endpoint: null,
  actor: null,
  accountId: null,
  sessionId: null,
  carrier: null,
  credentialProblem: null,
  ctx: null,
  code: null,
  settled: false,
} as const;

/** The trail of a request that Fastify has read. */
export function openTrail(request: FastifyRequest, clock: Clock): Trail {
  const config = (request.routeOptions?.config ?? {}) as { endpoint?: EndpointOptions };
  const params = Object.entries((request.params ?? {}) as Record<string, unknown>).filter(
    ([, value]) => typeof value === 'string' && validate(value),
  ) as [string, string][];
  return {
    ...blank,
    touches: [],
    answerHeaders: {},
    params: Object.fromEntries(params),
    requestId: requestIdOf(request.headers['x-request-id']),
    receivedAt: clock.now(),
    startedMs: performance.now(),
    peer: request.ip,
    method: request.method,
    userAgent: (request.headers['user-agent'] ?? '').slice(0, 200),
    cookies: new Cookies(request.headers.cookie),
    route: request.routeOptions?.url ?? '',
    endpoint: config.endpoint ?? null,
    dialect: config.endpoint ? config.endpoint.dialect : dialectOf(request.raw.url ?? ''),
  };
}

/** The trail of bytes that never became a request. */
export function openRawTrail(peer: string, clock: Clock): Trail {
  return {
    ...blank,
    touches: [],
    answerHeaders: {},
    params: {},
    requestId: newId(),
    receivedAt: clock.now(),
    startedMs: performance.now(),
    peer,
    method: '',
    userAgent: '',
    cookies: new Cookies(undefined),
  };
}
