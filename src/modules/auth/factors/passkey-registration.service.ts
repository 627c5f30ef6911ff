import { Injectable } from '@nestjs/common';
import type { Ctx } from '../../../platform/access/context.js';
import { Database } from '../../../platform/database/database.js';
import { usernameOf } from '../account-state.js';
import { passkeyRefused, tooManyPasskeys, wrongPasskey } from '../auth.errors.js';
import { deviceOf } from '../sessions/session.rules.js';
import { Challenges, type ChallengeKey } from './challenges.js';
import { FactorChanges, type Adding } from './factor-changes.service.js';
import { FactorHolders } from './factor-holders.js';
import { PasskeyRepository } from './passkey.repository.js';
import { CHALLENGE_SECONDS, RelyingParty, type NewPasskey } from './relying-party.js';
import type { EnrolledView } from './factor.dto.js';
import type { BeginPasskey, PasskeyOptionsView, RegisterPasskey } from './passkey.dto.js';

const keyOf = ({ accountId, situation }: Adding): ChallengeKey => ({
  purpose: 'passkey-registration',
  accountId,
  boundTo: situation.boundTo,
});

/** Setting up a passkey: during a sign-in that demands one (mfaToken), or later, signed in. */
@Injectable()
export class PasskeyRegistration {
  constructor(
    private readonly database: Database,
    private readonly changes: FactorChanges,
    private readonly holders: FactorHolders,
    private readonly challenges: Challenges,
    private readonly passkeys: PasskeyRepository,
    private readonly party: RelyingParty,
  ) {}

  /** What the browser needs; authenticators that hold a passkey of this account already are left out. */
  async options(ctx: Ctx, { mfaToken }: BeginPasskey): Promise<PasskeyOptionsView> {
    const adding = await this.changes.begin(ctx, mfaToken, 'passkey', 'enrol');
    const handle = await this.holders.turn(ctx.db, adding.accountId);
    const known = await this.passkeys.knownTo(ctx.db, adding.accountId);
    if (this.passkeys.isFull(known)) throw tooManyPasskeys();
    const challenge = this.party.newChallenge();
    await this.challenges.issue(ctx, keyOf(adding), challenge, CHALLENGE_SECONDS);
    const name = (await usernameOf(ctx.db, adding.accountId)) ?? '';
    return { options: await this.party.registrationOptions(challenge, { handle, name }, known) };
  }

  async register(ctx: Ctx, { mfaToken, response, name }: RegisterPasskey): Promise<EnrolledView> {
    const adding = await this.changes.begin(ctx, mfaToken, 'passkey', 'confirm');
    const passkey = await this.checked(ctx, adding, response);
    const added = {
      method: 'passkey',
      amr: [passkey.isBackupEligible ? 'swk' : 'hwk', 'user'],
      isPhishingResistant: true,
      words: 'a passkey',
    } as const;
    return this.changes.add(ctx, adding, added, async () => {
      const isAdded = await this.passkeys.add(ctx, adding.accountId, name ?? deviceOf(ctx.client.userAgent), passkey);
      if (!isAdded) throw tooManyPasskeys();
    });
  }

  private async checked(ctx: Ctx, adding: Adding, response: RegisterPasskey['response']): Promise<NewPasskey> {
    const refusal = adding.situation.isSignedIn ? wrongPasskey : passkeyRefused;
    const challenge = await this.party.challengeIn(response.response.clientDataJSON);
    if (challenge === null) throw refusal();
    const isFresh = await this.database.write(null, (db) =>
      this.challenges.take(db, keyOf(adding), challenge, ctx.now),
    );
    if (!isFresh) throw refusal();
    const passkey = await this.party.verifyRegistration(response, challenge);
    if (!passkey) throw refusal();
    return passkey;
  }
}
