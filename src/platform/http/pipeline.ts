import { STATUS_CODES, type IncomingMessage, type ServerResponse } from 'node:http';
import { Readable, type Duplex } from 'node:stream';
import { setImmediate as turnOfTheLoop } from 'node:timers/promises';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { type AuditSink } from '../access/audit-sink.js';
import type { EndpointOptions } from '../access/endpoint.js';
import { attachTrail, trailOf, type Trail } from '../access/trail.js';
import type { Clock } from '../clock.js';
import type { Logger } from '../logging/logger.js';
import type { Metrics } from '../metrics/metrics.js';
import { SECURITY_HEADERS } from './headers.js';
import { writeProblem } from './dialect.js';
import { checkJsonShape } from './json-limits.js';
import { metered, type Ending } from './metered.js';
import { Problem, unavailable } from './problem.js';
import { isByUnnamedProxy } from './proxies.js';
import { toProblem } from './problem.filter.js';
import type { Uploads } from './uploads.js';
import { openRawTrail, openTrail } from './request-trail.js';

const auditAway = (): Problem =>
  unavailable(
    'audit.unavailable',
    'The audit trail cannot be written right now, so nothing is answered. Try again shortly.',
  );

/** What Node's HTTP parser refuses before there is a request, by error code. */
const PARSER: Record<string, Problem> = {
  HPE_HEADER_OVERFLOW: new Problem(431, 'http.headers-too-large', 'The headers are too large.'),
  ERR_HTTP_REQUEST_TIMEOUT: new Problem(408, 'http.timeout', 'The request took too long to arrive.'),
};
const EMPTY = new Problem(400, 'http.empty-body', 'Send a JSON body, or leave Content-Type out where none is needed.');
const MALFORMED = new Problem(400, 'http.malformed-json', 'The body is not valid JSON.');
const REPEATED = new Problem(400, 'http.repeated-parameter', 'Send each parameter of the form once.');
const ENCODED = new Problem(415, 'http.content-encoding', 'Send the body as it is, without a Content-Encoding.', {
  headers: { 'accept-encoding': 'identity' },
});
const FORM = 'application/x-www-form-urlencoded';
const GARBAGE = new Problem(400, 'http.malformed-request', 'This is not a well-formed HTTP request.');

/** How long the last word on a connection may take to be read. */
const LINGER_MS = 1_000;

const mediaTypeOf = (request: FastifyRequest): string =>
  (request.headers['content-type'] ?? '').split(';')[0]!.trim().toLowerCase();

const isEncoded = ({ headers }: FastifyRequest): boolean =>
  !['', 'identity'].includes((headers['content-encoding'] ?? '').trim().toLowerCase());

function mediaTypeRefused(request: FastifyRequest): Problem {
  const { endpoint, dialect } = trailOf(request);
  const wanted = endpoint?.consumes?.join(' or ') ?? dialect?.mediaType ?? 'application/json';
  return new Problem(415, 'http.media-type', `Send the body as ${wanted}.`);
}

/** The media type of a dialect is JSON: the one parser of JSON reads it, with all its checks. */
function readAsJson(request: FastifyRequest): void {
  const { dialect } = trailOf(request);
  if (dialect && mediaTypeOf(request) === dialect.mediaType) request.headers['content-type'] = 'application/json';
}

/**
 * The request's way in and out, outside Nest: opens the trail, and lets no byte of an answer leave before an event tells
 * of it. What handlers answered is settled by then; here come all the answers that no guard or interceptor sees.
 */
export class RequestPipeline {
  private hasWarnedOfProxy = false;
  /** Events on their way that no answer waits for any more. */
  private readonly underWay = new Set<Promise<void>>();
  /** Requests that came and whose connection has neither taken the whole answer nor ended. */
  private open = 0;

  constructor(
    private readonly sink: AuditSink,
    private readonly clock: Clock,
    private readonly logger: Logger,
    private readonly publicUrl: string,
    private readonly metrics: Metrics,
    private readonly uploads: Uploads,
  ) {}

  install(fastify: FastifyInstance): void {
    fastify.addHook('onRequest', (request, reply, done) => {
      attachTrail(request, openTrail(request, this.clock));
      this.open++;
      reply.raw.once('close', () => this.open--);
      if (!this.sink.takesRequests && !trailOf(request).endpoint?.unaudited) return done(auditAway());
      if (!request.headers.host) return done(new Problem(400, 'http.host-missing', 'The Host header is missing.'));
      // What is packed would be taken for what is in it (RFC 9110, 15.5.16), and nothing is unpacked that could be a bomb.
      if (isEncoded(request)) return done(ENCODED);
      this.lookForProxy(request);
      readAsJson(request);
      done();
    });
    fastify.addHook('onRoute', (route) => {
      const { endpoint } = (route.config ?? {}) as { endpoint?: EndpointOptions };
      if (endpoint?.dialect?.bodyLimit !== undefined) route.bodyLimit = endpoint.dialect.bodyLimit;
    });
    fastify.addHook('onSend', async (request, reply, payload) => this.send(request, reply, payload));
    fastify.addHook('onRequestAbort', async (request) => this.aborted(trailOf(request)));
    fastify.addHook('onResponse', async (request, reply) => this.log(trailOf(request), reply.statusCode));
    this.installParsers(fastify);
  }

