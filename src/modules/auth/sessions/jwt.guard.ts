import { Injectable, type ExecutionContext } from '@nestjs/common';
import { AuthGuard } from '@nestjs/passport';
import type { FastifyRequest } from 'fastify';
import { LRUCache } from 'lru-cache';
import { endpointOf } from '../../../platform/access/endpoint.js';
import { trailOf, type Trail } from '../../../platform/access/trail.js';
import { Clock } from '../../../platform/clock.js';
import type { AccessClaims } from './access-tokens.js';
import { bearerOf, JwtStrategy } from './jwt.strategy.js';
import { LiveSessions } from './live-sessions.js';

const REMEMBERED = 10_000;

/**
 * Who: finds out whom a request speaks for, from its access token and the live session behind it, and notes it in the trail.
 * Never refuses, that is the door guard's; it throws only 503, when the live session cannot be asked.
 */
@Injectable()
export class JwtGuard extends AuthGuard() {
  /** Verified tokens by their text, until they expire: the signature costs more than the rest of a read. */
  private readonly verified = new LRUCache<string, AccessClaims>({ max: REMEMBERED });

  constructor(
    strategy: JwtStrategy,
    private readonly live: LiveSessions,
    private readonly clock: Clock,
  ) {
    super({ defaultStrategy: (strategy as unknown as { name: string }).name });
  }

  override async canActivate(context: ExecutionContext): Promise<boolean> {
    const endpoint = endpointOf(context.getHandler());
    if (!endpoint || endpoint.access === 'public') return true;
    const request = context.switchToHttp().getRequest<FastifyRequest>();
    const token = bearerOf(request.headers.authorization);
    if (token === null) return true;
    const trail = trailOf(request);
    const claims = await this.claimsIn(token, trail, context);
    if (!claims) return true;
    trail.accountId = claims.sub;
    trail.sessionId = claims.sid;
    const isBackground = endpoint.background === true || request.headers['x-portico-background'] === 'true';
    trail.actor = await this.live.actorOf(claims, isBackground);
    if (!trail.actor) trail.credentialProblem = 'auth.session-ended';
    return true;
  }

  /** Called by passport's guard in {@link canActivate}; null instead of an exception, because the door guard refuses. */
  override handleRequest<User>(error: unknown, user: User | false, info: unknown, context: ExecutionContext): User {
    if (error) throw error as Error;
    if (user) return user;
    const isExpired = info instanceof Error && info.name === 'TokenExpiredError';
    noteProblem(trailOf(context.switchToHttp().getRequest()), isExpired);
    return null as User;
  }

  private async claimsIn(token: string, trail: Trail, context: ExecutionContext): Promise<AccessClaims | null> {
    const remembered = this.verified.get(token);
    if (remembered && remembered.exp * 1000 > this.clock.now().getTime()) return remembered;
    if (remembered) {
      this.verified.delete(token);
      noteProblem(trail, true);
      return null;
    }
    if (token === '') {
      noteProblem(trail, false);
      return null;
    }
    await super.canActivate(context);
    const claims = context.switchToHttp().getRequest<{ user: AccessClaims | null }>().user;
    if (claims) this.verified.set(token, claims);
    return claims;
  }
}

function noteProblem(trail: Trail, isExpired: boolean): void {
  trail.credentialProblem = isExpired ? 'auth.token-expired' : 'auth.token-invalid';
}
