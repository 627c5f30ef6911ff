import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import jwt from 'jsonwebtoken';
import type { Config } from '../../src/platform/config/config.js';
import { KeyRing } from '../../src/platform/crypto/index.js';
import { cloneDatabase } from '../harness/database.js';
import { checkLedger } from '../harness/ledger.js';
import { Caller, makeAdmin, makeFeed, makePatient, signInAs, type Tokens } from '../harness/people.js';
import { startPortal, type Portal } from '../harness/portal.js';

let portal: Portal;
let database: Config['database'];
let admin: Caller;

beforeAll(async () => {
  database = await cloneDatabase();
  portal = await startPortal({ database });
  admin = await makeAdmin(portal);
});
beforeEach(async () => {
  admin = await signInAs(portal, admin.credentials);
});
afterAll(async () => {
  await checkLedger(portal);
  await portal.close();
});

const refusal = async (request: PromiseLike<{ status: number; body: { code: string } }>) => {
  const { status, body } = await request;
  return [status, body.code];
};

describe('access tokens', () => {
  const withToken = (token: string) => portal.http.get('/v1/auth/sessions').set('Authorization', `Bearer ${token}`);
  const signed = (
    claims: object,
    key: KeyObject | Buffer | '' = portal.app.get(KeyRing).signingKey.privateKey,
    header: object = {},
    alg = 'ES256',
  ) =>
    jwt.sign(claims, key as KeyObject, {
      algorithm: alg as 'ES256',
      header: { alg, typ: 'at+jwt', kid: portal.app.get(KeyRing).signingKey.kid, ...header },
    });

  it('are refused after five minutes, when remembered too', async () => {
    const patient = await makePatient(portal, admin);
    await withToken(patient.tokens.accessToken).expect(200);
    portal.clock.forward(299);
    await withToken(patient.tokens.accessToken).expect(200);
    portal.clock.forward(2);
    expect(await refusal(withToken(patient.tokens.accessToken))).toEqual([401, 'auth.token-expired']);
    // Forgotten by then: verified anew, and refused by the same clock.
    expect(await refusal(withToken(patient.tokens.accessToken))).toEqual([401, 'auth.token-expired']);
  });

  it('are refused in every forged form', async () => {
    const patient = await makePatient(portal, admin);
    const stranger = await makePatient(portal, admin);
    const ring = portal.app.get(KeyRing);
    const claims = jwt.decode(patient.tokens.accessToken) as Record<string, unknown>;
    const other = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
    const pem = ring.verificationKeys.get(ring.signingKey.kid)!.export({ type: 'spki', format: 'pem' });
    await withToken(signed(claims)).expect(200);
    const { sub: foreign } = jwt.decode(stranger.tokens.accessToken) as { sub: string };
    const without = (name: string) => Object.fromEntries(Object.entries(claims).filter(([key]) => key !== name));
    const now = Math.floor(portal.clock.now().getTime() / 1000);
    const [head, payload, signature] = patient.tokens.accessToken.split('.') as [string, string, string];
    const none = Buffer.from('{"alg":"none","typ":"at+jwt","kid":"k"}').toString('base64url');
    const forged: Record<string, string> = {
      'alg none': `${none}.${payload}.`,
      'alg none with a signature': `${none}.${payload}.${signature}`,
      'HS256 with the public key': signed(claims, Buffer.from(pem), {}, 'HS256'),
      'another key under our kid': signed(claims, other),
      'another kid': signed(claims, undefined, { kid: 'other' }),
      'no kid': signed(claims, undefined, { kid: undefined }),
      'a key in the header': signed(claims, other, { jwk: other.export({ format: 'jwk' }) }),
      'an address of keys': signed(claims, undefined, { jku: 'https://evil.example/keys' }),
      'typ JWT': signed(claims, undefined, { typ: 'JWT' }),
      'another audience': signed({ ...claims, aud: 'other' }),
      'no audience': signed(without('aud')),
      'another issuer': signed({ ...claims, iss: 'https://evil.example' }),
      'no issuer': signed(without('iss')),
      'no end': signed(without('exp')),
      'no session': signed(without('sid')),
      'no subject': signed(without('sub')),
      'no id': signed(without('jti')),
      expired: signed({ ...claims, exp: now - 1 }),
      'valid only later': signed({ ...claims, nbf: now + 60 }),
      "another account's session": signed({ ...claims, sub: foreign }),
      'an unknown session': signed({ ...claims, sid: claims.jti }),
      'a name in place of the account': signed({ ...claims, sub: patient.credentials.username }),
      'an address in place of the account': signed({ ...claims, sub: `${patient.credentials.username}@hospital.test` }),
      'a refresh token': patient.tokens.refreshToken,
      'two payloads': `${head}.${payload}.${payload}.${signature}`,
      'no signature': `${head}.${payload}.`,
      'a long token': signed({ ...claims, pad: 'x'.repeat(2_000) }),
      nothing: '',
    };
    for (const [name, token] of Object.entries(forged)) {
      const { status, headers } = await withToken(token);
      expect([name, status]).toEqual([name, 401]);
      expect(headers['www-authenticate']).toMatch(/^Bearer/);
    }
  });

  it('stay those of one account, whoever has its name and address since', async () => {
    const [before, since] = [await makePatient(portal, admin), await makePatient(portal, admin)];
    const [id, other] = [await before.accountId(), await since.accountId()];
    // As a superuser might, or a directory that gives a name anew: past all rules.
    const swap = (account: string, name: string) =>
      portal.owner.query(
        `UPDATE users.account SET username = $2, username_key = $2, email = $2 || '@swap.test' WHERE account_id = $1`,
        [account, name],
      );
    const { username } = before.credentials;
    await swap(id, 'nobody.now');
    await swap(other, username);
    for (const [caller, account] of [
      [before, id],
      [since, other],
    ] as const)
      expect((await caller.get('/v1/me').expect(200)).body).toMatchObject({ id: account });
  });

  it('are refused with any character changed', async () => {
    const patient = await makePatient(portal, admin);
    const token = patient.tokens.accessToken;
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
    const passed: number[] = [];
    for (let at = 0; at < token.length; at++) {
      if (token[at] === '.') continue;
      // One bit of the character's six; the last four bits of the signature stand for nothing, and are refused all the same.
      const flipped = alphabet[alphabet.indexOf(token[at]!) ^ (1 << (at % 6))]!;
      const { status } = await withToken(token.slice(0, at) + flipped + token.slice(at + 1));
      if (status !== 401) passed.push(at);
    }
    for (const bit of [1, 2, 4, 8]) {
      const flipped = alphabet[alphabet.indexOf(token.at(-1)!) ^ bit]!;
      if ((await withToken(token.slice(0, -1) + flipped)).status !== 401) passed.push(-bit);
    }
    expect(passed).toEqual([]);
    await withToken(token).expect(200);
  });

  it('name this portal alone, whichever way they were got; another one with the same keys refuses them', async () => {
    const patient = await makePatient(portal, admin);
    const feed = await makeFeed(portal, admin, 'https://ehr.test/audience');
    const { refreshToken } = patient.tokens;
    const refreshed = await portal.http.post('/v1/auth/refresh').send({ refreshToken }).expect(200);
    const { password } = patient.credentials;
    const stepUp = { method: 'password', password };
    const renewed = await new Caller(portal, refreshed.body as Tokens, patient.credentials)
      .post('/v1/auth/step-up', stepUp)
      .expect(200);
    const got = {
      password: patient.tokens.accessToken,
      'second factor': admin.tokens.accessToken,
      'refresh token': (refreshed.body as Tokens).accessToken,
      'step-up': (renewed.body as Tokens).accessToken,
      'assertion of a machine': feed.tokens.accessToken,
    };
    for (const [way, token] of Object.entries(got)) {
      const { iss, aud } = jwt.decode(token) as { iss: string; aud: unknown };
      expect([way, iss, aud]).toEqual([way, 'https://portal.test', 'portico']);
    }
    // Same signing key, same database, another portal: what is meant for the one is nothing in the other.
    const other = await startPortal({ database, env: { PUBLIC_URL: 'https://other.test' } });
    try {
      const at = ({ http }: Portal, token: string) => http.get('/v1/me').set('Authorization', `Bearer ${token}`);
      await at(portal, got['step-up']).expect(200);
      for (const token of Object.values(got)) expect((await at(other, token)).status).toBe(401);
      const { username } = patient.credentials;
      const { body } = await other.http.post('/v1/auth/login').send({ username, password }).expect(200);
      const { accessToken } = body as Tokens;
      await at(other, accessToken).expect(200);
      await at(portal, accessToken).expect(401);
      // The same in the one place where a token names its audience: neither several, nor one beside ours.
      const claims = jwt.decode(got['step-up']) as Record<string, unknown>;
      for (const aud of [['portico', 'other'], ['other', 'portico'], 'Portico', 'portico ', '', [], null])
        expect((await withToken(signed({ ...claims, aud }))).status).toBe(401);
    } finally {
      await other.close();
    }
  });

  it('are made anew at each sign-in, refresh and recognition: no two are alike', async () => {
    const patient = await makePatient(portal, admin);
    const seen: Tokens[] = [patient.tokens];
    for (let n = 0; n < 5; n++) {
      const { tokens } = await signInAs(portal, patient.credentials);
      const { body } = await portal.http
        .post('/v1/auth/refresh')
        .send({ refreshToken: tokens.refreshToken })
        .expect(200);
      seen.push(tokens, body as Tokens);
    }
    const ids = seen.map(({ accessToken }) => (jwt.decode(accessToken) as { jti: string }).jti);
    for (const values of [ids, seen.map((one) => one.accessToken), seen.map((one) => one.refreshToken)])
      expect(new Set(values).size).toBe(11);
    for (const { refreshToken } of seen)
      expect(Buffer.from(refreshToken, 'base64url').length).toBeGreaterThanOrEqual(16);
  });

  it('are not looked for in other places', async () => {
    const { tokens } = await makePatient(portal, admin);
    await portal.http.get(`/v1/auth/sessions?access_token=${tokens.accessToken}`).expect(401);
    await portal.http.get('/v1/auth/sessions').set('Cookie', `access_token=${tokens.accessToken}`).expect(401);
    expect(
      await refusal(portal.http.get('/v1/auth/sessions').set('Authorization', `Basic ${tokens.accessToken}`)),
    ).toEqual([401, 'auth.sign-in-required']);
  });
});
