import { createPublicKey, type JsonWebKey, type KeyObject } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { newId } from '../../../platform/ids.js';
import { authorize, type SignedIn } from '../../../platform/access/context.js';
import { SERVICE_ROLES } from '../../../platform/access/vocabulary.js';
import { after } from '../../../platform/clock.js';
import { accessible, Params } from '../../../platform/database/accessible.js';
import type { Db } from '../../../platform/database/db.js';
import { Cursors, limitOf } from '../../../platform/http/cursors.js';
import type { Page } from '../../../platform/http/presenter.js';
import { notFound } from '../../../platform/http/problem.js';
import { People } from '../../users/index.js';
import { keyExpiry, keyNeeded, keyRevokedAlready, noServiceAccount, tooManyKeys } from '../auth.errors.js';
import { SessionEndings } from '../sessions/session-endings.js';
import { MachineNotices, type MachineCredential } from './machine-notices.js';
import { fromJwk, fromPem, type PublicKey } from './client-key.rules.js';
import type { ClientKeyQuery, ClientKeyView, RegisterKey } from './client-key.dto.js';

/** A key by which a client may show who it is, at this moment. */
export interface StandingKey {
  id: string;
  expiresAt: Date;
  key: KeyObject | null;
  algorithms: readonly string[];
}

const LIST = 'auth.client-keys';
const DAY = 86_400;
const LONGEST_DAYS = 731;
const USUAL_DAYS = 365;
const MOST_KEYS = 10;

const SELECT = `SELECT client_key_id AS id, account_id AS "accountId", kind, kid, algorithms, created_at AS "createdAt", created_by AS "createdBy",
    expires_at AS "expiresAt", revoked_at AS "revokedAt", revoke_reason AS "revokeReason",
    (SELECT max(s.created_at) FROM auth.session s WHERE s.client_key_id = k.client_key_id) AS "lastUsedAt"
  FROM auth.client_key k`;
const STANDS = 'revoked_at IS NULL AND expires_at > $1';

/** Keys and certificates of service accounts, registered by administrators. Only public parts are ever here. */
@Injectable()
export class ClientKeys {
  constructor(
    private readonly people: People,
    private readonly endings: SessionEndings,
    private readonly notices: MachineNotices,
    private readonly cursors: Cursors,
  ) {}

  async register(ctx: SignedIn, accountId: string, input: RegisterKey): Promise<ClientKeyView> {
    authorize(ctx, 'create', 'ClientKey', { accountId });
    const key = await read(input);
    await this.lockService(ctx, accountId);
    const [count] = await ctx.db.query<{ standing: number }>(
      `SELECT count(*)::int AS standing FROM auth.client_key WHERE account_id = $2 AND ${STANDS}`,
      [ctx.now, accountId],
    );
    if (count!.standing >= MOST_KEYS) throw tooManyKeys();
    const id = newId();
    await ctx.db.query(
      `INSERT INTO auth.client_key (client_key_id, account_id, kind, kid, jwk, algorithms, created_at, created_by, expires_at)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`,
      [id, accountId, key.kind, key.kid, key.jwk, key.algorithms, ctx.now, ctx.actor.id, expiryOf(ctx, input, key)],
    );
    const registered = this.touched(ctx, (await this.find(ctx, accountId, id))!);
    await this.notices.registered(ctx, credentialOf(registered));
    return registered;
  }

