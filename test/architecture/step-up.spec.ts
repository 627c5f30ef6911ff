import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { DeclaredRoutes } from '../../src/platform/access/declared-routes.js';
import type { SubjectName } from '../../src/platform/access/vocabulary.js';
import { NOBODY } from '../harness/hospital.js';
import { checkLedger } from '../harness/ledger.js';
import { currentCode, makeAdmin, type Caller } from '../harness/people.js';
import { startPortal, type Portal } from '../harness/portal.js';

/**
 * What a running session may do only shortly after its person was recognised, and how many seconds that may be ago. Written
 * by hand from the requirement (ASVS 7.5.1, 7.5.3): what decides how somebody is recognised, what somebody may do, and what
 * takes data away in bulk.
 */
const STEP_UP: Record<string, number> = {
  // Own ways in.
  'POST /v1/auth/mfa/totp': 300,
  'DELETE /v1/auth/mfa/totp': 300,
  'POST /v1/auth/mfa/sms': 300,
  'DELETE /v1/auth/mfa/sms': 300,
  'POST /v1/auth/mfa/recovery-codes': 300,
  'POST /v1/auth/passkeys/registration/options': 300,
  'DELETE /v1/auth/passkeys/:id': 300,
  'POST /v1/auth/sso/:provider/link': 300,
  'DELETE /v1/auth/sso/identities/:id': 300,
  'POST /v1/me/email': 300,
  // Own sessions: whoever finds a screen left behind throws nobody out (ASVS 7.5.2).
  'POST /v1/auth/logout-all': 900,
  'POST /v1/auth/logout-others': 900,
  'DELETE /v1/auth/sessions/:id': 900,
  // Everybody's sessions.
  'POST /v1/sessions/end-all': 300,
  // Others' ways in.
  'POST /v1/users': 300,
  'POST /v1/users/:id/email': 300,
  'POST /v1/users/:id/invitations': 300,
  'POST /v1/patients/:id/invitations': 300,
  'POST /v1/users/:id/mfa/reset': 300,
  'POST /v1/users/:id/password/expire': 300,
  'POST /v1/users/:id/password/reset': 300,
  'POST /v1/users/:id/sso/identities/:identityId/revoke': 300,
  'POST /v1/users/:id/unlock': 300,
  'POST /v1/account-resets/:id/approve': 300,
  'POST /v1/account-resets/:id/decline': 300,
  // The trail.
  'POST /v1/audit/erasures': 300,
  'POST /v1/audit/holds': 300,
  'POST /v1/audit/holds/:id/release': 300,
  'POST /v1/audit/exports': 300,
  'GET /v1/audit/exports/:id/bundle': 300,
  'GET /v1/audit/exports/:id/:name': 300,
  // A chart that leaves for an address that anybody could have typed.
  'POST /v1/downloads/:id/transmissions': 300,
  // What somebody, or some machine, may do.
  'POST /v1/users/:id/roles': 300,
  'POST /v1/users/:id/roles/:role/revoke': 300,
  'POST /v1/users/:id/keys': 300,
  'POST /v1/users/:id/scim-tokens': 300,
  // What proxies may see.
  'PUT /v1/sensitivity-rules': 300,
};

/** The others that touch credentials or accounts, and why they need no recent proof. */
const WITHOUT: Record<string, string> = {
  'POST /v1/auth/password/change': 'asks the current password',
  'POST /v1/auth/mfa/totp/confirm': 'finishes what needed it, with a code',
  'POST /v1/auth/mfa/sms/confirm': 'finishes what needed it, with a code',
  'POST /v1/auth/passkeys/registration': 'finishes what needed it, with a signature',
  'POST /v1/me/email/confirm': 'finishes what needed it, with a code',
  'PATCH /v1/auth/passkeys/:id': 'only a name',
  'PATCH /v1/users/:id': 'only a name: neither address nor username',
  'POST /v1/users/:id/disable': 'takes away: an alarm is quick',
  'POST /v1/users/:id/enable': 'gives back what was there',
  'POST /v1/users/:id/keys/:keyId/revoke': 'takes away: an alarm is quick',
  'POST /v1/users/:id/scim-tokens/:tokenId/revoke': 'takes away: an alarm is quick',
  'DELETE /v1/auth/devices': 'takes away: an alarm is quick',
  'DELETE /v1/auth/devices/:id': 'takes away: an alarm is quick',
};

