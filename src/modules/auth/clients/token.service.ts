import { Inject, Injectable } from '@nestjs/common';
import type { Ctx } from '../../../platform/access/context.js';
import { SERVICE_ROLES, type Role } from '../../../platform/access/vocabulary.js';
import { after } from '../../../platform/clock.js';
import { CONFIG, type Config } from '../../../platform/config/config.js';
import { Database } from '../../../platform/database/database.js';
import { People } from '../../users/index.js';
import { validate as isUuid } from 'uuid';
import { holdActive } from '../account-state.js';
import {
  certificateNeeded,
  invalidClient,
  invalidScope,
  invalidTokenRequest,
  unsupportedGrantType,
} from '../auth.errors.js';
import { Sessions } from '../sessions/session.service.js';
import { Attempts, networkOf, type Attempt } from '../throttling/attempts.js';
import { readClaim, TOLERANCE_SECONDS, verify, type Assertion, type AssertionClaim } from './client-assertion.js';
import { jtiHash } from './client-key.rules.js';
import { ClientKeys, type StandingKey } from './client-keys.service.js';
import { decoyFor } from './decoy-keys.js';
import { JWT_BEARER, type TokenRequest, type TokenView } from './token.dto.js';

/** What a token of such an account is good for. */
const SCOPES: Partial<Record<Role, string>> = { integration: 'imports', directory: 'scim' };

/** What one try is counted as. */
interface Tries {
  network: Attempt;
  client: Attempt;
}

/** A client that has shown who it is, and what is to be used up for it. */
interface Shown {
  clientId: string;
  key: StandingKey;
  attempts: Tries;
  assertion: Assertion | null;
  /** Thumbprint of the certificate that the token is bound to. */
  certificate: string | null;
}

const TEXTS = ['grant_type', 'client_assertion_type', 'client_assertion', 'client_id', 'scope'] as const;

/** Takes what is known of a form or an object; RFC 6749 section 3.2: empty is as if it were not there, anything else is ignored. */
export function tokenRequestOf(body: unknown): TokenRequest {
  const given = (typeof body === 'object' && body !== null ? body : {}) as Record<string, unknown>;
  const taken = TEXTS.filter((name) => given[name] !== undefined && given[name] !== '');
  if (!taken.every((name) => typeof given[name] === 'string')) throw invalidTokenRequest();
  return Object.fromEntries(taken.map((name) => [name, given[name]])) as unknown as TokenRequest;
}

/**
 * Access tokens for machines: OAuth 2.0 client credentials, the client known by an assertion that its key has signed (RFC 7523)
 * or by its certificate in mutual TLS (RFC 8705). No secret is shared, and none is sent.
 */
@Injectable()
export class ClientTokens {
  private readonly audiences: readonly string[];
  private readonly byCertificateAlone: boolean;

  constructor(
    private readonly database: Database,
    private readonly people: People,
    private readonly attempts: Attempts,
    private readonly keys: ClientKeys,
    private readonly sessions: Sessions,
    @Inject(CONFIG) config: Config,
  ) {
    const { publicUrl, machinesByCertificate } = config.http;
    this.byCertificateAlone = machinesByCertificate;
    this.audiences = [publicUrl, `${publicUrl}/v1/auth/token`];
  }

  /** `certificate`: thumbprint of the one that came by mutual TLS. One answer for an unknown client and whatever else is wrong with its proof. */
  async issue(ctx: Ctx, input: TokenRequest, certificate: string | null): Promise<TokenView> {
    ctx.answerHeader('pragma', 'no-cache');
    if (input.grant_type === undefined) throw invalidTokenRequest();
    if (input.grant_type !== 'client_credentials') throw unsupportedGrantType();
    if (this.byCertificateAlone && input.client_assertion !== undefined) throw certificateNeeded();
    const shown =
      input.client_assertion === undefined
        ? await this.byCertificate(ctx, input, certificate)
        : await this.byAssertion(ctx, input, input.client_assertion);

    if (!(await holdActive(ctx.db, shown.clientId))) throw invalidClient();
    if (!(await this.keys.hold(ctx.db, shown.key.id, ctx.now))) throw invalidClient();
    if (shown.assertion) await this.useUp(ctx, shown.clientId, shown.assertion);
    const scope = await this.scopeOf(ctx, shown.clientId, input.scope);
    // Of the network only this try is taken back: whoever holds a key of their own buys no guesses at others' by it.
    await this.attempts.withdraw(ctx.db, shown.attempts.network);
    await this.attempts.succeeded(ctx.db, shown.attempts.client);
    const { accessToken, expiresIn } = await this.sessions.openForService(ctx, shown.clientId, {
      keyId: shown.key.id,
      until: shown.key.expiresAt,
      certificate: shown.certificate,
    });
    return { access_token: accessToken, token_type: 'Bearer', expires_in: expiresIn, scope };
  }

