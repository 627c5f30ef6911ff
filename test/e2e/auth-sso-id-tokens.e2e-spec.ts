import { generateKeyPairSync } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { exportJWK, exportSPKI, generateKeyPair, SignJWT } from 'jose';
import { said } from '../harness/hospital.js';
import {
  CLIENT_ID,
  CLIENT_SECRET,
  type FakeProvider,
  RoamingBrowser,
  type AuthorizationRequest,
} from '../harness/identity-providers.js';
import { type Portal } from '../harness/portal.js';
import { answerOf, back, begin, FAILED, newSubject, openSso, PERSON, signIn, type SsoWorld } from '../harness/sso.js';

let world: SsoWorld;
let portal: Portal;
let fake: FakeProvider;
let evil: FakeProvider;

beforeAll(async () => {
  world = await openSso();
  ({ portal, fake, evil } = world);
});
afterAll(() => world.close());

const newBrowser = () => new RoamingBrowser(portal);

const accounts = async (): Promise<number> =>
  (await portal.owner.query('SELECT 1 FROM auth.federated_identity')).rows.length;

describe('the ID token', () => {
  type Forgery = (request: AuthorizationRequest, sub: string) => Promise<string> | string;

  const right = (request: AuthorizationRequest, sub: string) => fake.claims(request, sub, PERSON);
  const with_ =
    (changes: object): Forgery =>
    (request, sub) =>
      fake.sign({ ...right(request, sub), ...changes });
  const without =
    (name: string): Forgery =>
    (request, sub) => {
      const { [name]: _, ...claims } = right(request, sub);
      return fake.sign(claims);
    };
  const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const seconds = () => Math.floor(Date.now() / 1000);
  const tampered = async (token: Promise<string>, at: 0 | 1 | 2, change: (text: string) => string): Promise<string> => {
    const parts = (await token).split('.');
    parts[at] = change(parts[at]!);
    return parts.join('.');
  };

  const FORGERIES: Record<string, Forgery> = {
    'a wrong nonce': with_({ nonce: 'A'.repeat(43) }),
    'no nonce': without('nonce'),
    'another issuer': (request, sub) => fake.sign({ ...right(request, sub), iss: evil.issuer }),
    'no issuer': without('iss'),
    'another audience': with_({ aud: 'somebody-else' }),
    'an audience in other letters': with_({ aud: CLIENT_ID.toUpperCase() }),
    'no audience': without('aud'),
    'several audiences and no authorized party': with_({ aud: [CLIENT_ID, 'somebody-else'] }),
    'another authorized party': with_({ aud: [CLIENT_ID, 'somebody-else'], azp: 'somebody-else' }),
    'an end in the past': (request, sub) => fake.sign({ ...right(request, sub), exp: seconds() - 60 }),
    'no end': without('exp'),
    'an end that is a text': (request, sub) => fake.sign({ ...right(request, sub), exp: String(seconds() + 60) }),
    'a beginning in the future': (request, sub) => fake.sign({ ...right(request, sub), nbf: seconds() + 3600 }),
    'no time of issue': without('iat'),
    'no time of the sign-in': without('auth_time'),
    'a sign-in of yesterday': (request, sub) => fake.sign({ ...right(request, sub), auth_time: seconds() - 90_000 }),
    'no subject': without('sub'),
    'an empty subject': with_({ sub: '' }),
    'a subject that is a number': with_({ sub: 7 }),
    'a subject with a control character': with_({ sub: 'a\u0000b' }),
    'a session id that is none': with_({ sid: { a: 1 } }),
    'a flipped bit in the signature': (request, sub) =>
      tampered(fake.sign(right(request, sub)), 2, (text) => {
        const bytes = Buffer.from(text, 'base64url');
        bytes[40]! ^= 1;
        return bytes.toString('base64url');
      }),
    'another payload under the same signature': (request, sub) =>
      tampered(fake.sign(right(request, sub)), 1, () => part({ ...right(request, sub), roles: ['doctors'] })),
    'an empty signature': (request, sub) => tampered(fake.sign(right(request, sub)), 2, () => ''),
    'no signature, alg none': (request, sub) => `${part({ alg: 'none' })}.${part(right(request, sub))}.`,
    'no signature, alg NoNe': (request, sub) => `${part({ alg: 'NoNe' })}.${part(right(request, sub))}.`,
    'a MAC by the client secret': (request, sub) =>
      new SignJWT(right(request, sub))
        .setProtectedHeader({ alg: 'HS256', kid: fake.kid })
        .sign(Buffer.from(CLIENT_SECRET)),
    'a MAC by the public key': async (request, sub) =>
      new SignJWT(right(request, sub))
        .setProtectedHeader({ alg: 'HS256', kid: fake.kid })
        .sign(Buffer.from(await exportSPKI(fake.keys.publicKey))),
    "another key under the provider's name": async (request, sub) => {
      const { privateKey } = await generateKeyPair('RS256');
      return fake.sign(right(request, sub), {}, privateKey);
    },
    'another key that it brings with it': async (request, sub) => {
      const { privateKey, publicKey } = await generateKeyPair('RS256', { extractable: true });
      return fake.sign(right(request, sub), { jwk: await exportJWK(publicKey), kid: 'new' }, privateKey);
    },
    'another key at an address that it names': async (request, sub) => {
      const { privateKey } = await generateKeyPair('RS256');
      return fake.sign(right(request, sub), { jku: `${evil.issuer}/jwks`, kid: evil.kid }, privateKey);
    },
    'an algorithm that the provider does not announce': (request, sub) => {
      const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
      return new SignJWT(right(request, sub)).setProtectedHeader({ alg: 'ES256', kid: fake.kid }).sign(privateKey);
    },
    'something critical that nobody understands': (request, sub) =>
      new SignJWT(right(request, sub))
        .setProtectedHeader({ alg: 'RS256', kid: fake.kid, crit: ['x'], x: 1 })
        .sign(fake.keys.privateKey, { crit: { x: true } }),
    'a logout token in its place': (request, sub) =>
      fake.sign({ iss: fake.issuer, aud: CLIENT_ID, sub, iat: seconds(), exp: seconds() + 60, events: {} }),
    'no token at all': () => '',
    'a text': () => 'not.a.token',
  };

  it.each(Object.keys(FORGERIES))('is refused with %s', async (name) => {
    const browser = newBrowser();
    const location = await begin(browser);
    const [known, asked] = [await accounts(), evil.asked.length];
    const code = fake.grantWith(location, (request) => FORGERIES[name]!(request, newSubject()));
    expect(said(await back(browser, answerOf(fake, location, code)))).toEqual(FAILED);
    expect(await accounts()).toBe(known);
    expect(evil.asked).toHaveLength(asked);
  });

  it('is taken when nothing is wrong with it', async () => {
    await signIn(world, newSubject());
  });
});
