import type { NestFastifyApplication } from '@nestjs/platform-fastify';

const TAKEN = [
  'authorization',
  'content-type',
  'idempotency-key',
  'if-match',
  'if-range',
  'range',
  'traceparent',
  'x-portico-background',
  'x-request-id',
];
const SHOWN = [
  ...['accept-ranges', 'content-disposition', 'content-range', 'etag', 'idempotency-replayed', 'link', 'location'],
  ...['retry-after', 'www-authenticate', 'x-request-id'],
];

/**
 * Lets the pages of these origins read answers, with bearer tokens only: without Access-Control-Allow-Credentials no browser
 * sends them cookies of ours. Every other origin, and every one by default, gets what a path that is not there gets.
 */
export function openTo(app: NestFastifyApplication, origins: readonly string[]): void {
  if (origins.length === 0) return;
  app.enableCors({
    // After the trail is open, so that a preflight leaves its event like everything else.
    hook: 'preParsing',
    strictPreflight: false,
    origin: (origin: string | undefined, done: (error: null, allowed: string | false) => void) =>
      done(null, origin !== undefined && origins.includes(origin) ? origin : false),
    methods: ['GET', 'HEAD', 'POST', 'PATCH', 'PUT', 'DELETE'],
    allowedHeaders: TAKEN,
    exposedHeaders: SHOWN,
    credentials: false,
    maxAge: 600,
  });
}
