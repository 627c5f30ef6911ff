import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { LIMITS } from '../../src/modules/auth/throttling/attempts.js';
import { checkLedger } from '../harness/ledger.js';
import { freshName, mailedCode, makeAdmin, makeChart, makeStaff, signInAs, type Caller } from '../harness/people.js';
import { startPortal, type Portal } from '../harness/portal.js';

let portal: Portal;
let admin: Caller;

beforeAll(async () => {
  portal = await startPortal({ env: { TRUSTED_PROXIES: '127.0.0.1' } });
  admin = await makeAdmin(portal);
});
afterAll(async () => {
  await checkLedger(portal);
  await portal.close();
});

const PASSWORD = 'a password long enough';
let peers = 0;
/** Each from an address of its own, unless the address is what is tested. */
const activate = (body: object, from = `198.51.100.${++peers % 250}`) =>
  portal.http.post('/v1/auth/activate').set('X-Forwarded-For', from).send(body);

async function invited(birthDate = '1980-05-17') {
  const chart = await makeChart(admin, { birthDate });
  await admin.post(`/v1/patients/${chart.id}/invitations`, {}).expect(204);
  const activationCode = await mailedCode(portal, chart.email);
  return { chart, body: { activationCode, username: freshName('pat'), password: PASSWORD, dateOfBirth: birthDate } };
}

const refused = async (body: object, status = 401, code = 'auth.invalid-activation') => {
  const answer = await activate(body);
  expect([answer.status, (answer.body as { code: string }).code]).toEqual([status, code]);
  return { ...(answer.body as object), instance: '' };
};

