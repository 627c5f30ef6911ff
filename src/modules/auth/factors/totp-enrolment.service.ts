import { Inject, Injectable } from '@nestjs/common';
import QRCode from 'qrcode';
import { authorize, type Ctx, type SignedIn } from '../../../platform/access/context.js';
import { CONFIG, type Config } from '../../../platform/config/config.js';
import { Database } from '../../../platform/database/database.js';
import { Vault } from '../../../platform/database/vault.js';
import { signInRequired } from '../../../platform/access/door.guard.js';
import { usernameOf } from '../account-state.js';
import { secondFactorMandatory, signInExpired, totpExists, totpMissing } from '../auth.errors.js';
import { placeOfTotp, SecondFactors } from './second-factors.js';
import { isStaff } from '../sessions/session.rules.js';
import { Sessions } from '../sessions/session.service.js';
import { SignIns } from '../sign-in/sign-ins.js';
import { newTotpSecret, otpauthUriOf } from './totp.rules.js';
import type { ConfirmTotp, EnrolledView, EnrolTotp, TotpView } from './totp.dto.js';

/** Setting up an authenticator app: during a sign-in that demands one (mfaToken), or later, signed in. */
@Injectable()
export class TotpEnrolment {
  constructor(
    private readonly database: Database,
    private readonly vault: Vault,
    private readonly factors: SecondFactors,
    private readonly signIns: SignIns,
    private readonly sessions: Sessions,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  /** A fresh secret, shown this once. It counts only after a code of it was confirmed. */
  async begin(ctx: Ctx, { mfaToken }: EnrolTotp): Promise<TotpView> {
    const accountId = await this.whoEnrols(ctx, mfaToken, 'enrol');
    const secret = newTotpSecret();
    await this.store(ctx, accountId, secret, false);
    const label = (await usernameOf(ctx.db, accountId)) ?? accountId;
    const otpauthUri = otpauthUriOf(secret, this.config.hospital.name, label);
    return { secret, otpauthUri, qrSvg: await QRCode.toString(otpauthUri, { type: 'svg', errorCorrectionLevel: 'M' }) };
  }

  /** The first right code: the app counts from now on, recovery codes are given out, and a sign-in under way is finished. */
  async confirm(ctx: Ctx, { mfaToken, code }: ConfirmTotp): Promise<EnrolledView> {
    const accountId = await this.whoEnrols(ctx, mfaToken, 'confirm');
    const isSigningIn = mfaToken !== undefined;
    const shown = await this.factors.checkTotp(ctx, accountId, code, false, isSigningIn ? 'signing-in' : 'signed-in');

    await this.sessions.letIn(ctx, accountId);
    if (isSigningIn) await this.signIns.finish(ctx, mfaToken, 'enrolment');
    await this.factors.accept(ctx, shown);
    const recoveryCodes = await this.factors.renewRecoveryCodes(ctx, accountId);
    ctx.touch({ patientId: null, type: 'SecondFactor', id: accountId });
    if (isSigningIn)
      return { ...(await this.sessions.open(ctx, accountId, { acr: 'aal2', amr: shown.amr })), recoveryCodes };
    const session = await this.sessions.strengthen(ctx as SignedIn, shown.amr);
    return { status: 'confirmed', session, recoveryCodes };
  }

  async remove(ctx: SignedIn): Promise<void> {
    authorize(ctx, 'delete', 'SecondFactor', { accountId: ctx.actor.id });
    if (isStaff(ctx.actor.roles)) throw secondFactorMandatory();
    const gone = await ctx.db.query(
      'DELETE FROM auth.totp WHERE account_id = $1 AND confirmed_at IS NOT NULL RETURNING 1',
      [ctx.actor.id],
    );
    if (gone.length === 0) throw totpMissing();
    await ctx.db.query('DELETE FROM auth.recovery_code WHERE account_id = $1', [ctx.actor.id]);
    await this.signIns.abandon(ctx.db, ctx.actor.id);
    ctx.touch({ patientId: null, type: 'SecondFactor', id: ctx.actor.id });
  }

  /** Writes a secret in place of one that was never confirmed. Throws auth.totp-exists beside a confirmed one. */
  async store(
    ctx: Pick<Ctx, 'db' | 'now' | 'afterCommit'>,
    accountId: string,
    secret: string,
    isConfirmed: boolean,
  ): Promise<void> {
    const sealed = await this.vault.seal(ctx, `account:${accountId}`, placeOfTotp(accountId), secret);
    const rows = await ctx.db.query(
      `INSERT INTO auth.totp AS t (account_id, secret, created_at, confirmed_at) VALUES ($1, $2, $3, $4)
       ON CONFLICT (account_id) DO UPDATE SET secret = excluded.secret, created_at = excluded.created_at, confirmed_at = excluded.confirmed_at
        WHERE t.confirmed_at IS NULL RETURNING 1`,
      [accountId, sealed, ctx.now, isConfirmed ? ctx.now : null],
    );
    if (rows.length === 0) throw totpExists();
  }

  /** With an mfaToken, whoever it belongs to; without, the person who is signed in. */
  private async whoEnrols(ctx: Ctx, mfaToken: string | undefined, action: 'enrol' | 'confirm'): Promise<string> {
    if (mfaToken === undefined) {
      if (!ctx.actor) throw signInRequired('auth.sign-in-required');
      authorize(ctx as SignedIn, action, 'SecondFactor', { accountId: ctx.actor.id });
      return ctx.actor.id;
    }
    const accountId = await this.database.write(null, (db) => this.signIns.find(db, mfaToken, 'enrolment', ctx.now));
    // Signed in as somebody else at the same time: the event could name only one of the two.
    if (accountId === null || (ctx.actor && ctx.actor.id !== accountId)) throw signInExpired();
    ctx.identify({ accountId });
    return accountId;
  }
}
