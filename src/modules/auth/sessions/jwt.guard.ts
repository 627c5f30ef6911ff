import { Injectable, type ExecutionContext } from '@nestjs/common';
import { AuthGuard } from '@nestjs/passport';
import type { FastifyRequest } from 'fastify';
import { LRUCache } from 'lru-cache';
import { endpointOf } from '../../../platform/access/endpoint.js';
import { trailOf, type Trail } from '../../../platform/access/trail.js';
import { Clock } from '../../../platform/clock.js';
import { ClientCertificates } from '../../../platform/http/client-certificate.js';
import { scimTokenOf, ScimTokens } from '../clients/scim-tokens.service.js';
import type { AccessClaims } from './access-tokens.js';
import { credentialOf, JwtStrategy, type Credential } from './jwt.strategy.js';
import { LiveSessions } from './live-sessions.js';

const REMEMBERED = 10_000;
const SCIM_PREFIX = '/scim';

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
    private readonly scimTokens: ScimTokens,
    private readonly certificates: ClientCertificates,
    private readonly clock: Clock,
  ) {
    super({ defaultStrategy: (strategy as unknown as { name: string }).name });
  }

  override async canActivate(context: ExecutionContext): Promise<boolean> {
    const endpoint = endpointOf(context.getHandler());
    if (!endpoint || endpoint.access === 'public') return true;
    const request = context.switchToHttp().getRequest<FastifyRequest>();
    const scimToken = scimTokenOf(request.headers.authorization);
    if (scimToken !== null && endpoint.dialect?.prefix === SCIM_PREFIX) return this.byScimToken(scimToken, request);
    const credential = credentialOf(request);
    if (credential === null || isBesideTheRequest(credential, request)) return true;
    const trail = trailOf(request);
    trail.carrier = credential.carrier;
    const claims = await this.claimsIn(credential.token, trail, context);
    if (!claims) return true;
    if (claims.certificate !== null && claims.certificate !== this.certificates.of(request)) {
      noteProblem(trail, false);
      return true;
    }
    trail.accountId = claims.sub;
    trail.sessionId = claims.sid;
    const isBackground = endpoint.background === true || request.headers['x-portico-background'] === 'true';
    const found = await this.live.actorOf(claims, credential.carrier, isBackground);
    if (found === 'superseded') noteProblem(trail, true);
    else if (found === null) trail.credentialProblem = 'auth.session-ended';
    else trail.actor = found;
    return true;
  }

  /** A directory's bearer secret. On any other route it is a token like any that is not ours. */
  private async byScimToken(token: string, request: FastifyRequest): Promise<boolean> {
    const trail = trailOf(request);
    const { accountId, tokenId, actor, problem } = await this.scimTokens.show(token);
    trail.carrier = 'bearer';
    trail.accountId = accountId;
    trail.sessionId = tokenId;
    trail.actor = actor;
    trail.credentialProblem = problem;
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

/** Browsers send the cookies of a former session along; who shows the token of a sign-in under way speaks by that. */
const isBesideTheRequest = ({ carrier }: Credential, { body }: FastifyRequest): boolean =>
  carrier === 'cookie' && (body as { mfaToken?: unknown } | null | undefined)?.mfaToken !== undefined;

function noteProblem(trail: Trail, isExpired: boolean): void {
  trail.credentialProblem = isExpired ? 'auth.token-expired' : 'auth.token-invalid';
}
