import { Inject, Injectable } from '@nestjs/common';
import type { Ctx } from '../../../platform/access/context.js';
import { CONFIG, type Config } from '../../../platform/config/config.js';
import { Outbox } from '../../../platform/outbox/outbox.js';
import { RESET_MINUTES } from './password-resets.js';

type Work = Pick<Ctx, 'db' | 'now' | 'afterCommit'>;

const FIRST = {
  asked: (hospital: string) => `Somebody asked for a new password for the portal of ${hospital}.`,
  administrator: (hospital: string) => `${hospital} sends you this link to choose a new password for its portal.`,
  expired: (hospital: string) =>
    `Your password for the portal of ${hospital} may be known to others. Somebody signed in with it: it opens nothing any more.`,
};

const NOT_ME = 'If you did not ask for this, you need not do anything.';

/**
 * Mails that carry a code, a link or a username. Links are made of PUBLIC_URL alone, never of what a request says of its host
 * (OWASP Forgot Password Cheat Sheet); the token stands behind `#`, which browsers send to nobody.
 */
@Injectable()
export class RecoveryMails {
  constructor(
    private readonly outbox: Outbox,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  /** `to` null: the same work for nobody. */
  passwordLinks(
    ctx: Work,
    to: string | null,
    links: readonly { username: string; token: string }[],
    because: keyof typeof FIRST = 'asked',
  ): Promise<void> {
    const { hospital, http } = this.config;
    return this.send(ctx, to, `Your password at the portal of ${hospital.name}`, [
      FIRST[because](hospital.name),
      '',
      ...links.flatMap(({ username, token }) => [
        `To choose one for ${username}, go to:`,
        '',
        `    ${http.publicUrl}/reset-password#token=${token}`,
        '',
      ]),
      `The link works once, for ${RESET_MINUTES} minutes. Give it to nobody: the hospital never asks for it.`,
      'Where you confirm your sign-in with an app, a passkey or your phone, you will be asked for that as well.',
      because === 'expired' ? 'If it was not you, somebody else has your password: choose another one now.' : NOT_ME,
    ]);
  }

  usernames(ctx: Work, to: string | null, usernames: readonly string[]): Promise<void> {
    const { hospital, http } = this.config;
    return this.send(ctx, to, `Your username at the portal of ${hospital.name}`, [
      `Somebody asked which usernames belong to this address at the portal of ${hospital.name}:`,
      '',
      ...usernames.map((username) => `    ${username}`),
      '',
      `You can sign in with it at ${http.publicUrl}.`,
      NOT_ME,
    ]);
  }

  addressCheck(ctx: Work, to: string, code: string, hours: number): Promise<void> {
    const { hospital } = this.config;
    return this.send(ctx, to, `Confirm your email address for the portal of ${hospital.name}`, [
      `This address is to be used for an account at the portal of ${hospital.name}.`,
      'To confirm it, enter this code in your account:',
      '',
      `    ${code}`,
      '',
      `The code works once, for ${hours} hours. Until then nothing changes.`,
      'If this is not about you, you need not do anything.',
    ]);
  }

  lostFactorCode(ctx: Work, to: string, code: string, minutes: number): Promise<void> {
    const { hospital } = this.config;
    return this.send(ctx, to, `Your sign-in at the portal of ${hospital.name}`, [
      `With this code you take away the lost ways to confirm your sign-in at the portal of ${hospital.name}, and set up a new one:`,
      '',
      `    ${code}`,
      '',
      `The code works once, for ${minutes} minutes, together with your password. Give it to nobody: the hospital never asks for it.`,
      `If you did not ask for this, somebody knows your password: change it and tell ${hospital.name}.`,
    ]);
  }

  private send(ctx: Work, to: string | null, subject: string, lines: readonly string[]): Promise<void> {
    const text = lines.join('\n');
    return to === null
      ? this.outbox.decoy(ctx, { to: '', subject, text })
      : this.outbox.mail(ctx, { to, subject, text });
  }
}
