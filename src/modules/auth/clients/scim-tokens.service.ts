import { Inject, Injectable } from '@nestjs/common';
import { newId } from '../../../platform/ids.js';
import { AbilityFactory } from '../../../platform/access/ability-factory.js';
import type { Actor } from '../../../platform/access/actor.js';
import { authorize, type SignedIn } from '../../../platform/access/context.js';
import { after, Clock } from '../../../platform/clock.js';
import { CONFIG, type Config } from '../../../platform/config/config.js';
import { randomToken } from '../../../platform/crypto/index.js';
import { accessible, Params } from '../../../platform/database/accessible.js';
import { SystemPool } from '../../../platform/database/system-pool.js';
import { Cursors, limitOf } from '../../../platform/http/cursors.js';
import type { Page } from '../../../platform/http/presenter.js';
import { notFound, unavailable } from '../../../platform/http/problem.js';
import { Logger } from '../../../platform/logging/logger.js';
import { People } from '../../users/index.js';
import { noBearerSecrets, noDirectory, scimTokenRevokedAlready, tooManyScimTokens } from '../auth.errors.js';
import { Secrets } from '../secrets.js';
import { MachineNotices, type MachineCredential } from './machine-notices.js';
import type { CreateScimToken, NewScimTokenView, ScimTokenQuery, ScimTokenView } from './scim-token.dto.js';

/** So that scanners for leaked secrets, and people, see what it is. */
const PREFIX = 'pscim_';
const FORM = new RegExp(`^${PREFIX}[\\w-]{43}$`);

const LIST = 'auth.scim-tokens';
const DAY = 86_400;
const USUAL_DAYS = 180;
/** One in use and one to change to, for two sides each; more is forgetfulness. */
const MOST = 4;
const NOTE_USE_SECONDS = 60;

const SELECT = `SELECT t.scim_token_id AS id, t.account_id AS "accountId", t.name, t.created_at AS "createdAt", t.created_by AS "createdBy",
    t.expires_at AS "expiresAt", t.last_used_at AS "lastUsedAt", t.revoked_at AS "revokedAt" FROM auth.scim_token t`;
const STANDS = 'revoked_at IS NULL AND expires_at > $1';
const OWN = { columns: { accountId: 't.account_id' } };

const LOOK = `SELECT t.scim_token_id AS id, t.account_id AS "accountId", t.created_at AS "createdAt", t.expires_at AS "expiresAt",
    t.last_used_at AS "lastUsedAt", t.revoked_at IS NULL AND a.status = 'active' AS stands
  FROM auth.scim_token t JOIN users.account a ON a.account_id = t.account_id WHERE t.token_mac = ANY($1)`;

interface LookedUp {
  id: string;
  accountId: string;
  createdAt: Date;
  expiresAt: Date;
  lastUsedAt: Date | null;
  stands: boolean;
}

/** Whom a bearer secret speaks for, or why nobody. */
export interface Shown {
  accountId: string | null;
  tokenId: string | null;
  actor: Actor | null;
  problem: 'auth.token-invalid' | 'auth.token-expired' | null;
}

const NOBODY: Shown = { accountId: null, tokenId: null, actor: null, problem: 'auth.token-invalid' };

/** The bearer secret of an Authorization header; null when it is none of these. */
export function scimTokenOf(authorization: string | undefined): string | null {
  const sent = /^bearer +(\S+)$/i.exec(authorization ?? '')?.[1];
  return sent?.startsWith(PREFIX) ? sent : null;
}

/**
 * Long-lived bearer secrets (256 bit) by which a directory speaks SCIM, for directories that cannot sign an assertion. Only
 * MACs are kept; each request asks anew whether the secret stands and its account is active. They open nothing but /scim.
 */
