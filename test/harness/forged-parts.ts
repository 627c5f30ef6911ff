import { createHmac, generateKeyPairSync, sign } from 'node:crypto';
import { encode, type Bench, type Claims, type Forged } from './forgers-bench.js';

export function* algorithms({ header, claims, body, signature, publicKey, signed }: Bench): Generator<Forged> {
  const mac = (alg: string, hash: string, secret: string | Buffer) => {
    const text = `${encode({ ...header, alg })}.${body}`;
    return `${text}.${createHmac(hash, secret).update(text).digest('base64url')}`;
  };
  const pem = publicKey.export({ type: 'spki', format: 'pem' });
  const der = publicKey.export({ type: 'spki', format: 'der' });
  const jwk = JSON.stringify(publicKey.export({ format: 'jwk' }));
  for (const secret of [pem, String(pem).trim(), der, jwk, '', 'secret', String(header.kid)])
    for (const [alg, hash] of [
      ['HS256', 'sha256'],
      ['HS384', 'sha384'],
      ['HS512', 'sha512'],
    ] as const)
      yield ['a MAC with the public key', mac(alg, hash, secret)];
  for (const alg of ['none', 'None', 'NONE', 'nOnE', 'none ', '', null, 0, [], ['ES256'], {}])
    for (const tail of ['', signature, encode('x')])
      yield ['no algorithm', `${encode({ ...header, alg })}.${body}.${tail}`];
  for (const alg of [
    'es256',
    'ES256 ',
    'ES384',
    'ES512',
    'ES256K',
    'RS256',
    'PS256',
    'EdDSA',
    'HS256',
    'dir',
    'ECDH-ES',
    'A128KW',
  ])
    yield ['another algorithm', signed(claims, { ...header, alg })];
  for (const namedCurve of ['P-384', 'P-521', 'secp256k1']) {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve });
    for (const alg of ['ES256', 'ES384', 'ES512', 'ES256K'])
      yield ['another curve', signed(claims, { ...header, alg }, privateKey)];
  }
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;
  for (const alg of ['RS256', 'PS256', 'ES256']) {
    const text = `${encode({ ...header, alg })}.${body}`;
    yield ['an RSA key', `${text}.${sign('sha256', Buffer.from(text), rsa).toString('base64url')}`];
  }
}

export function* headers({ kid, header, claims, signed, token, lureUrl: url }: Bench): Generator<Forged> {
  const own = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const jwk = { ...own.publicKey.export({ format: 'jwk' }), kid };
  const extras: Claims[] = [
    { jku: url },
    { x5u: url },
    { jwk },
    { x5c: [own.publicKey.export({ type: 'spki', format: 'der' }).toString('base64')] },
    { x5t: 'x' },
    { 'x5t#S256': 'x' },
    { crit: ['exp'] },
    { crit: [] },
    { crit: ['b64'], b64: false },
    { b64: false },
    { cty: 'JWT' },
    { enc: 'A128GCM' },
    { zip: 'DEF' },
    { apu: 'x' },
    { p2c: 1_000_000_000 },
    { '': '' },
    { __proto__: null, constructor: { prototype: { alg: 'none' } } },
  ];
  // With a key of the forger's own, and even with the real one: nothing but our header is believed.
  for (const extra of extras) {
    yield ['an own key in the header', signed(claims, { ...header, ...extra }, own.privateKey)];
    yield ['more in the header', signed(claims, { ...header, ...extra })];
  }
  const kids: unknown[] = [
    undefined,
    null,
    '',
    0,
    1,
    true,
    [],
    [kid],
    {},
    { kid },
    ` ${kid}`,
    `${kid} `,
    kid.toUpperCase(),
    `${kid}\0`,
    kid.slice(1),
    '../../../../dev/null',
    '/dev/null',
    '..\\..\\windows\\win.ini',
    'file:///etc/passwd',
    url,
    "' OR '1'='1",
    "x' UNION SELECT 'key' --",
    '__proto__',
    'constructor',
    'toString',
    'hasOwnProperty',
    '$(id)',
    '%00',
    'x'.repeat(200),
  ];
  for (const other of kids) {
    yield ['another kid', signed(claims, { ...header, kid: other })];
    yield ['another kid and key', signed(claims, { ...header, kid: other }, own.privateKey)];
  }
  yield ['another key', signed(claims, header, own.privateKey)];
  const typs: unknown[] = [
    undefined,
    null,
    '',
    'JWT',
    'jwt',
    'AT+JWT',
    'at+jwt ',
    'application/at+jwt',
    'at+JWT',
    'id+jwt',
    'logout+jwt',
    'dpop+jwt',
    'refresh+jwt',
    'mfa+jwt',
    'secevent+jwt',
    'JOSE',
    ['at+jwt'],
    { typ: 'at+jwt' },
    1,
    true,
  ];
  for (const typ of typs) yield ['another type', signed(claims, { ...header, typ })];
  // Names twice in one object: parsers differ in which of the two they take.
  const twice = (name: string, first: unknown) =>
    JSON.stringify(header).replace('{', `{${JSON.stringify(name)}:${JSON.stringify(first)},`);
  const half = token.slice(token.indexOf('.'));
  for (const text of [
    twice('alg', 'none'),
    twice('kid', 'x'),
    twice('typ', 'JWT'),
    JSON.stringify(header).replace('}', ',"alg":"none"}'),
  ])
    yield ['a name twice', `${encode(text)}${half}`];
  for (const text of [
    'null',
    '[]',
    '""',
    '0',
    'true',
    '{',
    '',
    '{}',
    `[${JSON.stringify(header)}]`,
    `${JSON.stringify(header)} x`,
    '\u0000',
  ])
    yield ['a header that is none', `${encode(text)}${half}`];
  const deep = `${'{"a":'.repeat(60)}1${'}'.repeat(60)}`;
  yield ['a deep header', `${encode(deep)}${half}`];
}

