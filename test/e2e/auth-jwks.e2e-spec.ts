import { copyFile, mkdtemp, readFile, rm, chmod } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createLocalJWKSet, createRemoteJWKSet, errors, jwtVerify, type JSONWebKeySet } from 'jose';
import type { Config } from '../../src/platform/config/config.js';
import { addKey, announceKey, KeyRing, removeKey } from '../../src/platform/crypto/index.js';
import { cloneDatabase, testServer } from '../harness/database.js';
import { checkLedger } from '../harness/ledger.js';
import { Caller, makeAdmin, makePatient, signInAs, type Patient } from '../harness/people.js';
import { startPortal, type Portal } from '../harness/portal.js';

let folder: string;
let keyFile: string;
let database: Config['database'];
let portal: Portal;
let patient: Patient;

const start = () => startPortal({ database, env: { KEY_FILE: keyFile } });

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'portico-jwks-'));
  keyFile = join(folder, 'keys.json');
  await copyFile(testServer().keyFile, keyFile);
  await chmod(keyFile, 0o600);
  database = await cloneDatabase();
  portal = await start();
  patient = await makePatient(portal, await makeAdmin(portal));
});
afterAll(async () => {
  await checkLedger(portal);
  await portal.close();
  await rm(folder, { recursive: true });
});

/** As a gateway in front of the portal would verify. */
const verified = (token: string, keys: Parameters<typeof jwtVerify>[1]) =>
  jwtVerify(token, keys, {
    algorithms: ['ES256'],
    issuer: 'https://portal.test',
    audience: 'portico',
    typ: 'at+jwt',
    currentDate: portal.clock.now(),
  });
const remote = () => createRemoteJWKSet(new URL(`${portal.url}/.well-known/jwks.json`));
const published = async () => (await portal.http.get('/.well-known/jwks.json').expect(200)).body as JSONWebKeySet;
const kidsOf = ({ keys }: JSONWebKeySet) => keys.map(({ kid }) => kid);

/** The server again, on the keys as they are now; the same people, with the clock where it was. */
async function restart(): Promise<void> {
  await checkLedger(portal);
  await portal.close();
  portal = await start();
  patient = Object.assign(patient, { portal });
}

const me = (token: string) => portal.http.get('/v1/me').set('Authorization', `Bearer ${token}`);

describe('the published keys', () => {
  it('verify the tokens that the portal gives out, and hold nothing private', async () => {
    const { payload } = await verified(patient.tokens.accessToken, remote());
    expect(payload).toMatchObject({ iss: 'https://portal.test', aud: 'portico', sid: patient.tokens.session.id });
    const answer = await portal.http.get('/.well-known/jwks.json').expect(200);
    expect(answer.headers).toMatchObject({
      'cache-control': 'public, max-age=300',
      'content-type': expect.stringContaining('application/json'),
    });
    const { keys } = answer.body as JSONWebKeySet;
    expect(keys).toEqual([
      {
        kty: 'EC',
        crv: 'P-256',
        alg: 'ES256',
        use: 'sig',
        kid: portal.app.get(KeyRing).signingKey.kid,
        x: expect.stringMatching(/^[\w-]{43}$/),
        y: expect.stringMatching(/^[\w-]{43}$/),
      },
    ]);
    const file = await readFile(keyFile, 'utf8');
    for (const { material } of (JSON.parse(file) as { keys: { material: string }[] }).keys)
      expect(answer.text).not.toContain(material);
  });

  it('change step by step: announced, in use, retired, gone; at each, whoever kept the keys of the step before still verifies', async () => {
    const first = (await signInAs(portal, patient.credentials)).tokens.accessToken;
    const old = portal.app.get(KeyRing).signingKey.kid;

    const next = await announceKey(keyFile, 'token-signing');
    await restart();
    const kept = await published();
    expect(kidsOf(kept)).toEqual([old, next]);
    expect(portal.app.get(KeyRing).signingKey.kid).toBe(old);

    await addKey(keyFile, 'token-signing');
    await restart();
    const second = (await signInAs(portal, patient.credentials)).tokens.accessToken;
    expect(kidsOf(await published())).toEqual([next, old]);
    // A cache from before the rotation knows the new key already; both are good at the portal too.
    for (const keys of [createLocalJWKSet(kept), remote()]) {
      expect((await verified(first, keys)).protectedHeader.kid).toBe(old);
      expect((await verified(second, keys)).protectedHeader.kid).toBe(next);
    }
    for (const token of [first, second]) await me(token).expect(200);

    await removeKey(keyFile, old);
    await restart();
    expect(kidsOf(await published())).toEqual([next]);
    await expect(verified(first, remote())).rejects.toThrow(errors.JWKSNoMatchingKey);
    expect((await me(first)).body).toMatchObject({ status: 401, code: 'auth.token-invalid' });
    await verified(second, remote());
    await me(second).expect(200);
    // The session is another thing than the key: its refresh token gives a token under the key in use.
    const { body } = await portal.http
      .post('/v1/auth/refresh')
      .send({ refreshToken: patient.tokens.refreshToken })
      .expect(200);
    const renewed = new Caller(portal, body as Caller['tokens'], patient.credentials);
    expect((await verified(renewed.tokens.accessToken, remote())).protectedHeader.kid).toBe(next);
  });
});