  /**
   * Until the last event is stored, once the server has closed: it says so when its last connection is being destroyed, and
   * that connection's request hears of it a turn or two of the loop later. (Fastify's hook `onClose` runs before all that.)
   */
  async settled(): Promise<void> {
    do {
      await turnOfTheLoop();
      await Promise.allSettled(this.underWay);
    } while (this.open > 0 || this.underWay.size > 0);
  }

  /** Fastify's refusals before routing (bad percent-encoding, over-long parameters): no hook sees them. */
  readonly frameworkError = (error: Error, request: FastifyRequest, reply: FastifyReply): void => {
    const problem = toProblem(error);
    const trail = openTrail(request, this.clock);
    void this.settleNew(trail, problem.status, problem.code).then(
      () => this.write(reply.raw, problem, trail),
      () => this.write(reply.raw, auditAway(), trail),
    );
  };

  /** Bytes that never became a request. There is no one to answer when the connection is just gone. */
  readonly clientError = (error: NodeJS.ErrnoException, socket: Duplex): void => {
    // Node looks once a request, and leaves what is to become of it to this handler.
    if (error.code === 'ERR_HTTP_REQUEST_TIMEOUT' && this.uploads.isUnderWay(socket)) return;
    if (error.code === 'ECONNRESET' || !socket.writable) return void socket.destroy();
    const problem = PARSER[error.code ?? ''] ?? GARBAGE;
    const trail = openRawTrail((socket as { remoteAddress?: string }).remoteAddress ?? '', this.clock);
    void this.settleNew(trail, problem.status, problem.code).then(
      () => this.end(socket, problem, trail),
      () => this.end(socket, auditAway(), trail),
    );
  };

  /** `Expect:` other than 100-continue. */
  readonly expectation = (request: IncomingMessage, response: ServerResponse): void => {
    const problem = new Problem(417, 'http.expectation', 'Only Expect: 100-continue is met.');
    const trail = { ...openRawTrail(request.socket.remoteAddress ?? '', this.clock), method: request.method ?? '' };
    void this.settleNew(trail, problem.status, problem.code).then(
      () => this.write(response, problem, trail),
      () => this.write(response, auditAway(), trail),
    );
  };

  /** Once: behind such a proxy all clients are one network to throttling, and one address in the audit trail. */
  private lookForProxy(request: FastifyRequest): void {
    if (this.hasWarnedOfProxy || !isByUnnamedProxy(request)) return;
    this.hasWarnedOfProxy = true;
    this.logger.warn('a proxy on this machine forwards requests, but TRUSTED_PROXIES does not name it', {
      address: request.ip,
    });
  }

  private async send(request: FastifyRequest, reply: FastifyReply, payload: unknown): Promise<unknown> {
    const trail = trailOf(request);
    for (const [name, value] of Object.entries(SECURITY_HEADERS))
      if (!reply.hasHeader(name)) void reply.header(name, value);
    void reply.headers({ ...trail.answerHeaders, 'x-request-id': trail.requestId });
    if (trail.settled && trail.endpoint?.streams && payload instanceof Readable)
      return this.stream(request, trail, reply.statusCode, payload);
    if (trail.settled || trail.endpoint?.unaudited || trail.code === 'audit.unavailable') return payload;
    try {
      await this.settle(trail, reply.statusCode, trail.code);
      return payload;
    } catch (error) {
      this.logger.error('an answer was withheld: its event could not be stored', error, { requestId: trail.requestId });
      const problem = auditAway();
      trail.code = problem.code;
      const { type, body } = writeProblem(problem, trail, this.publicUrl);
      for (const name of Object.keys(reply.getHeaders()))
        if (!(name in SECURITY_HEADERS) && name !== 'x-request-id') void reply.removeHeader(name);
      void reply.status(503).headers({
        ...SECURITY_HEADERS,
        'retry-after': '2',
        'content-type': type,
        'content-length': Buffer.byteLength(body),
      });
      return body;
    }
  }

  /** The answer's own event is durable; the stream's end gets one too, whole or broken off. */
  private stream(request: FastifyRequest, trail: Trail, status: number, source: Readable): unknown {
    if (request.method === 'HEAD') {
      // Fastify would read it all, for nobody. A stream all the same: of a text it would say the length, which is none.
      source.destroy();
      return Readable.from([]);
    }
    trail.streaming = true;
    return metered(source, (ending) => this.ended(trail, status, ending));
  }