@Injectable()
export class ScimTokens {
  constructor(
    private readonly secrets: Secrets,
    private readonly people: People,
    private readonly abilities: AbilityFactory,
    private readonly pool: SystemPool,
    private readonly notices: MachineNotices,
    private readonly cursors: Cursors,
    private readonly clock: Clock,
    private readonly logger: Logger,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  /** The secret itself is only in the return value. */
  async create(
    ctx: SignedIn,
    accountId: string,
    { name, days = USUAL_DAYS }: CreateScimToken,
  ): Promise<NewScimTokenView> {
    authorize(ctx, 'create', 'ScimToken', { accountId });
    if (this.config.http.machinesByCertificate) throw noBearerSecrets();
    await this.lockDirectory(ctx, accountId);
    const [count] = await ctx.db.query<{ standing: number }>(
      `SELECT count(*)::int AS standing FROM auth.scim_token WHERE account_id = $2 AND ${STANDS}`,
      [ctx.now, accountId],
    );
    if (count!.standing >= MOST) throw tooManyScimTokens();
    const token = `${PREFIX}${randomToken()}`;
    const id = newId();
    await ctx.db.query(
      `INSERT INTO auth.scim_token (scim_token_id, token_mac, account_id, name, created_at, created_by, expires_at)
       VALUES ($1, $2, $3, $4, $5, $6, $7)`,
      [id, this.secrets.mac('scim', token), accountId, name, ctx.now, ctx.actor.id, after(ctx.now, days * DAY)],
    );
    const made = this.touched(ctx, await this.get(ctx, accountId, id));
    await this.notices.registered(ctx, credentialOf(made));
    return { ...made, token };
  }

  async list(ctx: SignedIn, accountId: string, query: ScimTokenQuery): Promise<Page<ScimTokenView>> {
    await this.exists(ctx, accountId);
    const list = `${LIST}:${accountId}`;
    const last = this.cursors.open<[string]>(ctx, list, query);
    const params = new Params();
    const seen = accessible(ctx, 'list', 'ScimToken', OWN, params);
    const from = last ? `AND t.scim_token_id < ${params.add(last[0])}` : '';
    const rows = await ctx.db.query<ScimTokenView>(
      `${SELECT} WHERE ${seen} AND t.account_id = ${params.add(accountId)} ${from}
        ORDER BY t.scim_token_id DESC LIMIT ${params.add(limitOf(query) + 1)}`,
      params.values,
    );
    return this.cursors.page(
      ctx,
      list,
      query,
      rows,
      (row) => [row.id],
      (row) => this.touched(ctx, row),
    );
  }

  /** From the next request on it opens nothing. Needs no fresh second factor, so that an alarm is quick. */
  async revoke(ctx: SignedIn, accountId: string, id: string): Promise<ScimTokenView> {
    await this.get(ctx, accountId, id);
    authorize(ctx, 'revoke', 'ScimToken', { accountId });
    const rows = await ctx.db.query(
      'UPDATE auth.scim_token SET revoked_at = $2, revoked_by = $3 WHERE scim_token_id = $1 AND revoked_at IS NULL RETURNING 1',
      [id, ctx.now, ctx.actor.id],
    );
    if (rows.length === 0) throw scimTokenRevokedAlready();
    const revoked = this.touched(ctx, await this.get(ctx, accountId, id));
    await this.notices.removed(ctx, credentialOf(revoked));
    return revoked;
  }

  /** Asked for each request. Throws 503 when it cannot be found out. */
  async show(token: string): Promise<Shown> {
    if (!FORM.test(token) || this.config.http.machinesByCertificate) return NOBODY;
    try {
      const [row] = await this.pool.query<LookedUp>(LOOK, [this.secrets.macs('scim', token)], 'auth_scim_token_look');
      if (!row) return NOBODY;
      const known = { accountId: row.accountId, tokenId: row.id };
      if (!row.stands) return { ...NOBODY, ...known };
      const now = this.clock.now();
      if (row.expiresAt <= now) return { ...known, actor: null, problem: 'auth.token-expired' };
      const { person } = await this.people.loadPerson(this.pool, row.accountId, now);
      if (person.roles.size !== 1 || !person.roles.has('directory')) return { ...NOBODY, ...known };
      await this.noteUse(row, now);
      // No person stands behind it, so it never counts as a second factor, nor as a recent one.
      const assurance = { acr: 'aal1', amr: ['scim-token'], authTime: row.createdAt } as const;
      const actor = { ...person, sessionId: row.id, assurance, ability: this.abilities.for(person) };
      return { ...known, actor, problem: null };
    } catch (error) {
      this.logger.error('a bearer secret could not be checked', error);
      throw unavailable();
    }
  }

  private async noteUse({ id, lastUsedAt }: LookedUp, now: Date): Promise<void> {
    const due = after(now, -NOTE_USE_SECONDS);
    if (lastUsedAt !== null && lastUsedAt > due) return;
    await this.pool.query(
      'UPDATE auth.scim_token SET last_used_at = $2 WHERE scim_token_id = $1 AND (last_used_at IS NULL OR last_used_at <= $3)',
      [id, now, due],
      'auth_scim_token_note',
    );
  }

  private async get(ctx: SignedIn, accountId: string, id: string): Promise<ScimTokenView> {
    const params = new Params();
    const seen = accessible(ctx, 'list', 'ScimToken', OWN, params);
    const [row] = await ctx.db.query<ScimTokenView>(
      `${SELECT} WHERE ${seen} AND t.scim_token_id = ${params.add(id)} AND t.account_id = ${params.add(accountId)}`,
      params.values,
    );
    if (!row) throw notFound();
    return row;
  }

  private async exists(ctx: SignedIn, accountId: string): Promise<void> {
    const rows = await ctx.db.query('SELECT 1 FROM users.account WHERE account_id = $1', [accountId]);
    if (rows.length === 0) throw notFound();
  }

  /** Locked, so that of several requests at once none makes one token too many. */
  private async lockDirectory(ctx: SignedIn, accountId: string): Promise<void> {
    const [row] = await ctx.db.query<{ isDirectory: boolean }>(
      `SELECT EXISTS (SELECT 1 FROM users.duty d WHERE d.account_id = a.account_id AND d.role = 'directory') AS "isDirectory"
         FROM users.account a WHERE a.account_id = $1 FOR NO KEY UPDATE OF a`,
      [accountId],
    );
    if (!row) throw notFound();
    if (!row.isDirectory) throw noDirectory();
  }

  private touched<T extends ScimTokenView>(ctx: SignedIn, token: T): T {
    ctx.touch({ patientId: null, type: 'ScimToken', id: token.id });
    return token;
  }
}

const credentialOf = ({ accountId, name, expiresAt }: ScimTokenView): MachineCredential => ({
  accountId,
  kind: 'bearer-secret',
  name,
  expiresAt,
});
