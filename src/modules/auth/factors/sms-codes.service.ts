import { Inject, Injectable } from '@nestjs/common';
import type { Ctx } from '../../../platform/access/context.js';
import { CONFIG, type Config } from '../../../platform/config/config.js';
import { randomDigits } from '../../../platform/crypto/index.js';
import { Database } from '../../../platform/database/database.js';
import { Outbox } from '../../../platform/outbox/outbox.js';
import { invalidCode, tooManyMessages, wrongCode } from '../auth.errors.js';
import { Attempts } from '../throttling/attempts.js';
import { Challenges, type ChallengeKey } from './challenges.js';
import type { Challenge, Shown, Situation } from './factor.js';
import { maskedNumber } from './phone-numbers.js';
import { Quotas, type Limit } from './quotas.js';

// NIST SP 800-63B-4 §3.1.3.2: at least six digits, good once, for at most ten minutes.
const DIGITS = 6;
const MINUTES = 10;
/** For each account, and for each number whichever account asks: nobody's phone is flooded, nor the hospital's bill. */
const SENDS: readonly Limit[] = [
  { most: 3, seconds: 10 * 60 },
  { most: 10, seconds: 86_400 },
];

/** NIST SP 800-63B-4 §3.2.9: users of a restricted authenticator are told what is wrong with it. */
export const NOTICE =
  'Codes by text message are less safe than a passkey or an authenticator app: a number can be taken over by others, and ' +
  'messages can be read on a locked screen. You can set up one of those at any time. Your recovery codes let you in when no message comes.';

/** A number that codes go to. */
export interface Recipient {
  accountId: string;
  number: string;
}

/** One-time codes by text message, sent on request only and checked like any other guessable secret. */
@Injectable()
export class SmsCodes {
  constructor(
    private readonly database: Database,
    private readonly attempts: Attempts,
    private readonly challenges: Challenges,
    private readonly quotas: Quotas,
    private readonly outbox: Outbox,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  /** A new code takes the place of the one before it; failures stay counted (§3.1.3.2). Throws auth.too-many-messages. */
  async send(ctx: Ctx, { accountId, number }: Recipient, key: ChallengeKey): Promise<Challenge> {
    for (const name of [`sms-account\0${accountId}`, `sms-number\0${number}`]) {
      const waitSeconds = await this.quotas.take(ctx.db, name, SENDS, ctx.now);
      if (waitSeconds !== null) throw tooManyMessages(waitSeconds);
    }
    const code = randomDigits(DIGITS);
    const expiresAt = await this.challenges.issue(ctx, key, code, MINUTES * 60);
    await this.outbox.sms(ctx, { to: number, text: this.text(code) }, expiresAt);
    return { expiresAt, sentTo: maskedNumber(number), notice: NOTICE };
  }

  async check(ctx: Ctx, key: ChallengeKey, accountId: string, code: string, { isSignedIn }: Situation): Promise<Shown> {
    const attempt = this.attempts.of('sms', accountId);
    const refused = await this.database.write(null, (db) => this.attempts.refusal(db, attempt, ctx.now));
    if (refused) throw refused;
    return {
      accountId,
      method: 'sms',
      amr: ['sms'],
      isPhishingResistant: false,
      attempt,
      refusal: isSignedIn ? wrongCode : invalidCode,
      useUp: ({ db, now }) => this.challenges.take(db, key, code, now),
    };
  }

  /** The last line binds the code to our site: browsers fill it in nowhere else (https://wicg.github.io/sms-one-time-codes/). */
  private text(code: string): string {
    const { hospital, http } = this.config;
    return [
      `${code} is your code for the portal of ${hospital.name}. It works for ${MINUTES} minutes. Give it to nobody, not even to us.`,
      '',
      `@${new URL(http.publicUrl).hostname} #${code}`,
    ].join('\n');
  }
}
