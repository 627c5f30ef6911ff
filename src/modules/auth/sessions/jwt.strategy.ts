import { Inject, Injectable } from '@nestjs/common';
import { PassportStrategy } from '@nestjs/passport';
import type { FastifyRequest } from 'fastify';
import passport from 'passport';
import passportJwt from 'passport-jwt';
import { validate as isUuid } from 'uuid';
import { trailOf } from '../../../platform/access/trail.js';
import { Clock } from '../../../platform/clock.js';
import { CONFIG, type Config } from '../../../platform/config/config.js';
import { KeyRing } from '../../../platform/crypto/index.js';
import type { Transport } from '../../../platform/http/cookies.js';
import { ALGORITHM, AUDIENCE, TOKEN_TYPE, type AccessClaims } from './access-tokens.js';

/** Ours have about 500 characters. */
const MAX_LENGTH = 1_024;

const shaped = (token: string): string =>
  token.length <= MAX_LENGTH && /^[\w-]+\.[\w-]+\.[\w-]+$/.test(token) ? token : '';

/** The text after `Bearer`; null when no bearer token was sent at all, '' when it is none that could be ours. */
export function bearerOf(authorization: string | undefined): string | null {
  const sent = /^bearer(?: +(.*))?$/i.exec(authorization ?? '');
  return sent ? shaped(sent[1] ?? '') : null;
}

export interface Credential {
  token: string;
  carrier: Transport;
}

/** The access token of a request and what carried it. With an Authorization header of any kind, cookies are not looked at. */
export function credentialOf(request: FastifyRequest): Credential | null {
  const { authorization } = request.headers;
  const carrier = authorization === undefined ? 'cookie' : 'bearer';
  const token = carrier === 'bearer' ? bearerOf(authorization) : trailOf(request).cookies.get('access');
  return token === null ? null : { token: carrier === 'bearer' ? token : shaped(token), carrier };
}

/**
 * The key of a token whose header is exactly ours, else null. A header with anything more (`jku`, `jwk`, `crit`) is not
 * ours, and a signature that is not written in its one canonical form would be a second token for the same claims.
 */
export function keyIdOf(token: string): string | null {
  const [head = '', , signature = ''] = token.split('.');
  if (Buffer.from(signature, 'base64url').toString('base64url') !== signature) return null;
  try {
    const header = JSON.parse(Buffer.from(head, 'base64url').toString()) as Record<string, unknown>;
    const isOurs = header.alg === ALGORITHM && header.typ === TOKEN_TYPE && typeof header.kid === 'string';
    return isOurs && Object.keys(header).length === 3 ? (header.kid as string) : null;
  } catch {
    return null;
  }
}

/** The claims that everything behind relies on, or null; issuer, audience and time are checked already. */
export function claimsOf(payload: Record<string, unknown>): AccessClaims | null {
  const { sub, sid, gen, jti, iat, exp, cnf } = payload;
  const certificate = cnf === undefined ? null : (cnf as Record<string, unknown> | null)?.['x5t#S256'];
  if (!isUuid(sub) || !isUuid(sid) || !isUuid(jti)) return null;
  if (![gen, iat, exp].every(Number.isInteger)) return null;
  // A binding that is not understood is not met.
  if (certificate !== null && (typeof certificate !== 'string' || certificate === '')) return null;
  return {
    sub: sub as string,
    sid: sid as string,
    jti: jti as string,
    exp: exp as number,
    generation: gen as number,
    certificate,
  };
}

const CLAIMS = new Set(['iss', 'aud', 'sub', 'sid', 'gen', 'jti', 'iat', 'exp', 'cnf']);

/** What verification itself does not ask: no claim that we never make, one audience, and no longer life than we give. */
export function isOfOurMaking(payload: Record<string, unknown>, longestSeconds: number): boolean {
  const { aud, iat, exp } = payload as { aud: unknown; iat: number; exp: number };
  const isTimely = exp >= iat && exp - iat <= longestSeconds;
  return isTimely && aud === AUDIENCE && Object.keys(payload).every((claim) => CLAIMS.has(claim));
}

let strategies = 0;

/** Verifies access tokens: algorithm, key, type, issuer, audience and time are pinned here, and nothing is taken from the token's word. */
@Injectable()
export class JwtStrategy extends PassportStrategy(passportJwt.Strategy) {
  private readonly longestSeconds: number;

  constructor(ring: KeyRing, clock: Clock, @Inject(CONFIG) config: Config) {
    super({
      jwtFromRequest: (request: unknown) => credentialOf(request as FastifyRequest)?.token ?? null,
      secretOrKeyProvider: (_request: unknown, token: string, done: (error: unknown, key?: never) => void) => {
        const key = ring.verificationKeys.get(keyIdOf(token) ?? '');
        if (key) done(null, key as never);
        else done(new Error('no key of ours'));
      },
      algorithms: [ALGORITHM],
      issuer: config.http.publicUrl,
      audience: AUDIENCE,
    });
    // passport-jwt hands these options to every verification: the time comes from the one clock of the portal.
    const options = (this as unknown as { _verifOpts: object })._verifOpts;
    Object.defineProperty(options, 'clockTimestamp', {
      enumerable: true,
      get: () => Math.floor(clock.now().getTime() / 1000),
    });
    this.longestSeconds = config.sessions.accessTokenSeconds;
  }

  /** Passport is one for the whole process: each portal in it registers its own strategy, with its own keys. */
  getPassportInstance(): typeof passport {
    const self = this as unknown as { name: string };
    self.name = `portico-jwt-${++strategies}`;
    return passport;
  }

  validate(payload: Record<string, unknown>): AccessClaims | false {
    const claims = claimsOf(payload);
    return claims !== null && isOfOurMaking(payload, this.longestSeconds) && claims;
  }
}
