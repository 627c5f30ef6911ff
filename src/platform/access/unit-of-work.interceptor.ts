import {
  Injectable,
  StreamableFile,
  type CallHandler,
  type ExecutionContext,
  type NestInterceptor,
} from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { from, lastValueFrom, type Observable } from 'rxjs';
import { Clock } from '../clock.js';
import { Database, type OpenRead, type OpenWrite } from '../database/database.js';
import { isAnswerLost } from '../database/database-errors.js';
import { Events } from '../events/events.js';
import { Idempotency } from '../http/idempotency.js';
import { etagOf } from '../http/if-match.js';
import { refuseUnexpectedQuery } from '../http/unexpected-query.js';
import { unavailable, type Problem } from '../http/problem.js';
import { Uploads } from '../http/uploads.js';
import { pageToJson, toJson, type Page } from '../http/presenter.js';
import { AuditSink, type Receipt } from './audit-sink.js';
import type { Ctx } from './context.js';
import { endpointOf, type EndpointOptions } from './endpoint.js';
import { trailOf, type Trail } from './trail.js';
import { isByUnnamedProxy } from '../http/proxies.js';
import { transportAsked } from '../http/transport.js';

const isWrite = (endpoint: EndpointOptions, method: string): boolean =>
  (endpoint.work ?? (method === 'GET' || method === 'HEAD' ? 'read' : 'write')) === 'write';

const outcomeUnknown = (): Problem =>
  unavailable(
    'http.outcome-unknown',
    'The database went away while this was being stored: whether it was done is unknown. Send it again with the same Idempotency-Key, or look first.',
  );

/** What leaves the server, as text: only declared fields. Built before the event, so that nothing can fail after it. */
function present(endpoint: EndpointOptions, result: unknown, request: FastifyRequest, reply: FastifyReply): unknown {
  if (endpoint.produces) return result;
  if (endpoint.response === null) return undefined;
  void reply.header('content-type', `${endpoint.dialect?.mediaType ?? 'application/json'}; charset=utf-8`);
  if (!endpoint.paged) {
    const { id, version } = result as { id?: string; version?: unknown };
    if (endpoint.location && id) void reply.header('location', endpoint.location.replace(':id', id));
    if (typeof version === 'number') void reply.header('etag', etagOf(version));
    return toJson(endpoint.response, result as object);
  }
  const page = result as Page<object>;
  if (page.next !== null) {
    const url = new URL(request.url, 'http://portal.invalid');
    url.searchParams.set('cursor', page.next);
    void reply.header('link', `<${url.pathname}${url.search}>; rel="next"`);
  }
  return pageToJson(endpoint.response, page);
}

/** Not before the work is committed and its event durable: a refused sign-in plants nothing. */
function leaveCookies(trail: Trail, reply: FastifyReply): void {
  const lines = trail.cookies.lines();
  if (lines.length > 0) void reply.header('set-cookie', lines);
}

/**
 * One unit of work a request, outermost. Opens the transaction (writes) or a read context, lets the handler work, maps the
 * answer, makes the audit event durable; only then does the answer go on. A write's event is in the write's transaction:
 * a crash before COMMIT leaves neither, a crash after it leaves both.
 */
@Injectable()
export class UnitOfWorkInterceptor implements NestInterceptor {
  constructor(
    private readonly database: Database,
    private readonly sink: AuditSink,
    private readonly events: Events,
    private readonly clock: Clock,
    private readonly idempotency: Idempotency,
    private readonly uploads: Uploads,
  ) {}

  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    refuseUnexpectedQuery(context);
    const http = context.switchToHttp();
    const request = http.getRequest<FastifyRequest>();
    const endpoint = endpointOf(context.getHandler())!;
    const reply = http.getResponse<FastifyReply>();
    const work = () =>
      lastValueFrom(next.handle(), { defaultValue: undefined }).then((result: unknown) =>
        present(endpoint, result, request, reply),
      );
    const trail = trailOf(request);
    if (endpoint.uploads && trail.actor) this.uploads.admit(request, reply);
    const once = () => this.idempotency.once(trail, request, reply, work);
    const answer = isWrite(endpoint, request.method)
      ? this.write(trail, request, reply, once)
      : this.read(trail, request, reply, work);
    return from(answer.then((body) => (leaveCookies(trail, reply), body)));
  }

  private async read(
    trail: Trail,
    request: FastifyRequest,
    reply: FastifyReply,
    work: () => Promise<unknown>,
  ): Promise<unknown> {
    const db: OpenRead = this.database.openRead(trail.actor?.id ?? null);
    this.begin(trail, request, db, []);
    let body: unknown;
    try {
      body = await work();
    } finally {
      await db.release();
    }
    if (trail.endpoint?.unaudited) return body;
    try {
      await this.sink.record(trail, { status: reply.statusCode, code: null });
    } catch (error) {
      // Nobody will read it: it must not wait for a reader.
      if (body instanceof StreamableFile) body.getStream().destroy();
      throw error;
    }
    trail.settled = true;
    return body;
  }

  private async write(
    trail: Trail,
    request: FastifyRequest,
    reply: FastifyReply,
    work: () => Promise<unknown>,
  ): Promise<unknown> {
    const db: OpenWrite = this.database.openWrite(trail.actor?.id ?? null);
    const afterCommit: (() => void)[] = [];
    this.begin(trail, request, db, afterCommit);
    try {
      const body = await work();
      const receipt = await this.sink.within(db, trail, { status: reply.statusCode, code: trail.code });
      await db.commit().catch((error: unknown) => this.commitUnanswered(error, receipt, trail));
      trail.settled = true;
      for (const action of afterCommit) action();
      return body;
    } catch (error) {
      await db.rollback();
      // What was touched was not changed after all; the refusal's own event follows from the hook.
      trail.touches.length = 0;
      throw error;
    } finally {
      await db.release();
    }
  }

  /** Somebody who is told that a write failed does it again: first ask whether it did. Resolves when it was committed after all. */
  private async commitUnanswered(error: unknown, receipt: Receipt, trail: Trail): Promise<void> {
    if (!isAnswerLost(error)) throw error;
    const wasCommitted = await this.sink.wasCommitted(receipt, trail);
    if (wasCommitted === null) throw outcomeUnknown();
    if (!wasCommitted) throw unavailable();
  }

  private begin(trail: Trail, request: FastifyRequest, db: OpenRead, afterCommit: (() => void)[]): void {
    const { events } = this;
    const ctx: Ctx = {
      actor: trail.actor,
      db,
      requestId: trail.requestId,
      now: this.clock.now(),
      client: {
        address: trail.peer,
        userAgent: trail.userAgent,
        transport: transportAsked(request),
        isByUnnamedProxy: isByUnnamedProxy(request),
      },
      cookies: trail.cookies,
      touch: (touch) => void trail.touches.push(touch),
      identify: ({ accountId, sessionId }) => {
        trail.accountId = accountId;
        trail.sessionId = sessionId ?? trail.sessionId;
      },
      answerHeader: (name, value) => void (trail.answerHeaders[name] = value),
      emit: (event) => events.emit(ctx, event),
      afterCommit: (action) => void afterCommit.push(action),
    };
    trail.ctx = ctx;
  }
}
