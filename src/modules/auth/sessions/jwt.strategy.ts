import { Inject, Injectable } from '@nestjs/common';
import { PassportStrategy } from '@nestjs/passport';
import type { FastifyRequest } from 'fastify';
import passport from 'passport';
import passportJwt from 'passport-jwt';
import { validate as isUuid } from 'uuid';
import { Clock } from '../../../platform/clock.js';
import { CONFIG, type Config } from '../../../platform/config/config.js';
import { KeyRing } from '../../../platform/crypto/index.js';
import { ALGORITHM, AUDIENCE, TOKEN_TYPE, type AccessClaims } from './access-tokens.js';

/** Ours have about 500 characters. */
const MAX_LENGTH = 1_024;

/** The text after `Bearer`; null when no bearer token was sent at all, '' when it is none that could be ours. */
export function bearerOf(authorization: string | undefined): string | null {
  const sent = /^bearer(?: +(.*))?$/i.exec(authorization ?? '');
  if (!sent) return null;
  const token = sent[1] ?? '';
  return token.length <= MAX_LENGTH && /^[\w-]+\.[\w-]+\.[\w-]+$/.test(token) ? token : '';
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
  const { sub, sid, jti, iat, exp } = payload;
  if (!isUuid(sub) || !isUuid(sid) || !isUuid(jti)) return null;
  if (!Number.isInteger(iat) || !Number.isInteger(exp)) return null;
  return { sub: sub as string, sid: sid as string, jti: jti as string, exp: exp as number };
}

let strategies = 0;

/** Verifies access tokens: algorithm, key, type, issuer, audience and time are pinned here, and nothing is taken from the token's word. */
@Injectable()
export class JwtStrategy extends PassportStrategy(passportJwt.Strategy) {
  constructor(ring: KeyRing, clock: Clock, @Inject(CONFIG) config: Config) {
    super({
      jwtFromRequest: (request) => bearerOf((request as unknown as FastifyRequest).headers.authorization),
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
  }

  /** Passport is one for the whole process: each portal in it registers its own strategy, with its own keys. */
  getPassportInstance(): typeof passport {
    const self = this as unknown as { name: string };
    self.name = `portico-jwt-${++strategies}`;
    return passport;
  }

  validate(payload: Record<string, unknown>): AccessClaims | false {
    return claimsOf(payload) ?? false;
  }
}
