import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type supertest from 'supertest';
import { Database } from '../../src/platform/database/database.js';
import { assertionOf, JWT_BEARER, newMachineKey, type MachineKey } from '../harness/assertions.js';
import { checkLedger } from '../harness/ledger.js';
import { makeAdmin, makeFeed, makeStaff, signInAs, type Caller, type Machine } from '../harness/people.js';
import { startPortal, type Portal } from '../harness/portal.js';

let portal: Portal;
let admin: Caller;
let feed: Machine & { id: string };
let key: MachineKey;

beforeAll(async () => {
  portal = await startPortal({ env: { TRUSTED_PROXIES: '127.0.0.1' } });
  admin = await makeAdmin(portal);
  feed = await makeFeed(portal, admin, 'https://ehr.test/main');
  ({ key } = feed.credentials.machine);
});
afterAll(async () => {
  await checkLedger(portal);
  await portal.close();
});

let peers = 0;
const somewhere = (): string => `198.51.100.${++peers % 250}`;

const ask = (body: object, from = somewhere()): supertest.Test =>
  portal.http.post('/v1/auth/token').set('X-Forwarded-For', from).type('form').send(body);
const request = (assertion: string, over: object = {}): object => ({
  grant_type: 'client_credentials',
  client_assertion_type: JWT_BEARER,
  client_assertion: assertion,
  ...over,
});
const who = (clientId = feed.id, by = key, audience = 'https://portal.test') => ({
  clientId,
  key: by,
  audience,
  now: portal.clock.now(),
});
const signed = (claims: object = {}, header: object = {}): Promise<string> =>
  assertionOf(who(), { ...claims }, { ...header });

const me = (token: string): supertest.Test =>
  portal.http.get('/v1/imports/none').set('Authorization', `Bearer ${token}`);
/** 404 and 400 come from behind the door, 401 from it. */
const counts = async (token: string): Promise<boolean> => (await me(token)).status !== 401;

const INVALID_CLIENT = { status: 401, body: { error: 'invalid_client', code: 'auth.invalid-client' } };
const newService = async (over: object = {}): Promise<string> => {
  const account = { displayName: 'Service', email: 'ops@hospital.test', roles: ['integration'], ...over };
  const source = { source: `urn:feed:${randomUUID()}` };
  return ((await admin.post('/v1/users', { ...source, ...account }).expect(201)).body as { id: string }).id;
};

