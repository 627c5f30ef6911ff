import { Injectable } from '@nestjs/common';
import type { Ctx } from '../../../platform/access/context.js';
import { after } from '../../../platform/clock.js';
import { randomToken } from '../../../platform/crypto/index.js';
import type { Db } from '../../../platform/database/db.js';
import type { SsoOrigin } from '../factors/factor.js';
import { Secrets } from '../secrets.js';
import { browserOf } from './sso-browser.js';
import { ssoExpired } from './sso.errors.js';
import type { Vouching } from './sso.rules.js';

const SECONDS = 60;
const OPEN = 'code_mac = ANY($1) AND browser_mac = ANY($2) AND used_at IS NULL AND expires_at > $3';

/** Somebody whom a provider has vouched for, on the last steps from its answer to their tokens. */
export interface VouchedFor {
  accountId: string;
  origin: SsoOrigin;
  vouching: Vouching;
  returnTo: string;
}

interface Row {
  account_id: string;
  issuer: string;
  subject: string;
  sid: string | null;
  has_second_factor: boolean;
  is_phishing_resistant: boolean;
  auth_time: Date;
  return_to: string;
}

/** Codes that the front end exchanges for tokens, so that no token is ever in an address: a minute, once, in the same browser. */
@Injectable()
export class SsoCodes {
  constructor(private readonly secrets: Secrets) {}

  async create(ctx: Ctx, { accountId, origin, vouching, returnTo }: VouchedFor): Promise<string> {
    const browser = browserOf(ctx);
    if (browser === null) throw ssoExpired();
    const code = randomToken();
    await ctx.db.query(
      `INSERT INTO auth.sso_code (code_mac, browser_mac, account_id, issuer, subject, sid, has_second_factor, is_phishing_resistant,
                                  auth_time, return_to, expires_at)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`,
      [
        this.secrets.mac('sso-code', code),
        this.secrets.mac('sso-browser', browser),
        accountId,
        origin.issuer,
        origin.subject,
        origin.sid,
        vouching.hasSecondFactor,
        vouching.isPhishingResistant,
        vouching.authTime,
        returnTo,
        after(ctx.now, SECONDS),
      ],
    );
    return code;
  }

  /** Whose code it is; null when it is unknown, used, too old or another browser's. */
  async find(db: Pick<Db, 'query'>, ctx: Ctx, code: string): Promise<string | null> {
    const [row] = await db.query<Row>(`SELECT account_id FROM auth.sso_code WHERE ${OPEN}`, this.key(ctx, code));
    return row?.account_id ?? null;
  }

  /** Uses it up, once: the statement decides which of several parallel requests is the one. */
  async finish(ctx: Ctx, code: string): Promise<VouchedFor> {
    const [row] = await ctx.db.query<Row>(
      `UPDATE auth.sso_code SET used_at = $3 WHERE ${OPEN}
       RETURNING account_id, issuer, subject, sid, has_second_factor, is_phishing_resistant, auth_time, return_to`,
      this.key(ctx, code),
    );
    if (!row) throw ssoExpired();
    return {
      accountId: row.account_id,
      origin: { issuer: row.issuer, subject: row.subject, sid: row.sid },
      vouching: {
        hasSecondFactor: row.has_second_factor,
        isPhishingResistant: row.is_phishing_resistant,
        authTime: row.auth_time,
      },
      returnTo: row.return_to,
    };
  }

  private key(ctx: Ctx, code: string): unknown[] {
    const browser = browserOf(ctx);
    if (browser === null) throw ssoExpired();
    return [this.secrets.macs('sso-code', code), this.secrets.macs('sso-browser', browser), ctx.now];
  }
}
