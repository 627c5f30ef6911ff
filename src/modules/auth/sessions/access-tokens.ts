import { Inject, Injectable } from '@nestjs/common';
import jwt from 'jsonwebtoken';
import { v4 as uuidv4 } from 'uuid';
import { CONFIG, type Config } from '../../../platform/config/config.js';
import { KeyRing } from '../../../platform/crypto/index.js';

export const AUDIENCE = 'portico';
/** RFC 9068 §2.1: says what kind of token it is, so that no other kind passes for it. */
export const TOKEN_TYPE = 'at+jwt';
export const ALGORITHM = 'ES256';

/** What an access token says. It carries an identity to the live session and grants nothing by itself. */
export interface AccessClaims {
  sub: string;
  sid: string;
  jti: string;
  /** Seconds since 1970. */
  exp: number;
  /** Which token of its session: those before a re-authentication count no longer. */
  generation: number;
  /** Thumbprint of the certificate that the token is bound to. */
  certificate: string | null;
}

/** Signs access tokens (ES256, five minutes by configuration, never longer than their session). */
@Injectable()
export class AccessTokens {
  constructor(
    private readonly ring: KeyRing,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  issue(
    session: { accountId: string; sessionId: string; expiresAt: Date; generation: number; certificate?: string | null },
    now: Date,
  ): { accessToken: string; expiresIn: number } {
    const iat = Math.floor(now.getTime() / 1000);
    const left = Math.floor(session.expiresAt.getTime() / 1000) - iat;
    const expiresIn = Math.max(0, Math.min(this.config.sessions.accessTokenSeconds, left));
    const { kid, privateKey } = this.ring.signingKey;
    const accessToken = jwt.sign(
      {
        iss: this.config.http.publicUrl,
        aud: AUDIENCE,
        sub: session.accountId,
        sid: session.sessionId,
        gen: session.generation,
        jti: uuidv4(),
        iat,
        exp: iat + expiresIn,
        // RFC 8705 section 3.1: who shows the token must come with this certificate.
        ...(session.certificate ? { cnf: { 'x5t#S256': session.certificate } } : {}),
      },
      privateKey,
      { algorithm: ALGORITHM, header: { alg: ALGORITHM, typ: TOKEN_TYPE, kid } },
    );
    return { accessToken, expiresIn };
  }
}
