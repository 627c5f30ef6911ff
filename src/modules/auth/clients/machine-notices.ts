import { Inject, Injectable } from '@nestjs/common';
import type { Ctx, SignedIn } from '../../../platform/access/context.js';
import { CONFIG, type Config } from '../../../platform/config/config.js';
import { Outbox } from '../../../platform/outbox/outbox.js';
import { Accounts } from '../../users/index.js';
import { Addresses } from '../recovery/addresses.js';

/** By what a machine is known. Of a bearer secret its name; the secret itself is nowhere. */
export interface MachineCredential {
  accountId: string;
  kind: 'key' | 'certificate' | 'bearer-secret';
  /** Thumbprint, or the name of a bearer secret. */
  name: string;
  expiresAt: Date;
}

const KINDS: Record<MachineCredential['kind'], string> = {
  key: 'public key',
  certificate: 'certificate',
  'bearer-secret': 'bearer secret for SCIM',
};

const HOW_TO_RENEW: Record<MachineCredential['kind'], string> = {
  key: 'have the client make a new key pair, register its public half (POST /v1/users/{client}/keys), change the client over, and take the old key away.',
  certificate:
    'have the client get a new certificate, register it (POST /v1/users/{client}/keys), change the client over, and take the old one away.',
  'bearer-secret':
    'make a new one (POST /v1/users/{client}/scim-tokens), enter it in the directory, and revoke the old one.',
};

/**
 * Tells all administrators what happens to the keys of machines: whoever adds one comes in by it without a person, and whatever
 * runs out stops working. Each mail names the client and the day, never a secret.
 */
@Injectable()
export class MachineNotices {
  constructor(
    private readonly accounts: Accounts,
    private readonly addresses: Addresses,
    private readonly outbox: Outbox,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  registered(ctx: SignedIn, credential: MachineCredential): Promise<void> {
    return this.changed(ctx, credential, 'was added: whoever holds it comes in with it from now on.');
  }

  removed(ctx: SignedIn, credential: MachineCredential): Promise<void> {
    return this.changed(ctx, credential, 'was taken away: it opens nothing any more.');
  }

  async runOut(ctx: Ctx, credentials: readonly MachineCredential[]): Promise<void> {
    const names = await this.namesOf(ctx, credentials);
    await this.mail(ctx, 'What machines come in with runs out soon', [
      'Renew these in time, or their clients stop working:',
      ...credentials.flatMap((one) => [
        '',
        ...this.described(one, names),
        `To renew it, ${HOW_TO_RENEW[one.kind].replace('{client}', one.accountId)}`,
      ]),
    ]);
  }

  private async changed(ctx: SignedIn, credential: MachineCredential, what: string): Promise<void> {
    const names = await this.namesOf(ctx, [credential, { accountId: ctx.actor.id }]);
    await this.mail(ctx, 'What a machine comes in with was changed', [
      `A ${KINDS[credential.kind]} ${what}`,
      '',
      ...this.described(credential, names),
      `By: ${names.get(ctx.actor.id) ?? ''} (${ctx.actor.id})`,
      `When: ${ctx.now.toISOString().slice(0, 16).replace('T', ' ')} UTC`,
      '',
      'If you know of this, there is nothing to do.',
      'If not, ask who did it. To stop the client at once, disable its account.',
    ]);
  }

  private described({ accountId, kind, name, expiresAt }: MachineCredential, names: Map<string, string>): string[] {
    return [
      `Client: ${names.get(accountId) ?? ''} (${accountId})`,
      `What: ${KINDS[kind]} ${oneLine(name)}`,
      `Runs out: ${expiresAt.toISOString().slice(0, 10)}`,
    ];
  }

  private async namesOf(ctx: Ctx, of: readonly { accountId: string }[]): Promise<Map<string, string>> {
    const rows = await ctx.db.query<{ id: string; name: string }>(
      'SELECT account_id AS id, display_name AS name FROM users.account WHERE account_id = ANY($1)',
      [of.map(({ accountId }) => accountId)],
    );
    return new Map(rows.map(({ id, name }) => [id, oneLine(name)]));
  }

  private async mail(ctx: Ctx, subject: string, lines: readonly string[]): Promise<void> {
    const { hospital } = this.config;
    const text = [`This is about the portal of ${hospital.name}, of which you are an administrator.`, '', ...lines];
    for (const to of await this.addresses.forNotices(ctx.db, ...(await this.accounts.administrators(ctx))))
      await this.outbox.mail(ctx, { to, subject: `${hospital.name}: ${subject}`, text: text.join('\n') });
  }
}

/** Names are typed by people: none makes a line of its own that looks like ours. */
const oneLine = (text: string): string => text.replace(/[\s\p{Cc}]+/gu, ' ');
