import { PageQuery } from '../../../platform/http/cursors.js';
import { Instant, Nested, OneOf, Text, Texts, Uuid } from '../../../platform/http/fields.js';

const Part = (description: string) => Text({ optional: true, max: 2_000, pattern: /^[\w-]+$/, description });

/** A public key as JWK. A private one is refused, by name. */
export class PublicJwk {
  @OneOf(['EC', 'RSA', 'OKP'], { description: 'Kind of key: P-256, P-384, RSA of 3,072 bits or more, Ed25519.' })
  kty: string;

  @Part('Curve.')
  crv?: string;

  @Part('EC, OKP: coordinate.')
  x?: string;

  @Part('EC: coordinate.')
  y?: string;

  @Part('RSA: modulus.')
  n?: string;

  @Part('RSA: exponent.')
  e?: string;

  @Part('The one algorithm that it signs with; RSA without it: RS256, RS384.')
  alg?: string;

  @Part('`sig`.')
  use?: string;

  @Text({ optional: true, description: "Not used: the key's id is its thumbprint (RFC 7638)." })
  kid?: string;

  @Texts({ optional: true, description: 'Not used.' })
  key_ops?: string[];

  @Part('Never: the private part stays with its owner.')
  d?: string;
}

export class RegisterKey {
  @Nested(() => PublicJwk, { optional: true, description: 'A public key; or `pem`.' })
  jwk?: PublicJwk;

  @Text({ optional: true, max: 10_000, description: 'A public key, or a certificate for mutual TLS; or `jwk`.' })
  pem?: string;

  @Instant({
    optional: true,
    description:
      'From when on it no longer counts: at most two years from now. Default: one year, or the end of the certificate.',
  })
  expiresAt?: string;
}

export class RevokeKey {
  @Text({ max: 500, description: 'Why; kept with the key.' })
  reason: string;
}

export class ClientParams {
  @Uuid({ description: 'Service account.' })
  id: string;
}

export class ClientKeyParams extends ClientParams {
  @Uuid({ description: 'Key.' })
  keyId: string;
}

export class ClientKeyQuery extends PageQuery {}

export class ClientKeyView {
  @Uuid({ description: 'Key.' })
  id: string;

  @Uuid({ description: 'Service account: the `client_id`.' })
  accountId: string;

  @OneOf(['key', 'certificate'], { description: 'By which it is known: an assertion that it signs, or mutual TLS.' })
  kind: string;

  @Text({ description: "`kid` of the assertions (RFC 7638), or the certificate's thumbprint (RFC 8705)." })
  kid: string;

  @Texts({ description: 'Algorithms that its assertions may be signed with.' })
  algorithms: string[];

  @Instant({ description: 'When it was registered.' })
  createdAt: Date;

  @Uuid({ description: 'Account of who registered it.' })
  createdBy: string;

  @Instant({ description: 'From when on it no longer counts.' })
  expiresAt: Date;

  @Instant({ nullable: true, description: 'When a token was last given for it.' })
  lastUsedAt: Date | null;

  @Instant({ nullable: true, description: 'When it was taken away.' })
  revokedAt: Date | null;

  @Text({ nullable: true, description: 'Why it was taken away.' })
  revokeReason: string | null;
}