export function* claimEdges({ claims, signed, header, now, foreignToken }: Bench): Generator<Forged> {
  const { sub: foreign, sid: foreignSession } = JSON.parse(
    Buffer.from(foreignToken.split('.')[1]!, 'base64url').toString(),
  ) as Claims;
  const wrong: Record<string, unknown[]> = {
    exp: [
      undefined,
      null,
      '',
      now,
      now - 1,
      0,
      -1,
      1,
      String(now + 60),
      [now + 60],
      now + 60.5,
      now + 86_400 * 365,
      1e15,
      1e300,
      true,
      {},
    ],
    iat: [undefined, null, '', String(now), now + 3_600, now - 86_400, 1e15, -1e15, now + 0.5, [], true],
    nbf: [now + 1, now + 3_600, String(now + 5), 'x', [], {}, true, null, now - 5],
    iss: [
      undefined,
      null,
      '',
      'https://portal.test/',
      'http://portal.test',
      'https://PORTAL.test',
      'https://evil.test',
      ['https://evil.test'],
      1,
      {},
    ],
    aud: [
      undefined,
      null,
      '',
      'Portico',
      'portico ',
      'other',
      ['other'],
      ['portico'],
      ['portico', 'other'],
      {},
      1,
      true,
    ],
    sub: [
      undefined,
      null,
      '',
      'x',
      foreign,
      claims.jti,
      1,
      [claims.sub],
      {},
      `${String(claims.sub)} `,
      '00000000-0000-0000-0000-000000000000',
      "' OR 1=1 --",
    ],
    sid: [
      undefined,
      null,
      '',
      'x',
      foreignSession,
      claims.jti,
      claims.sub,
      1,
      [claims.sid],
      {},
      String(claims.sid).toUpperCase(),
    ],
    gen: [undefined, null, '', 'x', '0', 0.5, [0], {}, true],
    jti: [undefined, null, '', 'x', 1, [claims.jti], {}],
    cnf: [null, '', {}, [], { 'x5t#S256': '' }, { 'x5t#S256': 'x' }, { jkt: 'x' }, 'x', 1],
    role: ['admin'],
    roles: [['admin']],
    scope: ['*'],
    nonce: ['n'],
    events: [{ 'http://schemas.openid.net/event/backchannel-logout': {} }],
    __proto__: [{ admin: true }],
  };
  for (const [name, values] of Object.entries(wrong))
    for (const value of values) yield [`claim ${name}`, signed({ ...claims, [name]: value })];
  for (const payload of ['null', '[]', '""', '1', '', '{', '{}', `[${JSON.stringify(claims)}]`, '\u0000'])
    yield ['claims that are none', signed(payload)];
  const text = JSON.stringify(claims);
  for (const first of [`"sub":${JSON.stringify(foreign)}`, `"exp":${now + 999_999}`, '"aud":"other"']) {
    // Unsigned, of course: what is signed twice over would have to be our own doing.
    const [top, , signature] = signed(claims, header).split('.');
    yield ['a claim twice', `${top}.${encode(text.replace('{', `{${first},`))}.${signature}`];
    yield ['a claim twice', `${top}.${encode(text.replace(/}$/, `,${first}}`))}.${signature}`];
  }
  yield ['a long token', signed({ ...claims, pad: 'x'.repeat(900) })];
  yield ['a huge token', signed({ ...claims, pad: 'x'.repeat(9_000) })];
}
