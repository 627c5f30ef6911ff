import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createAdmin } from '../../src/cli/admin-create.js';
import { checkLedger } from '../harness/ledger.js';
import { startPortal, type Portal } from '../harness/portal.js';

let portal: Portal;

beforeAll(async () => {
  portal = await startPortal();
});
afterAll(async () => {
  await checkLedger(portal);
  await portal.close();
});

const login = (username: string, password: string) => portal.http.post('/v1/auth/login').send({ username, password });

describe('a portal that was just installed', () => {
  it('has nobody who could sign in, by any way', async () => {
    const ways = [
      ...['users.account', 'users.account_role', 'auth.credential', 'auth.passkey', 'auth.totp', 'auth.sms_number'],
      ...['auth.recovery_code', 'auth.invitation', 'auth.federated_identity', 'auth.device', 'auth.session'],
      ...['auth.client_key', 'auth.scim_token', 'auth.password_reset'],
    ];
    for (const table of ways)
      expect([table, (await portal.owner.query(`SELECT 1 FROM ${table}`)).rowCount]).toEqual([table, 0]);
    for (const name of ['root', 'admin', 'administrator', 'sa', 'portico', 'postgres', 'test', 'guest'])
      for (const password of [name, 'admin', 'password', 'portico', 'changeme'])
        expect((await login(name, password).expect(401)).body.code).toBe('auth.invalid-credentials');
  });

  it('gets its first administrator by a code that is used once, and who has no password before', async () => {
    const account = { username: 'first', displayName: 'First', email: 'first@hospital.test' };
    const { code } = await createAdmin(portal.app, account);
    await login('first', code).expect(401);
    await login('first', 'a password of first hand').expect(401);
    const activate = (password: string) =>
      portal.http.post('/v1/auth/activate').send({ activationCode: code, password });
    await activate('a password of first hand').expect(204);
    await activate('another password at hand').expect(401);
    const { body } = await login('first', 'a password of first hand').expect(200);
    expect(body.status).toBe('enrolment_required');
  });
});
