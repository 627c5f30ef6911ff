import { Inject, Injectable } from '@nestjs/common';
import QRCode from 'qrcode';
import type { Ctx, SignedIn } from '../../../platform/access/context.js';
import { CONFIG, type Config } from '../../../platform/config/config.js';
import { Vault } from '../../../platform/database/vault.js';
import { usernameOf } from '../account-state.js';
import { totpExists, totpMissing } from '../auth.errors.js';
import { FactorChanges } from './factor-changes.service.js';
import { Factors } from './factors.service.js';
import { placeOfTotp, TotpFactor } from './totp.factor.js';
import { newTotpSecret, otpauthUriOf } from './totp.rules.js';
import type { EnrolledView } from './factor.dto.js';
import type { ConfirmTotp, EnrolTotp, TotpView } from './totp.dto.js';

const WORDS = 'an authenticator app';

/** Setting up an authenticator app: during a sign-in that demands one (mfaToken), or later, signed in. */
@Injectable()
export class TotpEnrolment {
  constructor(
    private readonly vault: Vault,
    private readonly changes: FactorChanges,
    private readonly factors: Factors,
    private readonly totp: TotpFactor,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  /** A fresh secret, shown this once. It counts only after a code of it was confirmed. */
  async begin(ctx: Ctx, { mfaToken }: EnrolTotp): Promise<TotpView> {
    const { accountId } = await this.changes.begin(ctx, mfaToken, 'totp', 'enrol');
    const secret = newTotpSecret();
    await this.store(ctx, accountId, secret);
    const label = (await usernameOf(ctx.db, accountId)) ?? accountId;
    const otpauthUri = otpauthUriOf(secret, this.config.hospital.name, label);
    return { secret, otpauthUri, qrSvg: await QRCode.toString(otpauthUri, { type: 'svg', errorCorrectionLevel: 'M' }) };
  }

  /** The first right code: the app counts from now on, recovery codes are given out, and a sign-in under way is finished. */
  async confirm(ctx: Ctx, { mfaToken, code }: ConfirmTotp): Promise<EnrolledView> {
    const adding = await this.changes.begin(ctx, mfaToken, 'totp', 'confirm');
    const shown = await this.totp.checkCode(ctx, adding.accountId, code, false, adding.situation);
    const added = { ...shown, words: WORDS, renewsRecoveryCodes: true };
    return this.changes.add(ctx, adding, added, () => this.factors.accept(ctx, shown));
  }

  async remove(ctx: SignedIn): Promise<void> {
    const wasThere = await this.changes.remove(ctx, WORDS, async () => {
      const gone = await ctx.db.query(
        'DELETE FROM auth.totp WHERE account_id = $1 AND confirmed_at IS NOT NULL RETURNING 1',
        [ctx.actor.id],
      );
      return gone.length > 0;
    });
    if (!wasThere) throw totpMissing();
  }

  /** In place of one that was never confirmed. Throws auth.totp-exists beside a confirmed one. */
  private async store(ctx: Ctx, accountId: string, secret: string): Promise<void> {
    const sealed = await this.vault.seal(ctx, `account:${accountId}`, placeOfTotp(accountId), secret);
    const rows = await ctx.db.query(
      `INSERT INTO auth.totp AS t (account_id, secret, created_at) VALUES ($1, $2, $3)
       ON CONFLICT (account_id) DO UPDATE SET secret = excluded.secret, created_at = excluded.created_at
        WHERE t.confirmed_at IS NULL RETURNING 1`,
      [accountId, sealed, ctx.now],
    );
    if (rows.length === 0) throw totpExists();
  }
}
