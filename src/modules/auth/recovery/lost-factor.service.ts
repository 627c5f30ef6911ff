import { Inject, Injectable } from '@nestjs/common';
import type { Ctx } from '../../../platform/access/context.js';
import { after } from '../../../platform/clock.js';
import { CONFIG, type Config } from '../../../platform/config/config.js';
import { normaliseCode, randomCode } from '../../../platform/crypto/index.js';
import { Database } from '../../../platform/database/database.js';
import type { Db } from '../../../platform/database/db.js';
import { holdActive, holdAlone } from '../account-state.js';
import { askHospital, invalidCode, methodNotOffered, signInExpired, tooManyAttempts } from '../auth.errors.js';
import { Factors } from '../factors/factors.service.js';
import { signingIn } from '../factors/factor.js';
import { Quotas, type Limit } from '../factors/quotas.js';
import { Secrets } from '../secrets.js';
import type { TokensView } from '../sessions/session.dto.js';
import { isStaff } from '../sessions/session.rules.js';
import { SignIn } from '../sign-in/sign-in.service.js';
import { SignIns, type HalfSignedIn } from '../sign-in/sign-ins.js';
import { Attempts } from '../throttling/attempts.js';
import { Addresses } from './addresses.js';
import { FactorResets } from './factor-resets.js';
import { Notices } from './notices.js';
import { RecoveryMails } from './recovery-mails.js';
import type { ConfirmLostFactor, LostFactorView } from './recovery.dto.js';

const CODE_MINUTES = 30;
const MAILS: readonly Limit[] = [{ most: 3, seconds: 3600 }];
/** A report that nobody came back to is forgotten, and its wait begins anew. */
const REPORT_DAYS = 7;

interface Report {
  reportedAt: Date;
}

/**
 * A lost phone. Whoever knows the password shows a second proof of another kind: a saved recovery code at once, or, patients
 * only, a code mailed to the verified address after a wait (NIST SP 800-63B-4 §4.2.2.2: one recovery code and one bound
 * authenticator). In the wait, which the standard does not ask for, the holder is told and stops it by any sign-in with a
 * second factor: a mailbox and a password are often lost together. Staff without a recovery code go to an administrator.
 */
