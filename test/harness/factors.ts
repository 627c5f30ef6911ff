import type { Caller } from './people.js';
import { currentCode } from './people.js';
import type { Portal } from './portal.js';

/** What a sign-in answers before it is finished. */
export interface HalfSignedIn {
  status: string;
  mfaToken: string;
  methods: string[];
}

/** The password of somebody, whatever it leads to. */
export async function logIn(portal: Portal, { credentials: { username, password } }: Caller): Promise<HalfSignedIn> {
  const { body } = await portal.http.post('/v1/auth/login').send({ username, password }).expect(200);
  return body as HalfSignedIn;
}

export const challenge = (portal: Portal, mfaToken: string, method: string) =>
  portal.http.post('/v1/auth/mfa/challenge').send({ mfaToken, method });

export const verify = (portal: Portal, mfaToken: string, proof: { method: string; code?: string; response?: object }) =>
  portal.http.post('/v1/auth/mfa/verify').send({ mfaToken, ...proof });

export const statuses = (answers: { status: number }[]): number[] => answers.map(({ status }) => status).sort();

/** Sets up an authenticator app for somebody who is signed in. */
export async function addTotp(portal: Portal, caller: Caller): Promise<{ secret: string; recoveryCodes: string[] }> {
  const { body } = await caller.post('/v1/auth/mfa/totp', {}).expect(200);
  const { secret } = body as { secret: string };
  const code = await currentCode(secret, portal.clock);
  const confirmed = await caller.post('/v1/auth/mfa/totp/confirm', { code }).expect(200);
  return { secret, recoveryCodes: (confirmed.body as { recoveryCodes: string[] }).recoveryCodes };
}

let numbers = 0;
/** A mobile number that nobody else in the run has. */
export const freshNumber = (): string => `+4915112${String(345_000 + ++numbers).padStart(6, '0')}`;

/** The last text message to a number. */
export async function lastText(portal: Portal, number: string): Promise<string> {
  await portal.delivered();
  return portal.texts.findLast(({ to }) => to === number)?.text ?? '';
}

export const codeIn = (text: string): string => /^\d{6}/.exec(text)![0];

export const otherThan = (code: string, by = 1): string => String((Number(code) + by) % 1_000_000).padStart(6, '0');

/** Sets up codes by text message; resolves with the recovery codes that came with them, if any did. */
export async function addSms(portal: Portal, caller: Caller, number = freshNumber()): Promise<string[] | undefined> {
  await caller.post('/v1/auth/mfa/sms', { number }).expect(200);
  const code = codeIn(await lastText(portal, number));
  const { body } = await caller.post('/v1/auth/mfa/sms/confirm', { code }).expect(200);
  return (body as { recoveryCodes?: string[] }).recoveryCodes;
}

/** Texts of the notices that were mailed so far. */
export async function notices(portal: Portal): Promise<string[]> {
  await portal.delivered();
  return portal.mails.map(({ text }) => text);
}
