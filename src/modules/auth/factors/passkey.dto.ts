import { PageQuery } from '../../../platform/http/cursors.js';
import type { Transport } from '../../../platform/http/cookies.js';
import { Flag, Instant, Json, Nested, Text, Texts, Uuid, Whole } from '../../../platform/http/fields.js';
import { AskedTransport } from '../sessions/session.dto.js';
import { AssertionResponse, CredentialResponse, Encoded } from './assertion.dto.js';

/** AuthenticatorAttestationResponseJSON, WebAuthn Level 3 §5.1. */
export class AttestationData {
  @Encoded('What the browser registered for', 4_096)
  clientDataJSON: string;

  @Encoded('The new key and what the authenticator says of itself', 65_536)
  attestationObject: string;

  @Texts({ optional: true, many: 10, max: 32, description: 'How the authenticator can be reached.' })
  transports?: string[];

  @Encoded('The same key for clients that cannot read CBOR; not looked at', 16_384, true)
  publicKey?: string;

  @Whole({ optional: true, min: -65_536, description: 'Its algorithm (COSE); not looked at.' })
  publicKeyAlgorithm?: number;

  @Encoded('Part of attestationObject; not looked at', 16_384, true)
  authenticatorData?: string;
}

/** RegistrationResponseJSON. */
export class RegistrationResponse extends CredentialResponse {
  @Nested(() => AttestationData, { description: 'What the authenticator answered.' })
  response: AttestationData;
}

const Name = (optional: boolean) =>
  Text({
    max: 60,
    optional,
    normalise: (text) => text.trim().normalize('NFC'),
    description: 'To tell it from others.',
  });

export class BeginPasskey {
  @Text({
    optional: true,
    max: 200,
    description: 'From the answer enrolment_required; left out by whoever is signed in.',
  })
  mfaToken?: string;
}

export class RegisterPasskey extends BeginPasskey {
  @Nested(() => RegistrationResponse, { description: 'What the browser answered to the options.' })
  response: RegistrationResponse;

  @Name(true)
  name?: string;

  @AskedTransport()
  transport?: Transport;
}

export class SignInWithPasskey {
  @Text({ max: 200, description: 'From the answer with the options.' })
  challengeToken: string;

  @Nested(() => AssertionResponse, { description: 'What the browser answered to the options.' })
  response: AssertionResponse;

  @AskedTransport()
  transport?: Transport;
}

export class RenamePasskey {
  @Name(false)
  name: string;
}

export class PasskeyParams {
  @Uuid({ description: 'Passkey.' })
  id: string;
}

export class PasskeyQuery extends PageQuery {}

export class PasskeyOptionsView {
  @Json({ description: 'PublicKeyCredentialCreationOptionsJSON of WebAuthn Level 3.' })
  options: object;
}

export class PasskeyChallengeView {
  @Text({ description: 'Goes with the answer; five minutes, once.' })
  challengeToken: string;

  @Instant({ description: 'Until when the answer counts.' })
  expiresAt: Date;

  @Json({ description: 'PublicKeyCredentialRequestOptionsJSON of WebAuthn Level 3.' })
  options: object;
}

export class PasskeyView {
  @Uuid({ description: 'Passkey.' })
  id: string;

  @Text({ description: 'How its holder knows it.' })
  name: string;

  @Instant({ description: 'When it was set up.' })
  createdAt: Date;

  @Instant({ nullable: true, description: 'When it was last shown.' })
  lastUsedAt: Date | null;

  @Flag({ description: 'It is kept in an account of its maker too, so that it outlives the device.' })
  synced: boolean;

  @Uuid({ description: 'Make of the authenticator (AAGUID); zeros where it does not say.' })
  aaguid: string;

  @Whole({ min: 1, description: 'For If-Match.' })
  version: number;
}