@Injectable()
export class LostFactor {
  constructor(
    private readonly database: Database,
    private readonly secrets: Secrets,
    private readonly attempts: Attempts,
    private readonly addresses: Addresses,
    private readonly factors: Factors,
    private readonly signIn: SignIn,
    private readonly signIns: SignIns,
    private readonly resets: FactorResets,
    private readonly quotas: Quotas,
    private readonly mails: RecoveryMails,
    private readonly notices: Notices,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  /** The first time begins the wait; once it is over, mails a code. */
  async report(ctx: Ctx, mfaToken: string): Promise<LostFactorView> {
    const { accountId, person } = await this.whoLost(ctx, mfaToken);
    if (isStaff(person.roles)) throw askHospital();
    if (!(await holdActive(ctx.db, accountId))) throw signInExpired();
    const address = await this.addresses.of(ctx.db, accountId);
    if (!address?.isVerified) throw askHospital();
    const report = await this.reportOf(ctx, accountId);
    const usableAt = after(report.reportedAt, this.config.recovery.lostFactorWaitSeconds);
    if (usableAt > ctx.now) return { status: 'waiting', usableAt };
    return { status: 'code_sent', usableAt, expiresAt: await this.mailCode(ctx, accountId, address.email) };
  }

  /** The second proof was right: the lost factors go, and the sign-in goes on with setting up a new one. */
  async confirm(ctx: Ctx, { mfaToken, method, code }: ConfirmLostFactor): Promise<TokensView> {
    const { accountId, person, offered } = await this.whoLost(ctx, mfaToken);
    if (method === 'email' && isStaff(person.roles)) throw askHospital();
    if (method === 'recovery_code' && !offered.includes('recovery_code')) throw methodNotOffered();
    const accept =
      method === 'email'
        ? await this.checkMailed(ctx, accountId, code)
        : await this.checkSaved(ctx, accountId, mfaToken, code);

    if (!(await holdAlone(ctx.db, accountId))) throw signInExpired();
    const { amr, isPhishingResistant } = await this.signIns.finish(ctx, mfaToken, 'mfa');
    await accept();
    await this.resets.run(ctx, accountId);
    return this.signIn.proceed(ctx, accountId, { amr, isPhishingResistant });
  }

  /** Whose sign-in it is, after the right password: another provider's word is no authenticator that is bound here. */
  private async whoLost(ctx: Ctx, mfaToken: string) {
    return this.database.write(null, async (db) => {
      const signIn: HalfSignedIn | null = await this.signIns.find(db, mfaToken, 'mfa', ctx.now);
      if (!signIn) throw signInExpired();
      const { accountId } = signIn;
      ctx.identify({ accountId });
      if (!signIn.amr.includes('pwd')) throw askHospital();
      return { accountId, ...(await this.signIn.standing(db, accountId, ctx.now)) };
    });
  }

  /** The report that counts; a new one, with notices, where there is none, it is too old, or the holder was in with a second factor since. */
  private async reportOf(ctx: Ctx, accountId: string): Promise<Report> {
    const [fresh] = await ctx.db.query<Report>(
      `INSERT INTO auth.lost_factor AS l (account_id, reported_at) VALUES ($1, $2)
       ON CONFLICT (account_id) DO UPDATE SET reported_at = excluded.reported_at, code_mac = NULL, code_expires_at = NULL
        WHERE l.reported_at <= $3 OR ${STOPPED} RETURNING reported_at AS "reportedAt"`,
      [accountId, ctx.now, after(ctx.now, -REPORT_DAYS * 86_400)],
    );
    if (!fresh) {
      const [standing] = await ctx.db.query<Report>(
        'SELECT reported_at AS "reportedAt" FROM auth.lost_factor WHERE account_id = $1',
        [accountId],
      );
      return standing!;
    }
    await this.notices.security(ctx, accountId, 'recovery-requested', {
      more: ['If it was not you: sign in with your second factor, which stops it, and change your password.'],
    });
    return fresh;
  }

  private async mailCode(ctx: Ctx, accountId: string, email: string): Promise<Date> {
    const wait = await this.quotas.take(ctx.db, `lost-factor-mail\0${accountId}`, MAILS, ctx.now);
    if (wait !== null) throw tooManyAttempts(wait);
    const code = randomCode();
    const expiresAt = after(ctx.now, CODE_MINUTES * 60);
    await ctx.db.query('UPDATE auth.lost_factor SET code_mac = $2, code_expires_at = $3 WHERE account_id = $1', [
      accountId,
      this.secrets.mac('lost-factor', normaliseCode(code)!),
      expiresAt,
    ]);
    await this.mails.lostFactorCode(ctx, email, code, CODE_MINUTES);
    return expiresAt;
  }

  private async checkSaved(ctx: Ctx, accountId: string, mfaToken: string, code: string): Promise<() => Promise<void>> {
    const shown = await this.factors.check(ctx, accountId, 'recovery_code', { code }, signingIn(mfaToken));
    return () => this.factors.accept(ctx, shown);
  }

  /** Counted before the code is looked at. A new code does not begin a new count (NIST SP 800-63B-4 §3.2.2). */
  private async checkMailed(ctx: Ctx, accountId: string, typed: string): Promise<() => Promise<void>> {
    const attempt = this.attempts.of('lost-factor', accountId);
    const refused = await this.database.write(null, (db) => this.attempts.refusal(db, attempt, ctx.now));
    if (refused) throw refused;
    const code = normaliseCode(typed);
    if (code === null) throw invalidCode();
    return async () => {
      if (!(await this.useMailed(ctx.db, accountId, code, ctx.now))) throw invalidCode();
      await this.attempts.succeeded(ctx.db, attempt);
    };
  }

  private async useMailed(db: Db, accountId: string, code: string, now: Date): Promise<boolean> {
    const rows = await db.query(
      `DELETE FROM auth.lost_factor l
        WHERE l.account_id = $1 AND l.code_mac = ANY($2) AND l.code_expires_at > $3 AND NOT ${STOPPED} RETURNING 1`,
      [accountId, this.secrets.macs('lost-factor', code), now],
    );
    return rows.length > 0;
  }
}

/**
 * Whoever was in with a second factor since the report has not lost it. And a report is good for the password by which it was
 * made: another one, or word that others may know it, begins the wait anew.
 */
const STOPPED = `(EXISTS (
  SELECT 1 FROM auth.session s WHERE s.account_id = l.account_id AND s.acr = 'aal2' AND s.auth_time > l.reported_at)
  OR EXISTS (
  SELECT 1 FROM auth.credential c WHERE c.account_id = l.account_id AND greatest(c.changed_at, c.expired_at) > l.reported_at))`;
