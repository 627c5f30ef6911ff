import type { JsonWebKey } from 'node:crypto';
import { Controller, Get, Header } from '@nestjs/common';
import { Endpoint } from '../../../platform/access/endpoint.js';
import { KeyRing } from '../../../platform/crypto/index.js';
import { OneOf, Nested, Text } from '../../../platform/http/fields.js';
import { ALGORITHM } from './access-tokens.js';

/** Verifiers may keep the keys this long; an announced key waits longer before it signs. */
const MAX_AGE_SECONDS = 300;

class JwkView {
  @OneOf(['EC'], { description: 'Kind of key (RFC 7517).' })
  kty: string;

  @OneOf(['P-256'], { description: 'Curve.' })
  crv: string;

  @Text({ description: 'Coordinate of the public point.' })
  x: string;

  @Text({ description: 'Coordinate of the public point.' })
  y: string;

  @Text({ description: "The kid of a token's header." })
  kid: string;

  @OneOf([ALGORITHM], { description: 'Algorithm that it is for, and no other.' })
  alg: string;

  @OneOf(['sig'], { description: 'For signatures.' })
  use: string;
}

export class JwksView {
  @Nested(() => JwkView, {
    many: 100,
    description: 'Signing keys: the one in use, one that is announced, former ones.',
  })
  keys: JwkView[];
}

/**
 * The public halves of exactly those keys under which the portal itself accepts access tokens (RFC 7517), for whoever stands
 * in front of it and wants to look at them. A token that verifies may still speak for a session that has ended.
 */
@Controller('.well-known')
export class JwksController {
  private readonly answer: JwksView;

  constructor(ring: KeyRing) {
    this.answer = {
      keys: [...ring.verificationKeys].map(([kid, key]) => {
        const { x, y } = key.export({ format: 'jwk' }) as Required<Pick<JsonWebKey, 'x' | 'y'>>;
        return { kty: 'EC', crv: 'P-256', x, y, kid, alg: ALGORITHM, use: 'sig' };
      }),
    };
  }

  @Get('jwks.json')
  @Header('cache-control', `public, max-age=${MAX_AGE_SECONDS}`)
  @Endpoint({
    action: 'read',
    subject: 'Document',
    access: 'public',
    work: 'none',
    summary: 'Public keys of the access tokens',
    response: JwksView,
  })
  keys(): JwksView {
    return this.answer;
  }
}
