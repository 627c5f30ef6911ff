import { SessionSweeper } from '../../src/modules/auth/sessions/session-sweeper.js';
import { currentCode, makePatient, signInAs } from '../harness/people.js';
import { fresh, login, REFUSED, SESSION, type Auditable } from './auditable.js';

export const SIGNING: readonly Auditable[] = [
  {
    event: 'sign-in with a password',
    happens: async (stage) => void (await signInAs(stage.portal, stage.anna.credentials)),
    leaves: [{ sub: 'Session.login', act: 'E', out: 0, res: [SESSION] }],
    kind: 'sign-in',
  },
  {
    event: 'sign-in with a second factor: half-way, then done',
    happens: async (stage) => void (await signInAs(stage.portal, stage.staff.credentials)),
    leaves: [
      { sub: 'Session.login', act: 'E', out: 0 },
      { sub: 'Session.verify', act: 'E', out: 0, res: [SESSION] },
    ],
    kind: 'sign-in',
  },
  {
    event: 'sign-in of a machine',
    happens: async (stage) => void (await signInAs(stage.portal, stage.feed.credentials)),
    leaves: [{ sub: 'Session.login', out: 0, res: [SESSION], http: { route: '/v1/auth/token' } }],
    kind: 'sign-in',
  },
  {
    event: 'wrong password of a known account',
    happens: async (stage) => void (await login(stage, stage.anna.credentials.username, 'wrong').expect(401)),
    leaves: [{ sub: 'Session.login', ...REFUSED, actor: {}, err: 'auth.invalid-credentials' }],
    kind: 'failed-sign-in',
  },
  {
    event: 'wrong name',
    happens: async (stage) => void (await login(stage, 'nobody-at-all', 'wrong').expect(401)),
    leaves: [{ sub: 'Session.login', ...REFUSED, err: 'auth.invalid-credentials' }],
    kind: 'failed-sign-in',
  },
  {
    event: 'wrong code of the second factor',
    happens: async (stage) => {
      const { username, password } = stage.staff.credentials;
      const { mfaToken } = (await login(stage, username, password).expect(200)).body as { mfaToken: string };
      const body = { mfaToken, method: 'recovery_code', code: 'AAAA-AAAA-AAAA' };
      const answer = await stage.portal.http.post('/v1/auth/mfa/verify').send(body);
      if (answer.status < 400) throw new Error('a wrong code was taken');
    },
    leaves: [{ sub: 'Session.verify', ...REFUSED }],
    kind: 'failed-sign-in',
  },
  {
    event: 'sign-out',
    happens: async (stage) => void (await (await fresh(stage, 'anna')).post('/v1/auth/logout').expect(200)),
    leaves: [
      { sub: 'Session.logout', out: 0 },
      { sub: 'Session.end', err: 'auth.session-ended:logout' },
    ],
    kind: 'sign-out',
  },
  {
    event: 'automatic logout: nobody was there',
    happens: async (stage) => {
      await fresh(stage, 'anna');
      stage.portal.clock.forward(3_600);
      await stage.portal.app.get(SessionSweeper).sweep();
    },
    leaves: [{ sub: 'Session.end', act: 'E', out: 0, err: 'auth.session-ended:idle' }],
    kind: 'automatic-logout',
  },
  {
    event: 'automatic logout: it had lasted long enough',
    happens: async (stage) => {
      const { tokens } = await fresh(stage, 'anna');
      const made = 'UPDATE auth.session SET last_active_at = expires_at WHERE session_id = $1';
      await stage.portal.owner.query(made, [tokens.session.id]);
      stage.portal.clock.forward(stage.portal.config.sessions.patient.absoluteSeconds + 60);
      await stage.portal.app.get(SessionSweeper).sweep();
    },
    leaves: [{ sub: 'Session.end', err: 'auth.session-ended:expired' }],
    kind: 'automatic-logout',
  },
  {
    event: 'session revoked by its holder from another one',
    happens: async (stage) => {
      const [lost, here] = [await fresh(stage, 'anna'), await fresh(stage, 'anna')];
      await here.delete(`/v1/auth/sessions/${lost.tokens.session.id}`).expect(204);
    },
    leaves: [
      { sub: 'Session.revoke', out: 0, res: [{ t: 'Session' }] },
      { sub: 'Session.end', err: 'auth.session-ended:revoked' },
    ],
    kind: 'session-ended',
  },
  {
    event: 'use of a refresh token, and of a used one',
    happens: async (stage) => {
      const { refreshToken } = (await fresh(stage, 'anna')).tokens;
      const use = () => stage.portal.http.post('/v1/auth/refresh').send({ refreshToken });
      await use().expect(200);
      // Longer than a client whose answer was lost has to ask once more.
      stage.portal.clock.forward(120);
      await use().expect(401);
    },
    leaves: [
      { sub: 'Session.refresh', out: 0, res: [{ t: 'Session' }] },
      { sub: 'Session.refresh', ...REFUSED },
      { sub: 'Session.end', err: 'auth.session-ended:reuse' },
    ],
    kind: 'session-ended',
  },
  {
    event: 'second factor shown again',
    happens: async (stage) => {
      const him = await fresh(stage, 'staff');
      const code = await currentCode(him.credentials.totpSecret!, stage.portal.clock);
      await him.post('/v1/auth/step-up', { method: 'totp', code }).expect(200);
    },
    leaves: [{ sub: 'Session.step-up', act: 'E', out: 0 }],
  },
  {
    event: 'password changed',
    happens: async (stage) => {
      const her = await fresh(stage, 'anna');
      const { password } = her.credentials;
      await her.post('/v1/auth/password/change', { currentPassword: password, newPassword: password }).expect(200);
    },
    leaves: [{ sub: 'Password.update', act: 'U', out: 0, res: [{ t: 'Password' }] }],
  },
  {
    event: 'password forgotten',
    happens: async ({ portal, anna }) => {
      const body = { usernameOrEmail: anna.credentials.username };
      const { status } = await portal.http.post('/v1/auth/password/forgot').send(body);
      if (status >= 300) throw new Error(String(status));
    },
    leaves: [{ sub: 'Password.forgot', act: 'E', out: 0 }],
  },
  {
    event: 'second factor set up, recovery codes shown; then new ones',
    happens: async (stage) => {
      const her = await makePatient(stage.portal, await fresh(stage, 'admin'));
      const { secret } = (await her.post('/v1/auth/mfa/totp', {}).expect(200)).body as { secret: string };
      const code = await currentCode(secret, stage.portal.clock);
      await her.post('/v1/auth/mfa/totp/confirm', { code }).expect(200);
      await her.post('/v1/auth/mfa/recovery-codes').expect((answer) => {
        if (answer.status >= 300) throw new Error(answer.text);
      });
    },
    leaves: [
      { sub: 'SecondFactor.enrol', act: 'C', out: 0 },
      { sub: 'SecondFactor.confirm', act: 'U', out: 0, res: [{ t: 'RecoveryCode' }] },
      { sub: 'RecoveryCode.create', act: 'C', out: 0, res: [{ t: 'RecoveryCode' }] },
    ],
    kind: 'secret-shown',
  },
];
