import type { Ctx, SignedIn } from '../../../platform/access/context.js';
import type { Db } from '../../../platform/database/db.js';
import type { Problem } from '../../../platform/http/problem.js';
import { invalid } from '../../../platform/http/validation.js';
import type { Attempt } from '../throttling/attempts.js';
import type { AssertionResponse } from './assertion.dto.js';

/** In the order in which they are offered: what cannot be phished first, the spare key last. */
export const MFA_METHODS = ['passkey', 'totp', 'sms', 'recovery_code'] as const;
export type MfaMethod = (typeof MFA_METHODS)[number];

/** In what a factor is shown. */
export interface Situation {
  /** Decides how a refusal is answered: a 401 would make a client sign a signed-in person out. */
  isSignedIn: boolean;
  /** The token of the sign-in, or the session's id: a challenge made in one situation answers in no other. */
  boundTo: string;
}

export const signingIn = (mfaToken: string): Situation => ({ isSignedIn: false, boundTo: mfaToken });
export const signedIn = (ctx: SignedIn): Situation => ({ isSignedIn: true, boundTo: ctx.actor.sessionId });

/** What a person shows: a code that they typed, or what their device signed. */
export interface FactorProof {
  code?: string | undefined;
  response?: AssertionResponse | undefined;
}

/** The code of a proof. Throws 400 where there is none. */
export function codeOf({ code }: FactorProof): string {
  if (code === undefined)
    throw invalid([{ pointer: '/code', code: 'missing', detail: 'code is needed for this method.' }]);
  return code;
}

/** What a device signed, of a proof. Throws 400 where there is none. */
export function responseOf({ response }: FactorProof): AssertionResponse {
  if (response === undefined)
    throw invalid([{ pointer: '/response', code: 'missing', detail: 'response is needed for this method.' }]);
  return response;
}

/** What a person needs before they can show a factor: options for their browser, or word of a message. */
export interface Challenge {
  expiresAt: Date;
  /** PublicKeyCredentialRequestOptionsJSON (WebAuthn Level 3 §5.5). */
  options?: object;
  /** The end of the number that a code was sent to. */
  sentTo?: string;
  notice?: string;
}

/** A second factor that was right when looked at, and that {@link Factors.accept} uses up. */
export interface Shown {
  accountId: string;
  method: MfaMethod;
  /** RFC 8176: what this factor adds to how the person was recognised. */
  amr: readonly string[];
  isPhishingResistant: boolean;
  /** What was reserved for this try; null where there is nothing to guess. */
  attempt: Attempt | null;
  /** Uses it up by one conditional statement; resolves with whether this request was the one. */
  useUp: (ctx: Ctx) => Promise<boolean>;
  /** New recovery codes, where the last one was just used up. */
  replenish?: (ctx: Ctx) => Promise<string[] | undefined>;
  refusal: () => Problem;
}

/** One factor that a person holds, as the list of their own shows it. */
export interface HeldFactor {
  /** Where one person may hold several of this kind. */
  id?: string;
  method: MfaMethod;
  name: string;
  createdAt: Date;
  lastUsedAt: Date | null;
  /** NIST SP 800-63B-4 §3.1.3.3: text messages can be redirected. */
  restricted: boolean;
}

/** One way to show a second factor. What is guessable is counted before it is looked at; each proof is accepted once. */
export abstract class Factor {
  abstract readonly method: MfaMethod;

  abstract readonly isPhishingResistant: boolean;

  abstract isEnrolled(db: Pick<Db, 'query'>, accountId: string): Promise<boolean>;

  /** Those that count, for the list of somebody's own. */
  abstract held(db: Db, accountId: string): Promise<HeldFactor[]>;

  /** Factors that need one before {@link check}; the others have none. */
  challenge?(ctx: Ctx, accountId: string, situation: Situation): Promise<Challenge>;

  /** Throws 429 while throttled and the refusal of a wrong proof; both leave the try counted. Holds no connection afterwards. */
  abstract check(ctx: Ctx, accountId: string, proof: FactorProof, situation: Situation): Promise<Shown>;

  /** Takes away every one of this kind, those that were never confirmed too: for account recovery. */
  abstract forget(db: Pick<Db, 'query'>, accountId: string): Promise<void>;
}

/** How somebody was recognised so far (RFC 8176); `mfa` in it says: by two factors. */
export interface Proof {
  amr: readonly string[];
  isPhishingResistant: boolean;
  /** When, if it was not now: at an identity provider. */
  authTime?: Date;
  /** The provider's session that vouched for them, which ends ours with itself (back-channel logout). */
  sso?: SsoOrigin;
}

/** A session at an identity provider; `sid` null where it names none. */
export interface SsoOrigin {
  issuer: string;
  subject: string;
  sid: string | null;
}

export const isMultiFactor = ({ amr }: Pick<Proof, 'amr'>): boolean => amr.includes('mfa');

/** A second factor on top of what was shown before it. */
export const both = (first: Proof, shown: Pick<Shown, 'amr' | 'isPhishingResistant'>): Proof => ({
  amr: [...new Set([...first.amr, ...shown.amr])].filter((word) => word !== 'mfa').concat('mfa'),
  isPhishingResistant: first.isPhishingResistant || shown.isPhishingResistant,
  ...(first.sso ? { sso: first.sso } : {}),
});
