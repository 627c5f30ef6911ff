import { Injectable } from '@nestjs/common';
import type { SignedIn } from '../../../platform/access/context.js';
import { Database } from '../../../platform/database/database.js';
import { Vault } from '../../../platform/database/vault.js';
import { newId } from '../../../platform/ids.js';
import { notMobile, numberInUse, smsMissing } from '../auth.errors.js';
import { Secrets } from '../secrets.js';
import type { ChallengeKey } from './challenges.js';
import { FactorChanges } from './factor-changes.service.js';
import type { ChallengeView, EnrolledView } from './factor.dto.js';
import { FactorHolders } from './factor-holders.js';
import { Factors } from './factors.service.js';
import { mobileNumberOf } from './phone-numbers.js';
import { SmsCodes } from './sms-codes.service.js';
import { placeOfNumber } from './sms.factor.js';
import type { ConfirmSms, EnrolSms } from './sms.dto.js';

const WORDS = 'codes by text message';

/** Bound to this very number too: a code that went to one phone confirms no other. */
const keyOf = ({ actor }: SignedIn, numberId: string): ChallengeKey => ({
  purpose: 'sms-enrolment',
  accountId: actor.id,
  boundTo: `${actor.sessionId}\0${numberId}`,
});

/** Setting up codes by text message, changing the number, giving it up. Always by somebody who is signed in and has just shown it. */
@Injectable()
export class SmsEnrolment {
  constructor(
    private readonly database: Database,
    private readonly vault: Vault,
    private readonly secrets: Secrets,
    private readonly changes: FactorChanges,
    private readonly factors: Factors,
    private readonly holders: FactorHolders,
    private readonly codes: SmsCodes,
  ) {}

  /** Sends a code to the number, which counts only after that was confirmed. The answer holds the notice to show. */
  async begin(ctx: SignedIn, input: EnrolSms): Promise<ChallengeView> {
    const { accountId } = await this.changes.begin(ctx, undefined, 'sms', 'enrol');
    const number = mobileNumberOf(input.number);
    if (number === null) throw notMobile();
    await this.holders.turn(ctx.db, accountId);
    const id = newId();
    const sealed = await this.vault.seal(ctx, `account:${accountId}`, placeOfNumber(id), number);
    await ctx.db.query('DELETE FROM auth.sms_number WHERE account_id = $1 AND confirmed_at IS NULL', [accountId]);
    await ctx.db.query(
      'INSERT INTO auth.sms_number (sms_number_id, account_id, number, number_mac, created_at) VALUES ($1, $2, $3, $4, $5)',
      [id, accountId, sealed, this.secrets.mac('number', number), ctx.now],
    );
    ctx.touch({ patientId: null, type: 'SecondFactor', id: accountId });
    return { method: 'sms', ...(await this.codes.send(ctx, { accountId, number }, keyOf(ctx, id))) };
  }

  /** The number takes the place of the one before. Throws auth.number-in-use only to somebody who reads what is sent there. */
  async confirm(ctx: SignedIn, { code }: ConfirmSms): Promise<EnrolledView> {
    const adding = await this.changes.begin(ctx, undefined, 'sms', 'confirm');
    const pending = await this.pending(ctx);
    const shown = await this.codes.check(ctx, keyOf(ctx, pending.id), adding.accountId, code, adding.situation);
    return this.changes.add(ctx, adding, { ...shown, words: WORDS }, async () => {
      await this.factors.accept(ctx, shown);
      await this.requireUnused(ctx, pending.id);
      await ctx.db.query('DELETE FROM auth.sms_number WHERE account_id = $1 AND confirmed_at IS NOT NULL', [
        adding.accountId,
      ]);
      const rows = await ctx.db.query(
        'UPDATE auth.sms_number SET confirmed_at = $2, last_used_at = $2 WHERE sms_number_id = $1 AND confirmed_at IS NULL RETURNING 1',
        [pending.id, ctx.now],
      );
      if (rows.length === 0) throw smsMissing();
    });
  }

  async remove(ctx: SignedIn): Promise<void> {
    const wasThere = await this.changes.remove(ctx, WORDS, async () => {
      const gone = await ctx.db.query(
        'DELETE FROM auth.sms_number WHERE account_id = $1 AND confirmed_at IS NOT NULL RETURNING 1',
        [ctx.actor.id],
      );
      return gone.length > 0;
    });
    if (!wasThere) throw smsMissing();
  }

  private async pending({ actor }: SignedIn): Promise<{ id: string }> {
    const [row] = await this.database.write(null, (db) =>
      db.query<{ id: string }>(
        'SELECT sms_number_id AS id FROM auth.sms_number WHERE account_id = $1 AND confirmed_at IS NULL',
        [actor.id],
      ),
    );
    if (!row) throw smsMissing();
    return row;
  }

  /** The unique index decides between parallel requests; MACs from before a rotation of the key are looked up here. */
  private async requireUnused(ctx: SignedIn, id: string): Promise<void> {
    const [row] = await ctx.db.query<{ number: Buffer }>(
      'SELECT number FROM auth.sms_number WHERE sms_number_id = $1',
      [id],
    );
    if (!row) throw smsMissing();
    const number = (await this.vault.open(ctx, placeOfNumber(id), row.number)).toString();
    const others = await ctx.db.query(
      'SELECT 1 FROM auth.sms_number WHERE number_mac = ANY($1) AND account_id <> $2 AND confirmed_at IS NOT NULL',
      [this.secrets.macs('number', number), ctx.actor.id],
    );
    if (others.length > 0) throw numberInUse();
  }
}