describe('a patient', () => {
  it('opens an account to their chart with code, birth date, username and password, once', async () => {
    const { chart, body } = await invited();
    await activate(body).expect(204);
    const patient = await signInAs(portal, body);
    const me = (await patient.get('/v1/me').expect(200)).body as { patientIds: string[] };
    expect(me.patientIds).toEqual([chart.id]);
    await refused({ ...body, username: freshName('pat') });
    expect(portal.mails.every(({ text, subject }) => !/Pat |Patient|1980/.test(text + subject))).toBe(true);
  });

  it('gets one answer for a code that is wrong, malformed, used, old, replaced, or with another birth date', async () => {
    const [wrong, used, replaced, old] = [await invited(), await invited(), await invited(), await invited()];
    await activate(used.body).expect(204);
    await admin.post(`/v1/patients/${replaced.chart.id}/invitations`, {}).expect(204);
    const newer = await mailedCode(portal, replaced.chart.email);
    const answers = [
      await refused({ ...wrong.body, activationCode: '0000-0000-0000-0000' }),
      await refused({ ...wrong.body, activationCode: 'nonsense' }),
      await refused({ ...wrong.body, dateOfBirth: '1980-05-18' }),
      await refused({ ...wrong.body, dateOfBirth: undefined }),
      await refused({ ...wrong.body, username: undefined }),
      await refused({ ...used.body, username: freshName('pat') }),
      await refused(replaced.body),
    ];
    await activate({ ...replaced.body, activationCode: newer }).expect(204);
    portal.clock.forward(7 * 86_400 + 1);
    answers.push(await refused(old.body));
    for (const answer of answers) expect(answer).toEqual(answers[0]);
    admin = await signInAs(portal, admin.credentials);
  });

  it('leaves nothing behind when refused: the code still works, no account stands', async () => {
    const { body } = await invited();
    await refused({ ...body, dateOfBirth: '1999-01-01' });
    const { rows } = await portal.owner.query('SELECT 1 FROM users.account WHERE username = $1', [body.username]);
    expect(rows).toEqual([]);
    await activate({ ...body, activationCode: body.activationCode.toLowerCase().replaceAll('-', ' ') }).expect(204);
  });

  it('wins once of four parallel uses', async () => {
    const { body } = await invited();
    const answers = await Promise.all(
      Array.from({ length: 4 }, (_, i) => activate({ ...body, username: `${body.username}-${i}` })),
    );
    expect(answers.filter(({ status }) => status === 204)).toHaveLength(1);
    expect(answers.filter(({ status }) => status === 401)).toHaveLength(3);
    const { rows } = await portal.owner.query("SELECT 1 FROM users.account WHERE username LIKE $1 || '-%'", [
      body.username,
    ]);
    expect(rows).toHaveLength(1);
  });

  it('learns of a taken username only with a valid code, and then of a bad password', async () => {
    const [first, second] = [await invited(), await invited()];
    await activate(first.body).expect(204);
    await refused({ ...second.body, activationCode: '0000-0000-0000-0001', username: first.body.username });
    await refused({ ...second.body, username: first.body.username.toUpperCase() }, 409, 'users.username-taken');
    await refused({ ...second.body, password: 'short of 15' }, 422, 'auth.password-too-short');
    await refused({ ...second.body, password: 'passwordpassword' }, 422, 'auth.password-too-common');
    await activate(second.body).expect(204);
  });

  it('cannot be guessed: five tries of a birth date, then waits', async () => {
    const { body } = await invited();
    const guesses = await Promise.all(
      Array.from({ length: 20 }, (_, i) => activate({ ...body, dateOfBirth: `1980-06-${10 + i}` })),
    );
    expect(guesses.filter(({ status }) => status === 401)).toHaveLength(5);
    expect(guesses.filter(({ status }) => status === 429)).toHaveLength(15);
    await refused(body, 429, 'auth.too-many-attempts');
    portal.clock.forward(31);
    await activate(body).expect(204);
  });

  it('is not searched for among codes: an address gets 20 free failures, an IPv6 network as one', async () => {
    const guess = (i: number, from: string) =>
      activate({ activationCode: `ABCD-EFGH-0000-${1000 + i}`, password: PASSWORD }, from);
    for (let i = 0; i < 20; i++) await guess(i, `2001:db8:7:7::${i + 1}`).expect(401);
    const { headers } = await guess(20, '2001:db8:7:7:9::1').expect(429);
    expect(Number(headers['retry-after'])).toBeGreaterThan(0);
    await guess(21, '2001:db8:7:8::1').expect(401);
  });

  it('buys nobody guesses at other codes: invitations of their own lift no throttle of their network', async () => {
    const from = '203.0.113.80';
    const guess = (i: number) => activate({ activationCode: `ABCD-EFGH-1111-${1000 + i}`, password: PASSWORD }, from);
    const { free } = LIMITS['activation-address'];
    for (let i = 0; i < free; i++) {
      await guess(i).expect(401);
      if (i % 5 === 0 && i < free - 1) await activate((await invited()).body, from).expect(204);
    }
    const { headers } = await guess(free).expect(429);
    expect(headers.ratelimit).toMatch(/^"activation";r=0;/);
    const { body } = await invited();
    await activate(body, from).expect(429);
    await activate(body).expect(204);
  });

  it('is not locked out with its network by others who come in there: what was right costs nothing', async () => {
    const from = '203.0.113.81';
    for (let i = 0; i < LIMITS['activation-address'].free + 3; i++)
      await activate((await invited()).body, from).expect(204);
  });

  it('stores no code', async () => {
    const { body } = await invited();
    const { rows } = await portal.owner.query<{ row: string }>('SELECT i::text AS row FROM auth.invitation i');
    for (const { row } of rows) expect(row).not.toContain(body.activationCode.slice(0, 9));
    const outbox = await portal.owner.query('SELECT 1 FROM platform.outbox');
    expect(outbox.rows).toEqual([]);
  });
});

describe('staff', () => {
  it('activate under the username they were given; eight characters do, because a second factor follows', async () => {
    const staff = await makeStaff(portal, admin, 'records_officer');
    expect(staff.tokens.session.acr).toBe('aal2');
    const username = freshName('staff');
    const email = `${username}@hospital.test`;
    await admin.post('/v1/users', { username, email, displayName: 'S. Taff', roles: ['staff'] }).expect(201);
    const activationCode = await mailedCode(portal, email);
    await refused({ activationCode, password: 'seven77' }, 422, 'auth.password-too-short');
    await refused({ activationCode, password: username }, 422, 'auth.password-is-username');
    await activate({ activationCode, password: 'e8 words' }).expect(204);
  });

  it('cannot activate an account that was disabled before', async () => {
    const username = freshName('staff');
    const email = `${username}@hospital.test`;
    const { body } = await admin
      .post('/v1/users', { username, email, displayName: 'S. Taff', roles: ['staff'] })
      .expect(201);
    const activationCode = await mailedCode(portal, email);
    await admin.post(`/v1/users/${(body as { id: string }).id}/disable`, { reason: 'Never came.' });
    const answer = await activate({ activationCode, password: PASSWORD });
    expect(answer.status).toBeGreaterThanOrEqual(400);
    await portal.http.post('/v1/auth/login').send({ username, password: PASSWORD }).expect(401);
  });
});
