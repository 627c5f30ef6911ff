import { Flag, Instant, Json, Nested, OneOf, Text, Texts, Uuid, Whole } from '../../../platform/http/fields.js';
import { OpenedView } from '../sessions/session.dto.js';
import { MFA_METHODS, type MfaMethod } from './factor.js';

const FACTOR_RULES = ['optional', 'required', 'required_phishing_resistant'] as const;

export class EnrolledView extends OpenedView {
  @OneOf(['authenticated', 'confirmed'], { description: 'authenticated: the sign-in is finished too.' })
  status: string;

  @Texts({ optional: true, description: 'Ten codes, each good once in place of a factor. Shown this once.' })
  recoveryCodes?: string[];
}

export class ChallengeSecondFactor {
  @Text({ max: 200, description: 'From the answer to the password.' })
  mfaToken: string;

  @OneOf(MFA_METHODS, { description: 'What is going to be shown.' })
  method: MfaMethod;
}

export class StepUpChallenge {
  @OneOf(MFA_METHODS, { description: 'What is going to be shown.' })
  method: MfaMethod;
}

export class ChallengeView {
  @OneOf(MFA_METHODS, { description: 'What is to be shown.' })
  method: MfaMethod;

  @Instant({ description: 'Until when the answer counts.' })
  expiresAt: Date;

  @Json({ optional: true, description: 'passkey: PublicKeyCredentialRequestOptionsJSON of WebAuthn Level 3.' })
  options?: object;

  @Text({ optional: true, description: 'sms: the end of the number that the code went to.' })
  sentTo?: string;

  @Text({ optional: true, max: 1_000, description: 'sms: what to know about codes by text message. Show it.' })
  notice?: string;
}

export class HeldFactorView {
  @Uuid({ optional: true, description: 'Of a passkey: it can be renamed and removed by this.' })
  id?: string;

  @OneOf(MFA_METHODS, { description: 'Kind of factor.' })
  method: MfaMethod;

  @Text({ description: 'How its holder knows it.' })
  name: string;

  @Instant({ description: 'When it was set up.' })
  createdAt: Date;

  @Instant({ nullable: true, description: 'When it was last shown.' })
  lastUsedAt: Date | null;

  @Flag({ description: 'Less safe than the others: offered with a notice, never alone.' })
  restricted: boolean;
}

export class OwnFactorsView {
  @OneOf(FACTOR_RULES, { description: 'What the roles of this person demand.' })
  policy: string;

  @Nested(() => HeldFactorView, { many: 20, description: 'What is set up.' })
  factors: HeldFactorView[];

  @Texts({ description: 'What could be set up.' })
  available: MfaMethod[];

  @Whole({ description: 'Recovery codes that are left.' })
  unusedRecoveryCodes: number;
}

export class RecoveryCodesView {
  @Texts({ description: 'Ten codes, each good once. Shown this once; all from before are void.' })
  recoveryCodes: string[];
}
