import { currentCode, type Caller } from './people.js';
import type { Portal } from './portal.js';

/** Tokens of links, which stand behind `#`. */
export const tokensIn = (text: string): string[] => [...text.matchAll(/#token=([\w-]+)/g)].map(([, token]) => token!);

export const codesIn = (text: string): string[] =>
  [...text.matchAll(/[0-9A-Z]{4}(?:-[0-9A-Z]{4}){3}/g)].map(([code]) => code);

/** All mailboxes that the portal writes to. */
export class Mailbox {
  constructor(private readonly portal: Portal) {}

  async count(): Promise<number> {
    await this.portal.delivered();
    return this.portal.mails.length;
  }

  /** Texts of the mails to an address, oldest first; `since` a {@link count}. */
  async to(email: string, since = 0): Promise<string[]> {
    await this.portal.delivered();
    const mails = this.portal.mails.slice(since).filter(({ to }) => to === email);
    return mails.map(({ text }) => text);
  }

  /** The newest token that was mailed there. */
  async token(email: string, since = 0): Promise<string> {
    const token = (await this.to(email, since)).flatMap(tokensIn).at(-1);
    if (!token) throw new Error(`no token was mailed to ${email}`);
    return token;
  }

  /** The code in the newest mail there that says this. */
  async code(email: string, saying: string): Promise<string> {
    const [code] = codesIn((await this.to(email)).findLast((text) => text.includes(saying)) ?? '');
    if (!code) throw new Error(`no code was mailed to ${email}`);
    return code;
  }
}

export const emailOf = async (caller: Caller): Promise<string> =>
  ((await caller.get('/v1/me').expect(200)).body as { email: string }).email;

/** The same person with an authenticator app, which they have set up of their own will. */
export async function withApp<C extends Caller>(caller: C): Promise<C & { secret: string; codes: string[] }> {
  const { secret } = (await caller.post('/v1/auth/mfa/totp', {}).expect(200)).body as { secret: string };
  const code = await currentCode(secret, caller.portal.clock);
  const { body } = await caller.post('/v1/auth/mfa/totp/confirm', { code }).expect(200);
  caller.credentials.totpSecret = secret;
  return Object.assign(caller, { secret, codes: (body as { recoveryCodes: string[] }).recoveryCodes });
}

/** What recovery has mailed stands nowhere else: not in the log, not in the trail, not in a table, in no subject. */
export async function keptSecrets(portal: Portal, more: readonly string[] = []): Promise<string[]> {
  await portal.delivered();
  const secrets = [...more, ...portal.mails.flatMap(({ text }) => [...tokensIn(text), ...codesIn(text)])];
  if (secrets.length < 10) throw new Error('too few secrets were mailed for the test to say anything');
  const { rows } = await portal.owner.query<{ text: string | null }>(
    `SELECT string_agg(event, '') AS text FROM audit.inbox UNION ALL SELECT string_agg(leaf, '') FROM audit.entry
      UNION ALL SELECT string_agg(r::text, '') FROM auth.password_reset r
      UNION ALL SELECT string_agg(c::text, '') FROM auth.address_check c
      UNION ALL SELECT string_agg(l::text, '') FROM auth.lost_factor l
      UNION ALL SELECT string_agg(e::text, '') FROM auth.security_event e`,
  );
  const kept = [
    ...rows.map(({ text }) => text ?? ''),
    JSON.stringify(portal.log),
    ...portal.mails.map(({ subject }) => subject),
  ].join('\n');
  return secrets.filter((secret) => kept.includes(secret));
}
