import { Inject, Injectable } from '@nestjs/common';
import { authorize, type Ctx, type SignedIn } from '../../../platform/access/context.js';
import type { Role } from '../../../platform/access/vocabulary.js';
import { after } from '../../../platform/clock.js';
import { CONFIG, type Config } from '../../../platform/config/config.js';
import { randomToken } from '../../../platform/crypto/index.js';
import { accessible, Params } from '../../../platform/database/accessible.js';
import type { Db } from '../../../platform/database/db.js';
import { Cursors, limitOf } from '../../../platform/http/cursors.js';
import type { Page } from '../../../platform/http/presenter.js';
import { notFound } from '../../../platform/http/problem.js';
import { newId } from '../../../platform/ids.js';
import { FactorPolicy } from '../factors/factor-policy.js';
import { Secrets } from '../secrets.js';
import { deviceOf, isStaff } from '../sessions/session.rules.js';
import type { TokensView } from '../sessions/session.dto.js';
import type { DeviceQuery, DeviceView } from './device.dto.js';

const DAY = 86_400;
/** More than anybody uses; remembering one more forgets the one that was used longest ago. */
const MOST = 10;

/** A device that was shown by its token, and which token that was. */
export interface Recognised {
  deviceId: string;
  token: string;
}

const COOKIE = 'device';

/** What the answer says of it: nothing where it went into a cookie. */
type DeviceToken = Pick<TokensView, 'deviceToken'>;

const COLUMNS = { columns: { accountId: 'account_id' } };
const VIEW =
  'device_id AS id, name, created_at AS "createdAt", last_used_at AS "lastUsedAt", expires_at AS "expiresAt"';

/**
 * Devices that patients have remembered. A token stands in for the second factor, is nothing without the password, and opens
 * a session of a single factor: only a second factor that is shown makes more of it.
 */
@Injectable()
export class Devices {
  constructor(
    private readonly secrets: Secrets,
    private readonly policy: FactorPolicy,
    private readonly cursors: Cursors,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  /**
   * The account's device of the token that the request shows in its body or its cookie; null for an unknown, old or foreign
   * one. The same statement whether there is such an account or not.
   */
  async recognise(
    ctx: Pick<Ctx, 'cookies' | 'now'>,
    db: Pick<Db, 'query'>,
    accountId: string | null,
    shown: string | undefined,
  ): Promise<Recognised | null> {
    const token = shown ?? ctx.cookies.get(COOKIE);
    if (token === null || this.config.devices.rememberDays === 0) return null;
    const [row] = await db.query<{ deviceId: string }>(
      'SELECT device_id AS "deviceId" FROM auth.device WHERE token_mac = ANY($1) AND account_id = $2 AND expires_at > $3',
      [this.secrets.macs('device', token), accountId, ctx.now],
      'auth_device',
    );
    return row ? { ...row, token } : null;
  }

  /** Staff show their second factor each time, and so does everybody who must show one that cannot be phished. */
  mayRemember(roles: ReadonlySet<Role>): boolean {
    const { rememberDays } = this.config.devices;
    return rememberDays > 0 && !isStaff(roles) && this.policy.ruleOf(roles) !== 'required_phishing_resistant';
  }

  /** Remembers the device that was just signed in on with a second factor. Its token is said this once. */
  async remember(ctx: Ctx, accountId: string): Promise<DeviceToken> {
    await ctx.db.query(
      `DELETE FROM auth.device WHERE device_id IN (
         SELECT device_id FROM auth.device WHERE account_id = $1 ORDER BY last_used_at DESC, device_id DESC OFFSET $2)`,
      [accountId, MOST - 1],
    );
    const token = randomToken();
    const id = newId();
    const expiresAt = after(ctx.now, this.config.devices.rememberDays * DAY);
    await ctx.db.query(
      `INSERT INTO auth.device (device_id, account_id, token_mac, name, created_at, last_used_at, expires_at)
       VALUES ($1, $2, $3, $4, $5, $5, $6)`,
      [id, accountId, this.secrets.mac('device', token), deviceOf(ctx.client.userAgent), ctx.now, expiresAt],
    );
    ctx.touch({ patientId: null, type: 'Device', id });
    return handOver(ctx, token, expiresAt);
  }

  /** Uses the token up and resolves with the next one; null when another request was faster, or the device forgotten meanwhile. */
  async renew(ctx: Ctx, { deviceId, token }: Recognised): Promise<DeviceToken | null> {
    const next = randomToken();
    const [device] = await ctx.db.query<{ expiresAt: Date }>(
      `UPDATE auth.device SET token_mac = $3, last_used_at = $4, name = $5
        WHERE device_id = $1 AND token_mac = ANY($2) AND expires_at > $4 RETURNING expires_at AS "expiresAt"`,
      [
        deviceId,
        this.secrets.macs('device', token),
        this.secrets.mac('device', next),
        ctx.now,
        deviceOf(ctx.client.userAgent),
      ],
    );
    if (!device) return null;
    ctx.touch({ patientId: null, type: 'Device', id: deviceId });
    return handOver(ctx, next, device.expiresAt);
  }

  async list(ctx: SignedIn, query: DeviceQuery): Promise<Page<DeviceView>> {
    const params = new Params();
    const mine = accessible(ctx, 'list', 'Device', COLUMNS, params);
    const last = this.cursors.open<[string]>(ctx, 'devices', query);
    const from = last ? `AND device_id < ${params.add(last[0])}` : '';
    const rows = await ctx.db.query<DeviceView>(
      `SELECT ${VIEW} FROM auth.device WHERE expires_at > ${params.add(ctx.now)} AND account_id = ${params.add(ctx.actor.id)}
          AND ${mine} ${from} ORDER BY device_id DESC LIMIT ${params.add(limitOf(query) + 1)}`,
      params.values,
    );
    return this.cursors.page(
      ctx,
      'devices',
      query,
      rows,
      (row) => [row.id],
      (row) => row,
    );
  }

  /** Forgets one of the own devices; somebody else's does not exist. */
  async revoke(ctx: SignedIn, id: string): Promise<void> {
    const [device] = await ctx.db.query<{ accountId: string }>(
      'SELECT account_id AS "accountId" FROM auth.device WHERE device_id = $1 FOR UPDATE',
      [id],
    );
    if (!device) throw notFound();
    authorize(ctx, 'revoke', 'Device', device);
    await ctx.db.query('DELETE FROM auth.device WHERE device_id = $1', [id]);
    ctx.touch({ patientId: null, type: 'Device', id });
  }

  async revokeAll(ctx: SignedIn): Promise<void> {
    authorize(ctx, 'revoke', 'Device', { accountId: ctx.actor.id });
    await this.forget(ctx, ctx.actor.id);
  }

  /** Whatever changes how somebody is recognised forgets all their devices: the second factor is shown anew on each. */
  async forget(ctx: Pick<Ctx, 'db' | 'touch'>, accountId: string): Promise<void> {
    const rows = await ctx.db.query<{ id: string }>(
      'DELETE FROM auth.device WHERE account_id = $1 RETURNING device_id AS id',
      [accountId],
    );
    for (const { id } of rows) ctx.touch({ patientId: null, type: 'Device', id });
  }
}

/** In the way in which the client carries its session. */
function handOver({ client, cookies, now }: Ctx, token: string, expiresAt: Date): DeviceToken {
  if (client.transport === 'bearer') return { deviceToken: token };
  cookies.set(COOKIE, token, { maxAgeSeconds: (expiresAt.getTime() - now.getTime()) / 1000 });
  return {};
}
