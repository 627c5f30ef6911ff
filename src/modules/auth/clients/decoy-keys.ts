import { createPublicKey, type JsonWebKey, type KeyObject } from 'node:crypto';

/** Public keys whose private halves nobody has: an assertion of an unknown client is checked against one of them, for the same work. */
const JWKS: Record<'ec256' | 'ec384' | 'ed' | 'rsa', JsonWebKey> = {
  ec256: {
    kty: 'EC',
    crv: 'P-256',
    x: 'hZKk1gdwzoyiOG_7ujwovCOzKbO4tCsnuyzBm6Z5haM',
    y: 'OSUB_tOkdgL_A4hPCVD6dEDHorSqV-yQWWpf8RbsdRU',
  },
  ec384: {
    kty: 'EC',
    crv: 'P-384',
    x: '0V_J0s6yb0lRHIGcZN5b3CCHYh9ztnvuPhWYYKOyI7QfNGs7vUHvlETnAIrkyzcj',
    y: 'IOPJIJ8oFFYn4VKXT3Xil8eW7JZ7yZp-nNE6tSn0xMw3YSElcuz91PnNEiG3A7hH',
  },
  ed: { kty: 'OKP', crv: 'Ed25519', x: 'CkqzStebzV4w59NKZojX1HdkAz8GhjqcfbEhXb6UfDw' },
  rsa: {
    kty: 'RSA',
    e: 'AQAB',
    n: 'iPZQ2Rav6keE36_AuuLNr5kzHYqKpt-Zp3qKsikZANEybziYKOMv5PeD6GVMHsNF8FPzQcGja25cnR4uuk_RF1PD30jWQxHjZdPNBhWulD1cZQc1e-iT8KqT3sbFl5L7WBCPS955dtvu2l7AYHuYXZI0orFkBiQqjCIblN_nVxFwL8YxP0JEf0oyvnwX3mmYGKOH3CS2DcvbzH9mq7H5tuTWYQAze_wmRGFsZ4f1Diy3UG5ZsNVEiPIMqO33AEvNH2pxOVsi9sF6ABwJxW_m8b4VIVox_vpqdyBtNVnVEPLoAmBajvTe6RCZw5JSwEVKxuudG269KWqfRJ5TyA2wnRcPQukrWsb22RVnYiaCWZJM_glPbfUbF36YwHExpd8EbM4no_mIa6HDKZ50Ia5fz5SnjFj3AeLH8wHLtLrY6-FuPakwFG0uc1T75_zpMuc8R2oAey0Vtk71lhXASd2PfGOrm9oStFC9hOJ4I5jXiHmLARrQzS4MGkBnevCeGixX',
  },
};

const OF_ALGORITHM: Record<string, keyof typeof JWKS> = {
  ES256: 'ec256',
  ES384: 'ec384',
  EdDSA: 'ed',
  Ed25519: 'ed',
  RS256: 'rsa',
  RS384: 'rsa',
  PS256: 'rsa',
  PS384: 'rsa',
};

/** The decoy for an algorithm that a header names; for one that we never take, any will refuse it. */
export function decoyFor(algorithm: string): { key: KeyObject; algorithms: string[] } {
  const name = OF_ALGORITHM[algorithm] ?? 'ec256';
  return { key: createPublicKey({ key: JWKS[name], format: 'jwk' }), algorithms: [algorithm] };
}
