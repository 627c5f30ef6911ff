import { Injectable } from '@nestjs/common';
import type { Ctx } from '../../../platform/access/context.js';
import { randomToken } from '../../../platform/crypto/index.js';
import { holdActive, isOnlyBySso } from '../account-state.js';
import { passkeyRefused, tooManyChallenges } from '../auth.errors.js';
import { networkOf } from '../throttling/attempts.js';
import { SignIn } from '../sign-in/sign-in.service.js';
import type { TokensView } from '../sessions/session.dto.js';
import { Challenges, type ChallengeKey } from './challenges.js';
import { Factors } from './factors.service.js';
import { PasskeyAssertions } from './passkey-assertions.service.js';
import type { PasskeyChallengeView, SignInWithPasskey } from './passkey.dto.js';
import { Quotas } from './quotas.js';
import { CHALLENGE_SECONDS, RelyingParty } from './relying-party.js';

// Whole wards sign in from one address; what is bounded is how many open challenges a stranger can leave in the database.
const PER_NETWORK = [{ most: 300, seconds: CHALLENGE_SECONDS }];

const keyOf = (challengeToken: string): ChallengeKey => ({
  purpose: 'passkey-sign-in',
  accountId: null,
  boundTo: challengeToken,
});

/** Signing in with nothing but a passkey: its device checks who holds it, so that it counts as two factors (NIST SP 800-63B-4 §3.1.7). */
@Injectable()
export class PasskeySignIn {
  constructor(
    private readonly challenges: Challenges,
    private readonly quotas: Quotas,
    private readonly party: RelyingParty,
    private readonly assertions: PasskeyAssertions,
    private readonly factors: Factors,
    private readonly signIn: SignIn,
  ) {}

  async options(ctx: Ctx): Promise<PasskeyChallengeView> {
    const network = `passkey-sign-in\0${networkOf(ctx.client.address)}`;
    const waitSeconds = await this.quotas.take(ctx.db, network, PER_NETWORK, ctx.now);
    if (waitSeconds !== null) throw tooManyChallenges(waitSeconds);
    const [challengeToken, challenge] = [randomToken(), this.party.newChallenge()];
    const expiresAt = await this.challenges.issue(ctx, keyOf(challengeToken), challenge, CHALLENGE_SECONDS);
    return { challengeToken, expiresAt, options: await this.party.requestOptions(challenge, 'required') };
  }

  async finish(ctx: Ctx, { challengeToken, response }: SignInWithPasskey): Promise<TokensView> {
    // A discoverable credential says whose it is; one that does not was not asked for by these options.
    if (response.response.userHandle === undefined) throw passkeyRefused();
    const shown = await this.assertions.check(ctx, response, {
      key: keyOf(challengeToken),
      isUserVerified: true,
      refusal: passkeyRefused,
    });
    ctx.identify({ accountId: shown.accountId });
    if (!(await holdActive(ctx.db, shown.accountId))) throw passkeyRefused();
    if (await isOnlyBySso(ctx.db, shown.accountId)) throw passkeyRefused();
    await this.factors.accept(ctx, shown);
    return this.signIn.proceed(ctx, shown.accountId, { amr: [...shown.amr, 'mfa'], isPhishingResistant: true });
  }
}
