import { Inject, Injectable, type CanActivate, type ExecutionContext } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { trailOf } from '../../../platform/access/trail.js';
import { CONFIG, type Config } from '../../../platform/config/config.js';
import { equalSecret, hmac, KeyRing } from '../../../platform/crypto/index.js';
import { isCrossSite, isSafe, transportAsked } from '../../../platform/http/transport.js';
import { forged } from '../auth.errors.js';

const LABEL = 'auth/csrf';
const HEAD = 'portico/csrf/1\0';

/**
 * The token by which a page shows that it is the portal's own (OWASP: HMAC token bound to the session): computed from the
 * session's id under a sub-key, so nothing is stored and another session's token is worth nothing.
 */
@Injectable()
export class CsrfTokens {
  constructor(private readonly ring: KeyRing) {}

  of(sessionId: string): string {
    return hmac(this.ring.subkey(LABEL), HEAD, sessionId).toString('base64url');
  }

  /** In constant time, and under former mac keys too. */
  matches(given: unknown, sessionId: string): boolean {
    if (typeof given !== 'string') return false;
    return this.ring
      .subkeys(LABEL)
      .map((key) => equalSecret(given, hmac(key, HEAD, sessionId).toString('base64url')))
      .some(Boolean);
  }
}

/**
 * Cookies go with whatever page makes a browser send them. So what changes something and comes with cookies, or asks for
 * them, must not come from another site; and in a session it must show the session's token. Runs after {@link JwtGuard}.
 */
@Injectable()
export class CsrfGuard implements CanActivate {
  constructor(
    private readonly tokens: CsrfTokens,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  canActivate(context: ExecutionContext): boolean {
    const request = context.switchToHttp().getRequest<FastifyRequest>();
    if (isSafe(request.method)) return true;
    const { carrier, cookies, actor } = trailOf(request);
    const isByCookie = carrier === 'cookie' || (carrier === null && cookies.get('refresh') !== null);
    if ((isByCookie || transportAsked(request) === 'cookie') && isCrossSite(request, this.config.http.publicUrl)) {
      throw forged();
    }
    if (carrier !== 'cookie' || !actor) return true;
    if (!this.tokens.matches(request.headers['x-csrf-token'], actor.sessionId)) throw forged();
    return true;
  }
}
