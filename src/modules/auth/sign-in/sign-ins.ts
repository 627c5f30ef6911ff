import { Injectable } from '@nestjs/common';
import type { Ctx } from '../../../platform/access/context.js';
import { after } from '../../../platform/clock.js';
import { randomToken } from '../../../platform/crypto/index.js';
import type { Db } from '../../../platform/database/db.js';
import { signInExpired } from '../auth.errors.js';
import type { Proof, SsoOrigin } from '../factors/factor.js';
import { Secrets } from '../secrets.js';
import { deviceOf } from '../sessions/session.rules.js';

/** `mfa`: the second factor is to be shown; `enrolment`: one is to be set up; `password-change`: the password is to be replaced. A token of one is nothing to the other. */
type SignInPurpose = 'mfa' | 'enrolment' | 'password-change';

/** A sign-in under way: whose, and how they were recognised so far. */
export interface HalfSignedIn extends Proof {
  accountId: string;
}

/** How long the token of a sign-in is good. */
export const SIGN_IN_SECONDS = 5 * 60;
const OPEN = 'token_mac = ANY($1) AND purpose = $2 AND used_at IS NULL AND expires_at > $3';
const COLUMNS = `account_id AS "accountId", amr, is_phishing_resistant AS "isPhishingResistant",
  CASE WHEN sso_issuer IS NOT NULL THEN jsonb_build_object('issuer', sso_issuer, 'subject', sso_subject, 'sid', sso_sid) END AS sso`;

interface Row extends Omit<HalfSignedIn, 'sso'> {
  sso: SsoOrigin | null;
}

const halfSignedIn = ({ sso, ...row }: Row): HalfSignedIn => (sso ? { ...row, sso } : row);

/** Sign-ins between the password and the second factor. The token is all that the person has by then; it opens nothing else. */
@Injectable()
export class SignIns {
  constructor(private readonly secrets: Secrets) {}

  async begin(
    ctx: Pick<Ctx, 'db' | 'now' | 'client'>,
    accountId: string,
    purpose: SignInPurpose,
    { amr, isPhishingResistant, sso }: Proof,
  ): Promise<string> {
    const token = randomToken();
    await ctx.db.query(
      `INSERT INTO auth.sign_in (token_mac, account_id, purpose, expires_at, amr, is_phishing_resistant, sso_issuer, sso_subject, sso_sid,
                                 device, address)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)`,
      [
        this.secrets.mac('sign-in', token),
        accountId,
        purpose,
        after(ctx.now, SIGN_IN_SECONDS),
        amr,
        isPhishingResistant,
        sso?.issuer ?? null,
        sso?.subject ?? null,
        sso?.sid ?? null,
        deviceOf(ctx.client.userAgent),
        ctx.client.address,
      ],
    );
    return token;
  }

  /** The sign-in, or null when the token is unknown, used, too old or of another purpose. */
  async find(db: Pick<Db, 'query'>, token: string, purpose: SignInPurpose, now: Date): Promise<HalfSignedIn | null> {
    const [row] = await db.query<Row>(`SELECT ${COLUMNS} FROM auth.sign_in WHERE ${OPEN}`, [
      this.secrets.macs('sign-in', token),
      purpose,
      now,
    ]);
    return row ? halfSignedIn(row) : null;
  }

  /** Uses the token up, once: the statement decides which of several parallel requests is the one. Resolves with what was proved before. */
  async finish(ctx: Pick<Ctx, 'db' | 'now'>, token: string, purpose: SignInPurpose): Promise<HalfSignedIn> {
    const [row] = await ctx.db.query<Row>(`UPDATE auth.sign_in SET used_at = $3 WHERE ${OPEN} RETURNING ${COLUMNS}`, [
      this.secrets.macs('sign-in', token),
      purpose,
      ctx.now,
    ]);
    if (!row) throw signInExpired();
    return halfSignedIn(row);
  }

  /** Whoever is half-way in under this account starts again. */
  async abandon(db: Pick<Db, 'query'>, accountId: string): Promise<void> {
    await db.query('DELETE FROM auth.sign_in WHERE account_id = $1', [accountId]);
  }
}