describe('keys', () => {
  const path = (id: string) => `/v1/users/${id}/keys`;
  const publicJwk = (type: 'rsa' | 'ec' | 'x25519', options: object): object => {
    const pair = generateKeyPairSync(type as 'rsa', options as { modulusLength: number });
    return pair.publicKey.export({ format: 'jwk' });
  };
  const register = (id: string, body: object) => admin.post(path(id), body);

  it('end what they opened when they are taken away, at once, and never come back', async () => {
    const service = await makeFeed(portal, admin, `urn:feed:${randomUUID()}`);
    const second = await newMachineKey();
    await register(service.id, { jwk: second.publicJwk }).expect(201);
    const other = await ask(request(await assertionOf(who(service.id, second)))).expect(200);
    const { accessToken } = service.tokens;
    const { items } = (await admin.get(path(service.id)).expect(200)).body as { items: { id: string; kid: string }[] };
    const { machine } = service.credentials;
    const first = items.find(({ kid }) => kid === machine.key.kid)!;
    expect(await counts(accessToken)).toBe(true);
    const revoke = () => admin.post(`${path(service.id)}/${first.id}/revoke`, { reason: 'Laptop lost.' });
    expect((await revoke().expect(200)).body).toMatchObject({ revokeReason: 'Laptop lost.' });
    expect(await counts(accessToken)).toBe(false);
    expect(await counts((other.body as { access_token: string }).access_token)).toBe(true);
    expect(await ask(request(await assertionOf(who(service.id, machine.key))))).toMatchObject(INVALID_CLIENT);
    expect((await revoke()).body).toMatchObject({ status: 409, code: 'auth.key-revoked-already' });
    expect((await register(service.id, { jwk: machine.key.publicJwk })).body).toMatchObject({ code: 'auth.key-known' });
    const { rows } = await portal.owner.query(
      `SELECT count(*)::int AS n FROM auth.session WHERE account_id = $1 AND end_reason = 'key-revoked'`,
      [service.id],
    );
    expect(rows).toEqual([{ n: 1 }]);
  });

  it('count for nothing once the account is disabled or has lost its role, from the next request on', async () => {
    for (const [act, body] of [
      ['disable', { reason: 'Compromised.' }],
      ['roles/integration/revoke', { reason: 'Replaced.' }],
    ] as const) {
      const service = await makeFeed(portal, admin, `urn:feed:${randomUUID()}`);
      const { machine } = service.credentials;
      expect(await counts(service.tokens.accessToken)).toBe(true);
      await admin.post(`/v1/users/${service.id}/${act}`, body).expect(200);
      expect(await counts(service.tokens.accessToken)).toBe(false);
      expect(await ask(request(await assertionOf(who(service.id, machine.key))))).toMatchObject(INVALID_CLIENT);
    }
  });

  it('run out, and the session with them', async () => {
    const id = await newService();
    const made = await newMachineKey();
    const at = (seconds: number) => new Date(portal.clock.now().getTime() + seconds * 1000).toISOString();
    await register(id, { jwk: made.publicJwk, expiresAt: at(100) }).expect(201);
    const { body } = await ask(request(await assertionOf(who(id, made)))).expect(200);
    const { access_token: token, expires_in: seconds } = body as { access_token: string; expires_in: number };
    expect(seconds).toBeLessThanOrEqual(100);
    portal.clock.forward(101);
    expect(await counts(token)).toBe(false);
    expect(await ask(request(await assertionOf(who(id, made))))).toMatchObject(INVALID_CLIENT);
    const long = await newMachineKey();
    for (const seconds of [-1, 732 * 86_400])
      expect((await register(id, { jwk: long.publicJwk, expiresAt: at(seconds) })).body).toMatchObject({
        code: 'auth.key-expiry',
      });
  });

  it('are strong public signing keys, and nothing else', async () => {
    const id = await newService();
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const good = publicJwk('ec', { namedCurve: 'P-256' });
    const refusals: [object, string][] = [
      [{}, 'auth.key-needed'],
      [{ jwk: good, pem: 'x' }, 'auth.key-needed'],
      [{ jwk: privateKey.export({ format: 'jwk' }) }, 'auth.private-key-shown'],
      [{ pem: privateKey.export({ type: 'pkcs8', format: 'pem' }) }, 'auth.private-key-shown'],
      [{ jwk: publicJwk('rsa', { modulusLength: 2048 }) }, 'auth.key-unusable'],
      [{ jwk: publicJwk('rsa', { modulusLength: 3072, publicExponent: 3 }) }, 'auth.key-unusable'],
      [{ jwk: publicJwk('ec', { namedCurve: 'secp256k1' }) }, 'auth.key-unusable'],
      [{ jwk: publicJwk('ec', { namedCurve: 'P-521' }) }, 'auth.key-unusable'],
      [{ jwk: publicJwk('x25519', {}) }, 'auth.key-unusable'],
      [{ jwk: { ...good, use: 'enc' } }, 'auth.key-unusable'],
      [{ jwk: { ...good, alg: 'ES384' } }, 'auth.key-unusable'],
      [{ jwk: { ...good, x: 'AAAA' } }, 'auth.key-unusable'],
      [{ pem: '-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----' }, 'auth.key-unusable'],
      [{ pem: 'nothing' }, 'auth.key-unusable'],
      [{ pem: '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----' }, 'auth.certificate-unusable'],
    ];
    for (const [body, code] of refusals)
      expect([code, (await register(id, body)).body]).toMatchObject([code, { code }]);
    expect((await register(id, { jwk: { ...good, kty: 'oct', k: 'c2VjcmV0' } })).status).toBe(400);
    expect((await admin.get(path(id)).expect(200)).body).toMatchObject({ items: [] });
  });

  it('are registered by administrators with a fresh second factor, for machines alone, ten at most', async () => {
    const id = await newService();
    const made = await newMachineKey();
    const staff = await makeStaff(portal, admin, 'staff');
    for (const caller of [staff, feed]) {
      expect((await caller.post(path(id), { jwk: made.publicJwk })).status).toBe(403);
      expect((await caller.get(path(id))).status).toBe(403);
    }
    const person = await staff.accountId();
    expect((await register(person, { jwk: made.publicJwk })).body).toMatchObject({ code: 'auth.no-service-account' });
    expect((await register(nobodyId, { jwk: made.publicJwk })).status).toBe(404);
    const races = await Promise.all(
      Array.from({ length: 14 }, async () => register(id, { jwk: (await newMachineKey()).publicJwk })),
    );
    expect(races.map(({ status }) => status).sort()).toEqual([
      ...Array.from({ length: 10 }, () => 201),
      ...Array.from({ length: 4 }, () => 409),
    ]);
    const one = await newService();
    const twice = await Promise.all([register(one, { jwk: made.publicJwk }), register(one, { jwk: made.publicJwk })]);
    expect(twice.map(({ status }) => status).sort()).toEqual([201, 409]);

    portal.clock.forward(301);
    const { refreshToken } = admin.tokens;
    Object.assign(admin.tokens, (await portal.http.post('/v1/auth/refresh').send({ refreshToken }).expect(200)).body);
    expect((await register(one, { jwk: made.publicJwk })).body).toMatchObject({ code: 'auth.step-up-required' });
    // Taking one away is not to wait for anything.
    const { items } = (await admin.get(path(one)).expect(200)).body as { items: { id: string }[] };
    await admin.post(`${path(one)}/${items[0]!.id}/revoke`, { reason: 'Alarm.' }).expect(200);
    admin = await signInAs(portal, admin.credentials);
  });

  const nobodyId = '01990000-0000-7000-8000-000000000000';

  it('cannot be changed or exchanged by the server itself, nor the public keys of people: only added and taken away', async () => {
    const asServer = (statement: string) =>
      portal.app
        .get(Database)
        .write(null, (db) => db.query(statement))
        .then(
          () => 'done',
          (error: Error) => error.message,
        );
    const forbidden = {
      'auth.client_key': [
        'kind',
        'kid',
        'jwk',
        'algorithms',
        'account_id',
        'expires_at',
        'created_by',
        'client_key_id',
      ],
      'auth.passkey': ['public_key', 'credential_id', 'account_id', 'passkey_id'],
    };
    for (const [table, columns] of Object.entries(forbidden)) {
      const denied = `permission denied for table ${table.split('.')[1]}`;
      for (const column of columns)
        expect([column, await asServer(`UPDATE ${table} SET ${column} = ${column}`)]).toEqual([column, denied]);
    }
    expect(await asServer('DELETE FROM auth.client_key')).toBe('permission denied for table client_key');
    expect(await asServer('TRUNCATE auth.client_key, auth.passkey')).toContain('permission denied');
    expect(await asServer('ALTER TABLE auth.client_key DISABLE TRIGGER ALL')).toContain('must be owner');
  });

  it('leave nothing secret in the database: public parts, thumbprints, hashes of ids', async () => {
    const jti = randomUUID();
    await ask(request(await signed({ jti }))).expect(200);
    const { rows } = await portal.owner.query<{ row: string }>(
      `SELECT k::text AS row FROM auth.client_key k UNION ALL SELECT a::text FROM auth.client_assertion a`,
    );
    for (const { row } of rows) {
      expect(row).not.toContain(jti);
      expect(row).not.toMatch(/""d""|""p""/);
    }
    const { rows: used } = await portal.owner.query(
      'SELECT 1 FROM auth.client_assertion WHERE account_id = $1 AND jti_hash = sha256($2)',
      [feed.id, Buffer.from(jti)],
    );
    expect(used).toHaveLength(1);
  });
});
