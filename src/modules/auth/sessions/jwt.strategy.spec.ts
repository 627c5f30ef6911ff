import { describe, expect, it } from '@jest/globals';
import { bearerOf, claimsOf, isOfOurMaking, keyIdOf } from './jwt.strategy.js';

const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
const signature = Buffer.alloc(64, 7).toString('base64url');
const tokenWith = (header: object, tail = signature) => `${part(header)}.e30.${tail}`;

describe('bearerOf', () => {
  it.each([
    [undefined, null],
    ['', null],
    ['Basic YTpi', null],
    ['Bearer', ''],
    ['Bearer ', ''],
    ['Bearer abc', ''],
    ['Bearer a.b', ''],
    ['Bearer a.b.c', 'a.b.c'],
    ['bearer a.b.c', 'a.b.c'],
    ['Bearer a.b.', ''],
    ['Bearer a.b.c d', ''],
    ['Bearer a.b.c.d', ''],
    [`Bearer a.b.${'c'.repeat(1020)}`, 'a.b.' + 'c'.repeat(1020)],
    [`Bearer a.b.${'c'.repeat(1021)}`, ''],
  ])('%j', (header, token) => {
    expect(bearerOf(header)).toBe(token);
  });
});

describe('keyIdOf', () => {
  const ours = { alg: 'ES256', typ: 'at+jwt', kid: 'k1' };

  it('takes exactly our header', () => {
    expect(keyIdOf(tokenWith(ours))).toBe('k1');
  });

  it.each([
    { ...ours, alg: 'none' },
    { ...ours, alg: 'HS256' },
    { ...ours, alg: 'es256' },
    { ...ours, typ: 'JWT' },
    { alg: 'ES256', kid: 'k1' },
    { alg: 'ES256', typ: 'at+jwt' },
    { ...ours, kid: 7 },
    { ...ours, kid: null },
    { ...ours, jku: 'https://evil.example/keys' },
    { ...ours, jwk: {} },
    { ...ours, crit: ['exp'] },
  ])('refuses %j', (header) => {
    expect(keyIdOf(tokenWith(header))).toBeNull();
  });

  it('refuses a signature that is written in another way', () => {
    // The last of 86 characters holds four bits that stand for nothing.
    const twin = signature.slice(0, -1) + String.fromCharCode(signature.charCodeAt(85) + 1);
    expect(Buffer.from(twin, 'base64url').equals(Buffer.from(signature, 'base64url'))).toBe(true);
    expect(keyIdOf(tokenWith(ours, twin))).toBeNull();
  });

  it('refuses a header that is no JSON object', () => {
    expect(keyIdOf(`${part([])}.e30.${signature}`)).toBeNull();
    expect(keyIdOf(`${Buffer.from('null').toString('base64url')}.e30.${signature}`)).toBeNull();
    expect(keyIdOf(`____.e30.${signature}`)).toBeNull();
  });
});

describe('claimsOf', () => {
  const id = '01a201c5-5562-722f-8078-4cb9f57edf61';
  const claims = { sub: id, sid: id, gen: 3, jti: id, iat: 1, exp: 2 };

  it('takes all of them', () => {
    expect(claimsOf(claims)).toEqual({ sub: id, sid: id, jti: id, exp: 2, generation: 3, certificate: null });
  });

  it.each(['sub', 'sid', 'gen', 'jti', 'iat', 'exp'])('refuses a token without %s', (name) => {
    expect(claimsOf({ ...claims, [name]: undefined })).toBeNull();
    expect(claimsOf({ ...claims, [name]: 'x' })).toBeNull();
  });
});

describe('isOfOurMaking', () => {
  const NOW = 1_000_000;
  const claims = { iss: 'i', aud: 'portico', sub: 's', sid: 's', jti: 'j', iat: NOW, exp: NOW + 300 };

  it.each([
    [{}, true],
    [{ cnf: {} }, true],
    [{ aud: ['portico'] }, false],
    [{ aud: 'other' }, false],
    [{ exp: NOW + 301 }, false],
    [{ exp: Infinity }, false],
    [{ iat: NOW + 301 }, false],
    [{ nbf: NOW - 1 }, false],
    [{ scope: '*' }, false],
  ])('%j', (change, isOurs) => {
    expect(isOfOurMaking({ ...claims, ...change }, 300)).toBe(isOurs);
  });
});
