import { Nested, OneOf, Plain, Text } from '../../../platform/http/fields.js';

const BASE64URL = /^[\w-]+$/;

export const Encoded = (description: string, max: number, optional = false) =>
  Text({ max, pattern: BASE64URL, optional, description: `${description} (base64url).` });

export const ATTACHMENTS = ['platform', 'cross-platform'] as const;

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

/** AuthenticationResponseJSON, WebAuthn Level 3 §5.1: what `credential.toJSON()` gives in the browser. */
export class AssertionResponse {
  @Encoded('Passkey', 1_400)
  id: string;

  @Encoded('The same', 1_400)
  rawId: string;

  @OneOf(['public-key'], { description: 'Kind of credential.' })
  type: 'public-key';

  @OneOf(ATTACHMENTS, { optional: true, nullable: true, description: 'Where the authenticator is.' })
  authenticatorAttachment?: (typeof ATTACHMENTS)[number] | null;

  @Plain({ description: 'What extensions answered; not looked at.' })
  clientExtensionResults: object;

  @Nested(() => AssertionData, { description: 'What the authenticator answered.' })
  response: AssertionData;
}
