import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import type { Db } from '../database/db.js';
import type { DomainEvent } from '../events/events.js';
import type { Cookies, Transport } from '../http/cookies.js';
import { Problem, notFound } from '../http/problem.js';
import { may } from './ability.js';
import type { Actor } from './actor.js';
import { trailOf, type Touch } from './trail.js';
import type { Action, SubjectName, Subjects } from './vocabulary.js';

/** Where the request came from; empty texts for work that no request carries. */
interface Client {
  readonly address: string;
  readonly userAgent: string;
  /** How it asks to carry a session. */
  readonly transport: Transport;
  /** The address is a proxy's on this machine that nobody trusts: whose request it is, is not known. */
  readonly isByUnnamedProxy: boolean;
}

/**
 * What a request carries by hand: first parameter of every service and repository method, so that reading without an
 * actor does not compile. Lives as long as its handler.
 */
export interface Ctx {
  /** Who acts; null only on routes declared public. */
  readonly actor: Actor | null;
  readonly db: Db;
  readonly requestId: string;
  readonly now: Date;
  readonly client: Client;
  /** Cookies that came, and those that leave with a success. */
  readonly cookies: Cookies;
  /** Notes for the audit trail that this data is part of the answer or was changed. */
  touch(touch: Touch): void;
  /** Tells the audit trail whom a public route has recognised, also when it refuses them afterwards. */
  identify(who: { accountId: string; sessionId?: string }): void;
  /** Sets a header of the answer, whether it is a success or a refusal. */
  answerHeader(name: string, value: string): void;
  /** Runs the listeners of the event now, inside the transaction. */
  emit(event: DomainEvent): Promise<void>;
  /** Runs after COMMIT; never when the transaction rolls back. */
  afterCommit(action: () => void): void;
}

export interface SignedIn extends Ctx {
  readonly actor: Actor;
}

/** The context of a route that needs a signed-in caller. */
export const ReqCtx = createParamDecorator((_: unknown, context: ExecutionContext): Ctx => {
  const ctx = trailOf(context.switchToHttp().getRequest()).ctx;
  if (!ctx) throw new Error('a handler ran without its unit of work');
  return ctx;
});

/**
 * The third check, on the instance. What the actor may not see answers exactly as what does not exist (404, same bytes);
 * what they may see but not change answers 403.
 */
export function authorize<S extends SubjectName>(ctx: SignedIn, action: Action, subject: S, thing: Subjects[S]): void {
  if (may(ctx.actor.ability, action, subject, thing)) return;
  if (action !== 'read' && may(ctx.actor.ability, 'read', subject, thing)) {
    throw new Problem(403, 'access.forbidden', 'You may see this but not do that to it.');
  }
  throw notFound();
}
