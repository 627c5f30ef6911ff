import { Text, Whole } from '../../../platform/http/fields.js';

export const JWT_BEARER = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';

/** OAuth 2.0 client credentials (RFC 6749 section 4.4). What else is sent is ignored, as its section 3.2 wants. */
export class TokenRequest {
  @Text({ description: '`client_credentials`.' })
  grant_type: string;

  @Text({ optional: true, description: `\`${JWT_BEARER}\`; not with mutual TLS.` })
  client_assertion_type?: string;

  @Text({
    optional: true,
    max: 4_096,
    description:
      'JWT signed by a registered key (RFC 7523, SMART Backend Services): iss = sub = client id, aud = this address or the issuer, exp within 5 minutes, jti once, kid in the header.',
  })
  client_assertion?: string;

  @Text({ optional: true, description: "The service account's id; needed with mutual TLS." })
  client_id?: string;

  @Text({ optional: true, max: 500, description: 'Default: what the account may do.' })
  scope?: string;
}

export class TokenView {
  @Text({ max: 1024, description: 'For Authorization: Bearer.' })
  access_token: string;

  @Text({ description: '`Bearer`.' })
  token_type: string;

  @Whole({ description: 'Seconds; then ask for another. There is no refresh token.' })
  expires_in: number;

  @Text({ description: 'What it is good for.' })
  scope: string;
}
