import { Injectable } from '@nestjs/common';
import type { Ctx } from '../../../platform/access/context.js';
import type { Db } from '../../../platform/database/db.js';
import { passkeyRefused, wrongPasskey } from '../auth.errors.js';
import { Challenges, type ChallengeKey } from './challenges.js';
import {
  Factor,
  responseOf,
  type Challenge,
  type FactorProof,
  type HeldFactor,
  type Shown,
  type Situation,
} from './factor.js';
import { PasskeyAssertions } from './passkey-assertions.service.js';
import { PasskeyRepository } from './passkey.repository.js';
import { CHALLENGE_SECONDS, RelyingParty } from './relying-party.js';

const keyOf = (accountId: string, { boundTo }: Situation): ChallengeKey => ({
  purpose: 'passkey-factor',
  accountId,
  boundTo,
});

/** A passkey beside the password: possession is enough, because the password was known. */
@Injectable()
export class PasskeyFactor extends Factor {
  readonly method = 'passkey';
  readonly isPhishingResistant = true;

  constructor(
    private readonly passkeys: PasskeyRepository,
    private readonly party: RelyingParty,
    private readonly challenges: Challenges,
    private readonly assertions: PasskeyAssertions,
  ) {
    super();
  }

  isEnrolled(db: Pick<Db, 'query'>, accountId: string): Promise<boolean> {
    return this.passkeys.any(db, accountId);
  }

  async held(db: Pick<Db, 'query'>, accountId: string): Promise<HeldFactor[]> {
    const rows = await db.query<Omit<HeldFactor, 'method' | 'restricted'>>(
      `SELECT passkey_id AS id, name, created_at AS "createdAt", last_used_at AS "lastUsedAt"
         FROM auth.passkey WHERE account_id = $1 ORDER BY passkey_id`,
      [accountId],
    );
    return rows.map((row) => ({ ...row, method: this.method, restricted: false }));
  }

  async forget(db: Pick<Db, 'query'>, accountId: string): Promise<void> {
    await db.query('DELETE FROM auth.passkey WHERE account_id = $1', [accountId]);
  }

  override async challenge(ctx: Ctx, accountId: string, situation: Situation): Promise<Challenge> {
    const challenge = this.party.newChallenge();
    const expiresAt = await this.challenges.issue(ctx, keyOf(accountId, situation), challenge, CHALLENGE_SECONDS);
    const known = await this.passkeys.knownTo(ctx.db, accountId);
    return { expiresAt, options: await this.party.requestOptions(challenge, 'preferred', known) };
  }

  check(ctx: Ctx, accountId: string, proof: FactorProof, situation: Situation): Promise<Shown> {
    return this.assertions.check(ctx, responseOf(proof), {
      key: keyOf(accountId, situation),
      isUserVerified: false,
      refusal: situation.isSignedIn ? wrongPasskey : passkeyRefused,
    });
  }
}
