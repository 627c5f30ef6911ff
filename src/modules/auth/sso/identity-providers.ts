import { Inject, Injectable } from '@nestjs/common';
import {
  createRemoteJWKSet,
  customFetch as joseFetch,
  errors,
  importPKCS8,
  jwtVerify,
  type JWTVerifyGetKey,
} from 'jose';
import * as client from 'openid-client';
import { after, Clock } from '../../../platform/clock.js';
import { CONFIG, type Config } from '../../../platform/config/config.js';
import type { SsoProvider } from '../../../platform/config/sso-providers.js';
import { notFound, Problem } from '../../../platform/http/problem.js';
import { Logger } from '../../../platform/logging/logger.js';
import { fetchOf, isOf } from './provider-fetch.js';
import { logoutTokenRefused, ssoDeclined, ssoFailed, ssoUnavailable } from './sso.errors.js';
import { textOf, type Claims } from './sso.rules.js';

/** What is bound to one sign-in: computed again from the state when the person comes back. */
export interface FlowSecrets {
  state: string;
  nonce: string;
  verifier: string;
}

/** What a provider has said of itself, and its keys. */
export interface Connection {
  configuration: client.Configuration;
  keys: JWTVerifyGetKey;
}

const TIMEOUT_SECONDS = 5;
const METADATA_SECONDS = 3_600;
/** For clocks that differ. */
const TOLERANCE_SECONDS = 30;
/** OpenID Connect Back-Channel Logout 1.0 §4: short, at most two minutes. */
const LOGOUT_TOKEN_SECONDS = 120;
const LOGOUT_EVENT = 'http://schemas.openid.net/event/backchannel-logout';
/** Asymmetric only: our client secret signs nothing, and `none` is no signature. */
const ALGORITHMS = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519',
];
const DOWN = ['OAUTH_TIMEOUT', 'OAUTH_ABORT', 'OAUTH_RESPONSE_IS_NOT_CONFORM', 'OAUTH_RESPONSE_IS_NOT_JSON'];
const DOWN_BY_THEIR_WORD = ['server_error', 'temporarily_unavailable'];

/** What a logout token asks for. */
export interface LogoutRequest {
  jti: string;
  subject: string | null;
  sid: string | null;
  issuedAt: Date;
}

/** Why a provider's answer came to nothing; never in the provider's own words. */
function refusalOf(error: unknown): Problem {
  if (error instanceof Problem) return error;
  if (error instanceof client.AuthorizationResponseError)
    return DOWN_BY_THEIR_WORD.includes(error.error) ? ssoUnavailable() : ssoDeclined();
  if (error instanceof client.ResponseBodyError) return error.status >= 500 ? ssoUnavailable() : ssoFailed();
  if (error instanceof errors.JWKSTimeout || error instanceof TypeError) return ssoUnavailable();
  return DOWN.includes((error as { code?: string }).code ?? '') ? ssoUnavailable() : ssoFailed();
}

/**
 * The configured identity providers (OpenID Connect Core 1.0, RFC 9700). Metadata and keys are fetched when they are needed
 * first, and kept for an hour; a provider that is down makes its own calls fail and nothing else.
 */
@Injectable()
export class IdentityProviders {
  private readonly connections = new Map<string, { connection: Promise<Connection>; until: Date }>();

