import { Injectable } from '@nestjs/common';
import type { Ctx } from '../../../platform/access/context.js';
import { Database } from '../../../platform/database/database.js';
import type { Problem } from '../../../platform/http/problem.js';
import { passkeyCopied } from '../auth.errors.js';
import { Notices } from '../recovery/notices.js';
import { Challenges, type ChallengeKey } from './challenges.js';
import type { Shown } from './factor.js';
import type { AssertionResponse } from './assertion.dto.js';
import { PasskeyRepository } from './passkey.repository.js';
import { RelyingParty, type Assertion, type StoredPasskey } from './relying-party.js';

interface Demand {
  key: ChallengeKey;
  /** The device must have checked its holder (PIN, finger, face): it alone then counts as two factors. */
  isUserVerified: boolean;
  refusal: () => Problem;
}

/** Checks what passkeys signed, in every place where one may be shown. */
@Injectable()
export class PasskeyAssertions {
  constructor(
    private readonly database: Database,
    private readonly challenges: Challenges,
    private readonly passkeys: PasskeyRepository,
    private readonly party: RelyingParty,
    private readonly notices: Notices,
  ) {}

  /**
   * The same refusal after the same work for an unknown passkey, somebody else's, a wrong signature, origin or challenge. The
   * challenge is used up whatever comes of it: one answer, one check.
   */
  async check(ctx: Ctx, response: AssertionResponse, { key, isUserVerified, refusal }: Demand): Promise<Shown> {
    const challenge = await this.party.challengeIn(response.response.clientDataJSON);
    if (challenge === null) throw refusal();
    const { isFresh, passkey } = await this.database.write(null, async (db) => {
      const isFresh = await this.challenges.take(db, key, challenge, ctx.now);
      return { isFresh, passkey: await this.passkeys.find(db, Buffer.from(response.id, 'base64url')) };
    });
    const isTheirs = passkey !== null && (key.accountId ?? passkey.accountId) === passkey.accountId;
    const assertion = await this.party.verifyAssertion(response, challenge, isTheirs ? passkey : null, isUserVerified);
    if (!isFresh || !isTheirs || !assertion) throw refusal();
    await this.requireProgress(ctx, passkey, assertion);
    return {
      accountId: passkey.accountId,
      method: 'passkey',
      amr: [passkey.isBackupEligible ? 'swk' : 'hwk', 'user'],
      isPhishingResistant: true,
      attempt: null,
      refusal,
      useUp: (work) => this.passkeys.use(work, passkey.passkeyId, assertion),
    };
  }

  /** WebAuthn Level 3 §6.1.1: a counter that did not move on means that two devices sign with one key. The owner is told. */
  private async requireProgress(ctx: Ctx, passkey: StoredPasskey, { counter }: Assertion): Promise<void> {
    if (counter > passkey.counter || (counter === 0 && passkey.counter === 0)) return;
    ctx.identify({ accountId: passkey.accountId });
    await this.database.write(null, (db) => this.notices.security({ ...ctx, db }, passkey.accountId, 'passkey-copied'));
    throw passkeyCopied();
  }
}
