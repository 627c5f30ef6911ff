import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { generateKeyPair, SignJWT } from 'jose';
import { said } from '../harness/hospital.js';
import {
  CLIENT_ID,
  CLIENT_SECRET,
  type FakeProvider,
  LOGOUT_EVENT,
  RoamingBrowser,
} from '../harness/identity-providers.js';
import { type Portal } from '../harness/portal.js';
import {
  answerOf,
  back,
  begin,
  callerOf,
  comeBack,
  exchange,
  EXPIRED,
  newSubject,
  openSso,
  PERSON,
  signIn,
  type SsoWorld,
} from '../harness/sso.js';

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

describe('back-channel logout', () => {
  const send = (body: string | URLSearchParams, provider = 'fake', type = 'application/x-www-form-urlencoded') =>
    portal.http.post(`/v1/auth/sso/${provider}/backchannel-logout`).set('Content-Type', type).send(body.toString());
  const sendToken = (logout_token: string, provider?: string) => send(new URLSearchParams({ logout_token }), provider);

  const now = () => Math.floor(portal.clock.now().getTime() / 1000);
  const claims = (more: object): Record<string, unknown> => ({
    iss: fake.issuer,
    aud: CLIENT_ID,
    iat: now(),
    exp: now() + 120,
    jti: randomUUID(),
    events: { [LOGOUT_EVENT]: {} },
    ...more,
  });
  const sign = (payload: object, header: object = {}) => fake.sign(payload, { typ: 'logout+jwt', ...header });

  it('ends the sessions of the subject, or of its one session, on the next request', async () => {
    const sub = newSubject();
    const [one, two] = [await signIn(world, sub, { sid: 'one' }), await signIn(world, sub, { sid: 'two' })];
    const other = await signIn(world, newSubject(), { sid: 'one' });
    const answer = await sendToken(await sign(claims({ sid: 'two' })));
    expect([answer.status, answer.text, answer.headers['cache-control']]).toEqual([200, '', 'no-store']);
    expect(said(await two.get('/v1/me'))).toEqual([401, 'auth.session-ended']);
    await one.get('/v1/me').expect(200);
    await sendToken(await sign(claims({ sub: newSubject(), sid: 'one' }))).expect(200);
    await one.get('/v1/me').expect(200);
    const three = await signIn(world, sub);
    await sendToken(await sign(claims({ sub }))).expect(200);
    for (const caller of [one, three]) expect(said(await caller.get('/v1/me'))).toEqual([401, 'auth.session-ended']);
    await other.get('/v1/me').expect(200);
    const { refreshToken } = one.tokens;
    await portal.http.post('/v1/auth/refresh').send({ refreshToken }).expect(401);
  });

  it('refuses what is forged, old, used or something else', async () => {
    const sub = newSubject();
    const caller = await signIn(world, sub, { sid: 'mine' });
    const good = (more: object = {}) => claims({ sub, sid: 'mine', ...more });
    const without = (name: string) => {
      const { [name]: _, ...rest } = good();
      return sign(rest);
    };
    const { privateKey } = await generateKeyPair('RS256');
    const part = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
    const bits = (await sign(good())).split('.');
    const forged: Record<string, Promise<string> | string> = {
      'another key': fake.sign(good(), { typ: 'logout+jwt' }, privateKey),
      "another provider's": evil.sign(claims({ iss: evil.issuer, sub }), { typ: 'logout+jwt' }),
      'another issuer': sign(good({ iss: evil.issuer })),
      'another audience': sign(good({ aud: 'somebody-else' })),
      'no issuer': without('iss'),
      'no audience': without('aud'),
      'no jti': without('jti'),
      'a jti that is none': sign(good({ jti: 7 })),
      'no iat': without('iat'),
      'no exp': without('exp'),
      expired: sign(good({ iat: now() - 100, exp: now() - 40 })),
      'too old': sign(good({ iat: now() - 200, exp: now() + 500 })),
      'from the future': sign(good({ iat: now() + 300, exp: now() + 400 })),
      'no event': without('events'),
      'another event': sign(good({ events: { 'urn:other': {} } })),
      'an event that is no object': sign(good({ events: { [LOGOUT_EVENT]: 'yes' } })),
      'a nonce': sign(good({ nonce: 'n' })),
      'nobody named': sign(claims({})),
      'a subject that is none': sign(good({ sub: ['a'] })),
      'no typ': fake.sign(good()),
      'the typ of an ID token': sign(good(), { typ: 'JWT' }),
      'alg none': `${part({ alg: 'none', typ: 'logout+jwt' })}.${part(good())}.`,
      'a MAC': new SignJWT(good())
        .setProtectedHeader({ alg: 'HS256', typ: 'logout+jwt' })
        .sign(Buffer.from(CLIENT_SECRET)),
      'another payload': [bits[0], part(good({ sub: 'x' })), bits[2]].join('.'),
      'an ID token': fake.sign(fake.claims({ nonce: 'n' }, sub)),
      nothing: '',
      text: 'x'.repeat(500),
    };
    for (const [name, token] of Object.entries(forged)) {
      const answer = await sendToken(await token);
      expect([name, ...said(answer), answer.headers['cache-control']]).toEqual([
        name,
        400,
        'auth.logout-token-refused',
        'no-store',
      ]);
    }
    const token = await sign(good());
    expect(said(await sendToken(token, 'evil'))).toEqual([400, 'auth.logout-token-refused']);
    expect(
      said(
        await send(
          new URLSearchParams([
            ['logout_token', token],
            ['logout_token', token],
          ]),
        ),
      )[0],
    ).toBe(400);
    expect(said(await send('a=b'))[0]).toBe(400);
    expect(said(await send(`logout_token=${'x'.repeat(20_000)}`))).toEqual([400, 'auth.logout-token-refused']);
    expect(said(await send(JSON.stringify({ logout_token: token }), 'fake', 'application/json'))[0]).toBe(415);
    expect(said(await send(token, 'fake', 'text/plain'))[0]).toBe(415);
    expect(said(await sendToken(token, 'nobody'))[0]).toBe(404);
    expect(said(await sendToken(await sign(good()), 'gone'))).toEqual([503, 'auth.sso-unavailable']);
    await caller.get('/v1/me').expect(200);

    // Replayed at once, one of twenty counts.
    const answers = await Promise.all(Array.from({ length: 20 }, () => sendToken(token)));
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
    expect(said(await caller.get('/v1/me'))).toEqual([401, 'auth.session-ended']);
  });

  it('takes forms nowhere else', async () => {
    const form = 'application/x-www-form-urlencoded';
    const login = portal.http.post('/v1/auth/login').set('Content-Type', form).send('username=a&password=b');
    expect(said(await login)).toEqual([415, 'http.media-type']);
  });

  it('comes in time for whoever is half-way in', async () => {
    const sub = newSubject();
    const browser = newBrowser();
    const code = await comeBack(world, browser, sub, { sid: 'half' });
    await sendToken(await sign(claims({ sid: 'half' }))).expect(200);
    expect(said(await exchange(browser, code))).toEqual(EXPIRED);

    // Between the provider and our own second factor.
    const { body } = await exchange(browser, await comeBack(world, browser, sub, { sid: 'half-2', amr: ['pwd'] }));
    expect(body.status).toBe('enrolment_required');
    await sendToken(await sign(claims({ sid: 'half-2' }))).expect(200);
    const enrol = await portal.http.post('/v1/auth/mfa/totp').send({ mfaToken: body.mfaToken });
    expect(said(enrol)).toEqual([401, 'auth.sign-in-expired']);

    // Still at the provider, whose session is gone when the person comes back.
    const location = await begin(browser);
    const late = fake.grant(location, sub, { ...PERSON, sid: 'half-3' });
    await sendToken(await sign(claims({ sid: 'half-3' }))).expect(200);
    expect(said(await back(browser, answerOf(fake, location, late)))).toEqual(EXPIRED);
    await signIn(world, sub, { sid: 'half-4' });
  });

  it('leaves no session in fifty races with a sign-in', async () => {
    const sub = newSubject();
    await signIn(world, sub);
    for (let round = 0; round < 50; round++) {
      const browser = newBrowser();
      const sid = `race-${round}`;
      const code = await comeBack(world, browser, sub, { sid });
      const token = await sign(claims({ sid }));
      const [answer] = await Promise.all([exchange(browser, code), sendToken(token).expect(200)]);
      if (answer.status !== 200) continue;
      const caller = callerOf(portal, answer.body);
      expect([round, ...said(await caller.get('/v1/me'))]).toEqual([round, 401, 'auth.session-ended']);
    }
  });
});
