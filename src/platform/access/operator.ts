import { Injectable } from '@nestjs/common';
import { newId } from '../ids.js';
import { Clock } from '../clock.js';
import { Database } from '../database/database.js';
import { Events } from '../events/events.js';
import { AuditSink, type SystemFact } from './audit-sink.js';
import type { Ctx } from './context.js';

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

  async run<T>(work: (ctx: Ctx) => Promise<T>, fact: (result: T) => Omit<SystemFact, 'at' | 'sessionId'>): Promise<T> {
    const afterCommit: (() => void)[] = [];
    const result = await this.database.write(null, async (db) => {
      const ctx: Ctx = {
        actor: null,
        db,
        requestId: newId(),
        now: this.clock.now(),
        client: { address: '', userAgent: '' },
        touch: () => undefined,
        identify: () => undefined,
        emit: (event) => this.events.emit(ctx, event),
        afterCommit: (action) => void afterCommit.push(action),
      };
      const done = await work(ctx);
      await this.sink.system(db, { ...fact(done), at: ctx.now, sessionId: null });
      return done;
    });
    for (const action of afterCommit) action();
    return result;
  }
}