  async list(ctx: SignedIn, accountId: string, query: ClientKeyQuery): Promise<Page<ClientKeyView>> {
    await this.exists(ctx, accountId);
    const list = `${LIST}:${accountId}`;
    const last = this.cursors.open<[string]>(ctx, list, query);
    const params = new Params();
    const seen = accessible(ctx, 'list', 'ClientKey', { columns: { accountId: 'k.account_id' } }, params);
    const from = last ? `AND k.client_key_id < ${params.add(last[0])}` : '';
    const rows = await ctx.db.query<ClientKeyView>(
      `${SELECT} WHERE ${seen} AND k.account_id = ${params.add(accountId)} ${from}
        ORDER BY k.client_key_id DESC LIMIT ${params.add(limitOf(query) + 1)}`,
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

  /** From now on it opens nothing, and what it opened is over. Needs no fresh second factor, so that an alarm is quick. */
  async revoke(ctx: SignedIn, accountId: string, id: string, reason: string): Promise<ClientKeyView> {
    if (!(await this.find(ctx, accountId, id))) throw notFound();
    authorize(ctx, 'revoke', 'ClientKey', { accountId });
    const rows = await ctx.db.query(
      `UPDATE auth.client_key SET revoked_at = $2, revoked_by = $3, revoke_reason = $4
        WHERE client_key_id = $1 AND revoked_at IS NULL RETURNING 1`,
      [id, ctx.now, ctx.actor.id, reason],
    );
    if (rows.length === 0) throw keyRevokedAlready();
    await this.endings.endOfKey(ctx, id);
    const revoked = this.touched(ctx, (await this.find(ctx, accountId, id))!);
    await this.notices.removed(ctx, credentialOf(revoked));
    return revoked;
  }

  /** The client's key or certificate of this id, or null; asked also for a client that is none, for the same work. */
  async standing(
    db: Pick<Db, 'query'>,
    clientId: string,
    kind: PublicKey['kind'],
    kid: string,
    now: Date,
  ): Promise<StandingKey | null> {
    const [row] = await db.query<Omit<StandingKey, 'key'> & { jwk: JsonWebKey | null }>(
      `SELECT client_key_id AS id, expires_at AS "expiresAt", jwk, algorithms FROM auth.client_key
        WHERE ${STANDS} AND account_id = $2 AND kind = $3 AND kid = $4`,
      [now, clientId, kind, kid],
    );
    if (!row) return null;
    const { jwk, ...key } = row;
    return { ...key, key: jwk && createPublicKey({ key: jwk, format: 'jwk' }) };
  }

  /** Keeps the key from being taken away until the transaction ends; false when it was already. */
  async hold(db: Pick<Db, 'query'>, id: string, now: Date): Promise<boolean> {
    const rows = await db.query(`SELECT 1 FROM auth.client_key WHERE ${STANDS} AND client_key_id = $2 FOR SHARE`, [
      now,
      id,
    ]);
    return rows.length > 0;
  }

  private async find(ctx: SignedIn, accountId: string, id: string): Promise<ClientKeyView | null> {
    const params = new Params();
    const seen = accessible(ctx, 'list', 'ClientKey', { columns: { accountId: 'k.account_id' } }, params);
    const rows = await ctx.db.query<ClientKeyView>(
      `${SELECT} WHERE ${seen} AND k.client_key_id = ${params.add(id)} AND k.account_id = ${params.add(accountId)}`,
      params.values,
    );
    return rows[0] ?? null;
  }

  private async exists(ctx: SignedIn, accountId: string): Promise<void> {
    const rows = await ctx.db.query('SELECT 1 FROM users.account WHERE account_id = $1', [accountId]);
    if (rows.length === 0) throw notFound();
  }

  /** The account's row is locked, so that of two registrations at once the second counts the first. */
  private async lockService(ctx: SignedIn, accountId: string): Promise<void> {
    const rows = await ctx.db.query('SELECT 1 FROM users.account WHERE account_id = $1 FOR NO KEY UPDATE', [accountId]);
    if (rows.length === 0) throw notFound();
    const { person } = await this.people.loadPerson(ctx.db, accountId, ctx.now);
    if (!SERVICE_ROLES.some((role) => person.roles.has(role))) throw noServiceAccount();
  }

  private touched(ctx: SignedIn, key: ClientKeyView): ClientKeyView {
    ctx.touch({ patientId: null, type: 'ClientKey', id: key.id });
    return key;
  }
}

const credentialOf = ({ accountId, kind, kid, expiresAt }: ClientKeyView): MachineCredential => ({
  accountId,
  kind: kind as PublicKey['kind'],
  name: kid,
  expiresAt,
});

function read({ jwk, pem }: RegisterKey): Promise<PublicKey> {
  if ((jwk === undefined) === (pem === undefined)) throw keyNeeded();
  return jwk ? fromJwk(jwk) : fromPem(pem!);
}

function expiryOf(ctx: SignedIn, input: RegisterKey, key: PublicKey): Date {
  const latest = after(ctx.now, LONGEST_DAYS * DAY);
  const wanted = input.expiresAt === undefined ? null : new Date(input.expiresAt);
  if (wanted !== null && (wanted <= ctx.now || wanted > latest)) throw keyExpiry();
  const usual = key.expiresAt === null ? after(ctx.now, USUAL_DAYS * DAY) : latest;
  const end = [wanted ?? usual, key.expiresAt ?? latest].reduce((a, b) => (a < b ? a : b));
  if (end <= ctx.now) throw keyExpiry();
  return end;
}