  constructor(
    private readonly clock: Clock,
    private readonly logger: Logger,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  list(): readonly SsoProvider[] {
    return this.config.sso.providers;
  }

  get(id: string): SsoProvider {
    const provider = this.list().find((one) => one.id === id);
    if (!provider) throw notFound();
    return provider;
  }

  /** The provider of an issuer; null when it is not configured any more. */
  of(issuer: string): SsoProvider | null {
    return this.list().find((one) => one.issuer === issuer) ?? null;
  }

  /** The one redirect URI of a provider: one each, so that an answer cannot be carried from one to another (RFC 9700 §4.4.2). */
  redirectUriOf({ id }: SsoProvider): string {
    return `${this.config.http.publicUrl}/v1/auth/sso/${id}/callback`;
  }

  /** Where to send the browser. Code flow, PKCE S256, state and nonce always. `isFresh`: the provider asks the person again. */
  async authorizationUrl(
    provider: SsoProvider,
    { configuration }: Connection,
    secrets: FlowSecrets,
    isFresh: boolean,
  ): Promise<string> {
    const url = client.buildAuthorizationUrl(configuration, {
      redirect_uri: this.redirectUriOf(provider),
      scope: provider.scopes.join(' '),
      state: secrets.state,
      nonce: secrets.nonce,
      code_challenge: await client.calculatePKCECodeChallenge(secrets.verifier),
      code_challenge_method: 'S256',
      max_age: String(isFresh ? 0 : provider.maxAgeSeconds),
      ...(isFresh ? { prompt: 'login' } : {}),
    });
    return url.href;
  }

  /**
   * Where a browser signs out at the provider (OpenID Connect RP-Initiated Logout 1.0); null where it names no such page, or one
   * that is not its own. With our client id in place of an ID token: that would lie here for as long as the session, and stand
   * with what it says of the person in the address, in the browser's history and in the provider's log.
   */
  endSessionUrl(
    provider: SsoProvider,
    { configuration }: Connection,
    parameters: { logout_hint: string; post_logout_redirect_uri: string; state: string },
  ): string | null {
    const { end_session_endpoint: page = '' } = configuration.serverMetadata();
    return isOf(provider, page) ? client.buildEndSessionUrl(configuration, parameters).href : null;
  }

  /**
   * Redeems the provider's answer and resolves with verified claims. The library checks state, `iss` (RFC 9207), PKCE, and of the
   * ID token signature, issuer, audience, azp, times, nonce and auth_time. Holds no connection of the database.
   */
  async redeem(
    provider: SsoProvider,
    query: string,
    secrets: FlowSecrets,
    maxAge: number,
  ): Promise<{ idToken: Claims; claims: Claims }> {
    const { configuration } = await this.connect(provider);
    const answer = new URL(`${this.redirectUriOf(provider)}?${query}`);
    try {
      const tokens = await client.authorizationCodeGrant(configuration, answer, {
        expectedState: secrets.state,
        expectedNonce: secrets.nonce,
        pkceCodeVerifier: secrets.verifier,
        idTokenExpected: true,
        maxAge,
      });
      const idToken = tokens.claims();
      if (!idToken || textOf(idToken.sub) !== idToken.sub) throw ssoFailed();
      if (!provider.userInfo) return { idToken, claims: idToken };
      // The subject must be the same; what the ID token says stands.
      const more = await client.fetchUserInfo(configuration, tokens.access_token, idToken.sub);
      return { idToken, claims: { ...more, ...idToken } };
    } catch (error) {
      throw this.noted(provider, error);
    }
  }

  /** Verifies a logout token (OpenID Connect Back-Channel Logout 1.0 §2.6). Throws auth.logout-token-refused; whether it is new, the caller decides. */
  async verifyLogout(provider: SsoProvider, token: string, now: Date): Promise<LogoutRequest> {
    const { keys } = await this.connect(provider);
    try {
      const { payload } = await jwtVerify(token, keys, {
        issuer: provider.issuer,
        audience: provider.clientId,
        typ: 'logout+jwt',
        algorithms: ALGORITHMS,
        requiredClaims: ['iat', 'exp', 'jti', 'events'],
        maxTokenAge: LOGOUT_TOKEN_SECONDS,
        clockTolerance: TOLERANCE_SECONDS,
        currentDate: now,
      });
      return logoutRequestOf(payload);
    } catch (error) {
      const isDown = refusalOf(error).status === 503;
      throw isDown ? this.noted(provider, error) : logoutTokenRefused();
    }
  }

  /** Throws auth.sso-unavailable. One attempt serves all who ask at the same time; a failed one is not remembered. */
  connect(provider: SsoProvider): Promise<Connection> {
    const known = this.connections.get(provider.id);
    if (known && known.until > this.clock.now()) return known.connection;
    const connection = this.discover(provider).catch((error: unknown) => {
      this.connections.delete(provider.id);
      this.noted(provider, error);
      throw ssoUnavailable();
    });
    this.connections.set(provider.id, { connection, until: after(this.clock.now(), METADATA_SECONDS) });
    return connection;
  }

  private async discover(provider: SsoProvider): Promise<Connection> {
    const fetch = fetchOf(provider);
    const configuration = await client.discovery(
      new URL(provider.issuer),
      provider.clientId,
      { [client.clockTolerance]: TOLERANCE_SECONDS },
      await authenticationOf(provider),
      {
        timeout: TIMEOUT_SECONDS,
        [client.customFetch]: fetch,
        execute: [
          client.enableNonRepudiationChecks,
          // Deprecated only to be noticed: the configuration allows it in tests alone.
          ...(provider.allowInsecureHttp ? [client.allowInsecureRequests] : []),
        ],
      },
    );
    const { issuer, jwks_uri: jwksUri = '', authorization_endpoint: page = '' } = configuration.serverMetadata();
    if (issuer !== provider.issuer || !isOf(provider, jwksUri) || !isOf(provider, page)) throw ssoUnavailable();
    const keys = createRemoteJWKSet(new URL(jwksUri), {
      timeoutDuration: TIMEOUT_SECONDS * 1000,
      [joseFetch]: fetch,
    });
    return { configuration, keys };
  }

  private noted(provider: SsoProvider, error: unknown): Problem {
    const problem = refusalOf(error);
    if (error !== problem)
      this.logger.error('an identity provider was not believed or did not answer', error, { component: provider.id });
    return problem;
  }
}

/** private_key_jwt where there is a key, else the secret in the Authorization header (OpenID Connect Core 9). */
async function authenticationOf({ credential }: SsoProvider): Promise<client.ClientAuth> {
  if ('secret' in credential) return client.ClientSecretBasic(credential.secret);
  const key = await importPKCS8(credential.pem, credential.alg);
  return client.PrivateKeyJwt(credential.kid === null ? key : { key, kid: credential.kid });
}

/** What the library does not check of a logout token: the event, no nonce, and whom it names. */
function logoutRequestOf(claims: Claims): LogoutRequest {
  const { events, jti, iat, sub, sid } = claims;
  const event = typeof events === 'object' && events !== null ? (events as Claims)[LOGOUT_EVENT] : undefined;
  const isEvent = typeof event === 'object' && event !== null && !Array.isArray(event);
  const isNamed = [sub, sid].every((name) => name === undefined || textOf(name) === name);
  if (!isEvent || !isNamed || 'nonce' in claims || textOf(jti) !== jti || (sub ?? sid) === undefined)
    throw logoutTokenRefused();
  return {
    jti: jti as string,
    subject: (sub as string | undefined) ?? null,
    sid: (sid as string | undefined) ?? null,
    issuedAt: new Date((iat as number) * 1000),
  };
}
