import { Nested, OneOf, Plain, Text } from '../../../platform/http/fields.js';

const BASE64URL = /^[\w-]+$/;

export const Encoded = (description: string, max: number, optional = false) =>
  Text({ max, pattern: BASE64URL, optional, description: `${description} (base64url).` });

/** AuthenticatorAssertionResponseJSON, WebAuthn Level 3 §5.1. */
export class AssertionData {
  @Encoded('What the browser signed for', 4_096)
  clientDataJSON: string;

  @Encoded('What the authenticator says of itself', 4_096)
  authenticatorData: string;

  @Encoded('Signature', 16_384)
  signature: string;

  @Encoded('Whom the passkey belongs to', 200, true)
  userHandle?: string;
}

/** What the JSON of every credential has, WebAuthn Level 3 §5.1: `credential.toJSON()` gives it in the browser. */
export abstract class CredentialResponse {
  @Encoded('Passkey', 1_400)
  id: string;

  @Encoded('The same', 1_400)
  rawId: string;

  @OneOf(['public-key'], { description: 'Kind of credential.' })
  type: 'public-key';

  @OneOf(['platform', 'cross-platform'], { optional: true, nullable: true, description: 'Where the authenticator is.' })
  authenticatorAttachment?: 'platform' | 'cross-platform' | null;

  @Plain({ description: 'What extensions answered; not looked at.' })
  clientExtensionResults: object;
}

/** AuthenticationResponseJSON. */
export class AssertionResponse extends CredentialResponse {
  @Nested(() => AssertionData, { description: 'What the authenticator answered.' })
  response: AssertionData;
}