const SENSITIVE = new Set<SubjectName>([
  'Account',
  'AccountReset',
  'ClientKey',
  'Device',
  'Email',
  'FederatedIdentity',
  'Password',
  'RecoveryCode',
  'ScimToken',
  'SecondFactor',
]);

let portal: Portal;
let admin: Caller;
let routes: ReturnType<DeclaredRoutes['list']>;

beforeAll(async () => {
  portal = await startPortal({ env: { ACCESS_TOKEN_MINUTES: '60' } });
  admin = await makeAdmin(portal);
  routes = portal.app.get(DeclaredRoutes).list();
});
afterAll(async () => {
  await checkLedger(portal);
  await portal.close();
});

const nameOf = ({ method, path }: { method: string; path: string }) => `${method} ${path}`;

describe('a recent proof of who it is', () => {
  it('is asked by exactly the routes of the table, with exactly its age', () => {
    const declared = routes.flatMap((route) => {
      const { stepUpSeconds } = route.endpoint;
      return stepUpSeconds === undefined ? [] : [[nameOf(route), stepUpSeconds] as const];
    });
    expect(Object.fromEntries(declared.sort())).toEqual(Object.fromEntries(Object.entries(STEP_UP).sort()));
  });

  it('is decided upon for everything that changes credentials, factors, addresses or accounts', () => {
    const changing = routes.filter(
      ({ method, endpoint }) =>
        !['GET', 'HEAD'].includes(method) && endpoint.access !== 'public' && SENSITIVE.has(endpoint.subject),
    );
    const undecided = changing.map(nameOf).filter((route) => !(route in STEP_UP) && !(route in WITHOUT));
    expect(undecided).toEqual([]);
    const all = new Set(routes.map(nameOf));
    expect(Object.keys(WITHOUT).filter((route) => !all.has(route))).toEqual([]);
  });

  it('is missed after its seconds, whoever asks, and is there again after POST /v1/auth/step-up', async () => {
    const code = async (route: string) => {
      const [method, path] = route.split(' ') as [string, string];
      const full = path.replace(/:\w+/g, NOBODY);
      const { status, body } = await admin
        .send(method.toLowerCase() as 'post', full)
        .set('If-Match', '"1"')
        .send({});
      return `${status} ${(body as { code?: string }).code}`;
    };
    const REFUSED = '403 auth.step-up-required';
    const began = portal.clock.now().getTime();
    // Not the one that ends this very session.
    const asked = Object.entries(STEP_UP).filter(([route]) => route !== 'POST /v1/auth/logout-all');
    for (const seconds of new Set(asked.map(([, age]) => age))) {
      const routes = asked.filter(([, age]) => age === seconds).map(([route]) => route);
      portal.clock.forward(seconds - 10 - (portal.clock.now().getTime() - began) / 1000);
      for (const route of routes) expect([route, await code(route)]).not.toEqual([route, REFUSED]);
      portal.clock.forward(15);
      for (const route of routes) expect([route, await code(route)]).toEqual([route, REFUSED]);
    }
    expect((await admin.post('/v1/auth/logout-all').expect(403)).body.code).toBe('auth.step-up-required');
    const proof = { method: 'totp', code: await currentCode(admin.credentials.totpSecret!, portal.clock) };
    const { body } = await admin.post('/v1/auth/step-up', proof).expect(200);
    expect((body as { id: string }).id).toBe(admin.tokens.session.id);
    for (const [route] of asked) expect([route, await code(route)]).not.toEqual([route, REFUSED]);
  });
});
