import { Injectable } from '@nestjs/common';
import { newId } from '../ids.js';
import { Clock } from '../clock.js';
import { Database } from '../database/database.js';
import type { Db } from '../database/db.js';
import { Events } from '../events/events.js';
import { Cookies } from '../http/cookies.js';
import { AuditSink, type SystemFact } from './audit-sink.js';
import type { Ctx } from './context.js';

/** The context of work that no request carries and nobody signed in does: run `afterCommit` after the commit. */
export function ctxOfNobody(db: Db, now: Date, events: Events, afterCommit: (() => void)[]): Ctx {
  const ctx: Ctx = {
    actor: null,
    db,
    requestId: newId(),
    now,
    client: { address: '', userAgent: '', transport: 'bearer', isByUnnamedProxy: false },
    cookies: new Cookies(undefined),
    touch: () => undefined,
    identify: () => undefined,
    answerHeader: () => undefined,
    emit: (event) => events.emit(ctx, event),
    afterCommit: (action) => void afterCommit.push(action),
  };
  return ctx;
}

/** One transaction of work that nobody asked for and the server does by itself, such as what is due at its time. */
export async function workOfNobody<T>(
  { database, events, now }: { database: Database; events: Events; now: Date },
  work: (ctx: Ctx) => Promise<T>,
): Promise<T> {
  const afterCommit: (() => void)[] = [];
  const result = await database.write(null, (db) => work(ctxOfNobody(db, now, events, afterCommit)));
  for (const action of afterCommit) action();
  return result;
}

/**
 * Work of the person at the server's console, whom no account stands for: one transaction, with its audit event inside.
 * Only commands that must come before the first account belong here; everything else goes through the API.
 */
@Injectable()
export class Operator {
  constructor(
    private readonly database: Database,
    private readonly sink: AuditSink,
    private readonly events: Events,
    private readonly clock: Clock,
  ) {}

  run<T>(work: (ctx: Ctx) => Promise<T>, fact: (result: T) => Omit<SystemFact, 'at' | 'sessionId'>): Promise<T> {
    const { database, events } = this;
    return workOfNobody({ database, events, now: this.clock.now() }, async (ctx) => {
      const done = await work(ctx);
      await this.sink.system(ctx.db, { ...fact(done), at: ctx.now, sessionId: null });
      return done;
    });
  }
}