  private async ended(trail: Trail, asked: number, { bytes, isWhole, error }: Ending): Promise<void> {
    const { requestId } = trail;
    if (isWhole) return this.settle(trail, asked, null, bytes);
    if (error) this.logger.error('a streamed answer was broken off', error, { requestId, route: trail.route });
    const [status, code] = error ? [500, 'http.internal'] : [499, 'http.client-gone'];
    await this.settle(trail, status, code, bytes).catch((failure: unknown) =>
      this.logger.error('the end of a streamed answer could not be told', failure, { requestId }),
    );
  }

  /** For what never came to a handler. */
  private settleNew(trail: Trail, status: number, code: string): Promise<void> {
    return this.sink.takesRequests ? this.settle(trail, status, code) : Promise.reject(auditAway());
  }

  private async settle(trail: Trail, status: number, code: string | null, bytes?: number): Promise<void> {
    const recorded = this.sink.record(trail, { status, code, bytes });
    this.underWay.add(recorded);
    await recorded.finally(() => this.underWay.delete(recorded));
    trail.settled = true;
  }

  /** The client is gone; a handler may still be at work, and a write that commits leaves its own event. */
  private async aborted(trail: Trail): Promise<void> {
    if (trail.streaming) return;
    try {
      await this.settle(trail, 499, 'http.client-gone');
    } catch (error) {
      this.logger.error('the event of an aborted request could not be stored', error, { requestId: trail.requestId });
    }
  }

  private log(trail: Trail, status: number): void {
    const fields = {
      requestId: trail.requestId,
      method: trail.method,
      route: trail.route,
      status,
      ms: Math.round(performance.now() - trail.startedMs),
    };
    this.metrics.answered(trail, status);
    this.logger.info('answered', trail.code ? { ...fields, code: trail.code } : fields);
  }

  private write(response: ServerResponse, problem: Problem, trail: Trail): void {
    const { type, body } = writeProblem(problem, trail, this.publicUrl);
    if (response.headersSent || response.destroyed) return;
    response.writeHead(problem.status, {
      ...SECURITY_HEADERS,
      'content-type': type,
      'content-length': Buffer.byteLength(body),
      'x-request-id': trail.requestId,
      connection: 'close',
    });
    response.end(body);
    this.log({ ...trail, code: problem.code }, problem.status);
  }

  private end(socket: Duplex, problem: Problem, trail: Trail): void {
    if (!socket.writable) return void socket.destroy();
    const { type, body } = writeProblem(problem, trail, this.publicUrl);
    const headers = {
      ...SECURITY_HEADERS,
      'content-type': type,
      'content-length': String(Buffer.byteLength(body)),
      'x-request-id': trail.requestId,
      connection: 'close',
    };
    const lines = Object.entries(headers)
      .map(([name, value]) => `${name}: ${value}\r\n`)
      .join('');
    socket.end(`HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status]}\r\n${lines}\r\n${body}`);
    // Node looks after this connection no more, and its client may go on sending for ever.
    setTimeout(() => socket.destroy(), LINGER_MS).unref();
    this.log({ ...trail, code: problem.code }, problem.status);
  }

  /** JSON for all; other types only where the route declares that it consumes them, as an unread stream. Forms only where a dialect or the route itself reads them (CSRF). */
  private installParsers(fastify: FastifyInstance): void {
    const parse = fastify.getDefaultJsonParser('error', 'error');
    fastify.removeAllContentTypeParsers();
    fastify.addContentTypeParser('application/json', { parseAs: 'string' }, (request, body, done) => {
      const { dialect } = trailOf(request);
      // Some directories name a media type also where they send nothing.
      if (body === '' && dialect && request.method === 'DELETE') return done(null, undefined);
      if (body === '') return done(EMPTY);
      try {
        checkJsonShape(body as string, dialect?.maxValues);
      } catch (error) {
        return done(error as Error);
      }
      // The parser's own error quotes the body.
      void parse(request, body as string, (error, value) => (error ? done(MALFORMED) : done(null, value)));
    });
    fastify.addContentTypeParser(FORM, { parseAs: 'string' }, (request, body, done) => {
      const { dialect, endpoint } = trailOf(request);
      if (!dialect?.readsForms && !endpoint?.consumes?.includes(FORM)) return done(mediaTypeRefused(request));
      const pairs = [...new URLSearchParams(body as string)];
      const isOnceEach = new Set(pairs.map(([name]) => name)).size === pairs.length;
      return isOnceEach ? done(null, Object.fromEntries(pairs)) : done(REPEATED);
    });
    fastify.addContentTypeParser('*', (request, payload, done) => {
      if (trailOf(request).endpoint?.consumes?.includes(mediaTypeOf(request))) return done(null, payload);
      done(mediaTypeRefused(request));
    });
  }
}