  private async byAssertion(ctx: Ctx, input: TokenRequest, jwt: string): Promise<Shown> {
    if (input.client_assertion_type !== JWT_BEARER) throw invalidTokenRequest();
    const claim = readClaim(jwt);
    // RFC 7521 section 4.2: a client id beside the assertion names the same client.
    const isOne = claim !== null && (input.client_id === undefined || input.client_id === claim.clientId);
    const { attempts, key } = await this.look(ctx, isOne ? claim.clientId : null, 'key', claim?.kid ?? '');
    const assertion = isOne ? await this.checked(jwt, claim, key, ctx.now) : null;
    if (!isOne || !assertion || !key) throw invalidClient();
    return { clientId: claim.clientId, key, attempts, assertion, certificate: null };
  }

  private async byCertificate(ctx: Ctx, input: TokenRequest, certificate: string | null): Promise<Shown> {
    const { client_id: clientId } = input;
    const isOne = clientId !== undefined && isUuid(clientId) && certificate !== null;
    const { attempts, key } = await this.look(ctx, isOne ? clientId : null, 'certificate', certificate ?? '');
    if (!isOne || !key) throw invalidClient();
    return { clientId, key, attempts, assertion: null, certificate };
  }

  /** Counts the try, then finds the key. In a transaction of its own: a refusal counts all the same. */
  private async look(
    ctx: Ctx,
    clientId: string | null,
    kind: 'key' | 'certificate',
    kid: string,
  ): Promise<{ attempts: Tries; key: StandingKey | null }> {
    const network = networkOf(ctx.client.address);
    // Whoever knows a client's id must not be able to shut it out from elsewhere: it is counted by where it comes from, too.
    const attempts = {
      network: this.attempts.of('client-network', network),
      client: this.attempts.of('client', `${clientId ?? ''}\0${network}`),
    };
    const found = await this.database.write(null, async (db) => {
      for (const attempt of [attempts.network, attempts.client]) {
        const refused = await this.attempts.refusal(db, attempt, ctx.now);
        if (refused) return refused;
      }
      return { key: clientId === null ? null : await this.keys.standing(db, clientId, kind, kid, ctx.now) };
    });
    if (found instanceof Error) throw found;
    if (found.key) ctx.identify({ accountId: clientId! });
    return { attempts, key: found.key };
  }

  private checked(jwt: string, claim: AssertionClaim, key: StandingKey | null, now: Date): Promise<Assertion | null> {
    const { key: publicKey, algorithms } = key?.key
      ? { key: key.key, algorithms: key.algorithms }
      : decoyFor(claim.algorithm);
    return verify(jwt, claim, { key: publicKey, algorithms }, this.audiences, now);
  }

  /** The primary key decides which of several parallel uses of one assertion is the one. */
  private async useUp(ctx: Ctx, clientId: string, { jti, expiresAt }: Assertion): Promise<void> {
    const rows = await ctx.db.query(
      'INSERT INTO auth.client_assertion (account_id, jti_hash, expires_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING RETURNING 1',
      [clientId, jtiHash(jti), after(expiresAt, TOLERANCE_SECONDS)],
    );
    if (rows.length === 0) throw invalidClient();
  }

  /** An account that holds no service role at this moment gets nothing, whatever key it has. */
  private async scopeOf(ctx: Ctx, clientId: string, wanted: string | undefined): Promise<string> {
    const { person } = await this.people.loadPerson(ctx.db, clientId, ctx.now);
    const mine = SERVICE_ROLES.filter((role) => person.roles.has(role)).map((role) => SCOPES[role]);
    if (mine.length === 0) throw invalidClient();
    if (wanted !== undefined && !wanted.split(' ').every((scope) => mine.includes(scope))) throw invalidScope();
    return mine.join(' ');
  }
}
