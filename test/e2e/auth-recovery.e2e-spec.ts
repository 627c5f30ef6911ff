import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Config } from '../../src/platform/config/config.js';
import { cloneDatabase } from '../harness/database.js';
import { said } from '../harness/hospital.js';
import { checkLedger } from '../harness/ledger.js';
import { emailOf, keptSecrets, Mailbox, tokensIn } from '../harness/mailbox.js';
import { freshName, makeAdmin, makeChart, makePatient, openAccount, signInAs, type Caller } from '../harness/people.js';
import { startPortal, type Portal } from '../harness/portal.js';

let portal: Portal;
let database: Config['database'];
let admin: Caller;
let mailbox: Mailbox;

beforeAll(async () => {
  database = await cloneDatabase();
  portal = await startPortal({ database, env: { TRUSTED_PROXIES: '127.0.0.1', HOSPITAL_NAME: 'Saint Example' } });
  mailbox = new Mailbox(portal);
  admin = await makeAdmin(portal);
});
afterAll(async () => {
  await checkLedger(portal);
  await portal.close();
});

let peers = 0;
/** Each from a network of its own, unless the network is what is tested. */
const post = (path: string, body: object, from = `198.51.100.${++peers % 250}`) =>
  portal.http.post(`/v1/auth/${path}`).set('X-Forwarded-For', from).send(body);
const forgot = (usernameOrEmail: string, from?: string) => post('password/forgot', { usernameOrEmail }, from);
const reset = (body: object) => post('password/reset', body);
const NEW = 'a wholly other password';

/** Asks for a link and takes it out of the mail. */
async function tokenFor(caller: Caller): Promise<string> {
  const email = await emailOf(caller);
  await forgot(caller.credentials.username).expect(204);
  return mailbox.token(email);
}

describe('a forgotten password', () => {
  it('is replaced with the mailed link, once; all sessions end and nobody is signed in by it', async () => {
    const patient = await makePatient(portal, admin);
    const email = await emailOf(patient);
    const token = await tokenFor(patient);
    const { body } = await post('password/reset/check', { token }).expect(200);
    expect(body).toMatchObject({ methods: [] });

    const answer = await reset({ token, newPassword: NEW }).expect(204);
    expect([answer.text, answer.headers['set-cookie']]).toEqual(['', undefined]);
    expect(said(await patient.get('/v1/me'))).toEqual([401, 'auth.session-ended']);
    const { username, password } = patient.credentials;
    expect(said(await post('login', { username, password }))).toEqual([401, 'auth.invalid-credentials']);
    await signInAs(portal, { username, password: NEW });
    expect(said(await reset({ token, newPassword: `${NEW} again` }))).toEqual([401, 'auth.invalid-reset']);
    expect((await mailbox.to(email)).some((text) => text.includes('Your password was replaced'))).toBe(true);
  });

  it('is asked for by username in any case, or by the verified address in any case', async () => {
    const patient = await makePatient(portal, admin);
    const email = await emailOf(patient);
    for (const typed of [patient.credentials.username.toUpperCase(), email.toUpperCase()]) {
      const since = await mailbox.count();
      await forgot(typed).expect(204);
      expect(await mailbox.token(email, since)).toMatch(/^[\w-]{43}$/);
    }
  });

  it('answers the same bytes for known, unknown, disabled, invited and unverified accounts, and mails only to the first', async () => {
    const [known, gone] = [await makePatient(portal, admin), await makePatient(portal, admin)];
    const goneEmail = await emailOf(gone);
    await admin.post(`/v1/users/${await gone.accountId()}/disable`, { reason: 'left' }).expect(200);
    const invited = freshName('invited');
    await admin
      .post('/v1/users', { username: invited, displayName: 'I', email: `${invited}@hospital.test`, roles: ['staff'] })
      .expect(201);
    const since = await mailbox.count();
    const asked = [
      known.credentials.username,
      gone.credentials.username,
      goneEmail,
      invited,
      `${invited}@hospital.test`,
      admin.credentials.username, // made by a printed code: its address was never verified
      'nobody-at-all',
      'nobody@nowhere.test',
    ];
    const resets = async () => (await portal.owner.query('SELECT 1 FROM auth.password_reset')).rows.length;
    const before = await resets();
    const answers = new Set<string>();
    for (const typed of asked) {
      const { status, text, headers } = await forgot(typed);
      const { date: _, 'x-request-id': __, ...others } = headers as Record<string, string>;
      answers.add(JSON.stringify([status, text, others]));
    }
    expect(answers.size).toBe(1);
    await portal.delivered();
    const links = portal.mails.slice(since).filter(({ text }) => text.includes('#token='));
    expect(links.map(({ to }) => to)).toEqual([await emailOf(known)]);
    // The same is written for each of them, and nothing of what was typed.
    expect(await resets()).toBe(before + asked.length);
    const { rows } = await portal.owner.query<{ email: string }>('SELECT email FROM auth.password_reset');
    expect(rows.filter(({ email }) => asked.slice(1).includes(email))).toEqual([]);
    const { rows: left } = await portal.owner.query('SELECT 1 FROM platform.outbox');
    expect(left).toEqual([]);
  });

  it('is one mail with a link for each account of an address that a family shares', async () => {
    const email = `${freshName('family')}@home.test`;
    const [mother, child] = [await makeChart(admin, { email }), await makeChart(admin, { email })];
    const people = [await openAccount(portal, admin, mother), await openAccount(portal, admin, child)];
    const since = await mailbox.count();
    await forgot(email).expect(204);
    const mails = await mailbox.to(email, since);
    expect(mails).toHaveLength(1);
    expect(tokensIn(mails[0]!)).toHaveLength(2);
    for (const { credentials } of people) expect(mails[0]).toContain(credentials.username);
    for (const [at, token] of tokensIn(mails[0]!).entries())
      await reset({ token, newPassword: `${NEW} ${at}` }).expect(204);
  });

  it('is mailed to each account at its own mailbox, where addresses only look alike', async () => {
    const name = freshName('finn');
    // A ligature and another case: equal when addresses are compared, other mailboxes where mail is delivered.
    const addresses = [`${name}@home.test`, `${name.replace('fi', 'ﬁ')}@home.test`, `${name.toUpperCase()}@home.test`];
    const people: { email: string; username: string }[] = [];
    for (const email of addresses) {
      const { credentials } = await openAccount(portal, admin, await makeChart(admin, { email }));
      people.push({ email, username: credentials.username });
    }
    for (const typed of addresses) {
      const since = await mailbox.count();
      if (typed === addresses[2]) portal.clock.forward(3601);
      await forgot(typed).expect(204);
      await post('username/forgot', { email: typed }).expect(204);
      for (const { email, username } of people) {
        const texts = await mailbox.to(email, since);
        expect(texts.map((text) => tokensIn(text).length)).toEqual([1, 0]);
        for (const text of texts)
          expect(people.filter((one) => text.includes(one.username))).toEqual([{ email, username }]);
      }
    }
    admin = await signInAs(portal, admin.credentials);
  });

  it('makes links of PUBLIC_URL, whatever the request says of its host', async () => {
    const patient = await makePatient(portal, admin);
    const email = await emailOf(patient);
    await portal.http
      .post('/v1/auth/password/forgot')
      .set('Host', 'evil.test')
      .set('X-Forwarded-Host', 'evil.test')
      .set('Origin', 'https://evil.test')
      .set('Forwarded', 'host=evil.test')
      .send({ usernameOrEmail: email })
      .expect(204);
    const text = (await mailbox.to(email)).at(-1)!;
    expect(text).toContain('https://portal.test/reset-password#token=');
    expect(text).not.toContain('evil');
  });

  it('voids the older link by the newer, and any link after half an hour', async () => {
    const patient = await makePatient(portal, admin);
    const older = await tokenFor(patient);
    const newer = await tokenFor(patient);
    expect(said(await reset({ token: older, newPassword: NEW }))).toEqual([401, 'auth.invalid-reset']);
    portal.clock.forward(30 * 60 + 1);
    expect(said(await reset({ token: newer, newPassword: NEW }))).toEqual([401, 'auth.invalid-reset']);
    expect(said(await post('password/reset/check', { token: newer }))).toEqual([401, 'auth.invalid-reset']);
    admin = await signInAs(portal, admin.credentials);
  });

  it('is refused to a disabled account with the same answer as to a token that never was', async () => {
    const patient = await makePatient(portal, admin);
    const token = await tokenFor(patient);
    await admin.post(`/v1/users/${await patient.accountId()}/disable`, { reason: 'left' }).expect(200);
    const bodies = await Promise.all(
      [token, 'A'.repeat(43)].map(async (one) => {
        const { instance: _, ...body } = (await reset({ token: one, newPassword: NEW })).body as { instance: string };
        return body;
      }),
    );
    expect(bodies[0]).toEqual(bodies[1]);
    expect(bodies[0]).toMatchObject({ status: 401, code: 'auth.invalid-reset' });
  });

  it('lets one of many parallel uses of a token win', async () => {
    const patient = await makePatient(portal, admin);
    const token = await tokenFor(patient);
    const answers = await Promise.all(
      Array.from({ length: 12 }, (_, i) => reset({ token, newPassword: `${NEW} number ${i}` })),
    );
    const won = answers.findIndex(({ status }) => status === 204);
    expect(answers.filter(({ status }) => status === 204)).toHaveLength(1);
    expect(answers.every(({ status }) => [204, 401, 429].includes(status))).toBe(true);
    await signInAs(portal, { ...patient.credentials, password: `${NEW} number ${won}` });
  });

  it('lets one of a hundred win over two servers, round after round', async () => {
    const tokens: string[] = [];
    for (let round = 0; round < 5; round++) tokens.push(await tokenFor(await makePatient(portal, admin)));
    const other = await startPortal({ database });
    try {
      for (const token of tokens) {
        const statuses = await Promise.all(
          Array.from({ length: 100 }, async (_, i) => {
            const { http } = i % 2 ? portal : other;
            const newPassword = `${NEW} number ${i}`;
            return (await http.post('/v1/auth/password/reset').send({ token, newPassword })).status;
          }),
        );
        expect(statuses.filter((status) => status === 204)).toHaveLength(1);
        expect(statuses.filter((status) => [401, 429, 503].includes(status))).toHaveLength(99);
      }
    } finally {
      await other.close();
    }
  });

  it('uses nothing up when the new password is refused', async () => {
    const patient = await makePatient(portal, admin);
    const token = await tokenFor(patient);
    expect(said(await reset({ token, newPassword: 'short' }))).toEqual([422, 'auth.password-too-short']);
    expect(said(await reset({ token, newPassword: 'passwordpassword' }))).toEqual([422, 'auth.password-too-common']);
    await reset({ token, newPassword: NEW }).expect(204);
  });

  it('mails three links an hour to one mailbox, silently, also when asked in parallel and by other names', async () => {
    const patient = await makePatient(portal, admin);
    const email = await emailOf(patient);
    const since = await mailbox.count();
    const typed = [email, patient.credentials.username, email.toUpperCase()];
    const answers = await Promise.all(Array.from({ length: 9 }, (_, i) => forgot(typed[i % 3]!)));
    expect(answers.map(({ status }) => status)).toEqual(Array(9).fill(204));
    const mails = await mailbox.to(email, since);
    expect(mails).toHaveLength(3);
    // The silent ones did not void the last link.
    const works = await Promise.all(
      mails.flatMap(tokensIn).map(async (token) => (await post('password/reset/check', { token })).status),
    );
    expect(works.filter((status) => status === 200)).toHaveLength(1);
    portal.clock.forward(3601);
    await forgot(email).expect(204);
    expect(await mailbox.to(email, since)).toHaveLength(4);
    admin = await signInAs(portal, admin.credentials);
  });

  it('answers thirty requests an hour from one network, an IPv6 one as a whole', async () => {
    const statuses = [];
    for (let i = 0; i < 31; i++) statuses.push((await forgot(`stranger-${i}`, `2001:db8:5:5::${i + 1}`)).status);
    expect(statuses).toEqual([...Array<number>(30).fill(204), 429]);
    expect((await post('username/forgot', { email: 'x@y.test' }, '2001:db8:5:5::99')).status).toBe(429);
    await forgot('stranger', '2001:db8:5:6::1').expect(204);
  });

  it('gives back a locked account: the failures of the old password are forgotten', async () => {
    const patient = await makePatient(portal, admin);
    const { username } = patient.credentials;
    for (let i = 0; i < 6; i++) await post('login', { username, password: 'not the password' }).expect(401);
    await reset({ token: await tokenFor(patient), newPassword: NEW }).expect(204);
    await signInAs(portal, { username, password: NEW });
  });
});

describe('a forgotten username', () => {
  it('is mailed to the verified address; the answer is the same for any other', async () => {
    const patient = await makePatient(portal, admin);
    const email = await emailOf(patient);
    const since = await mailbox.count();
    const answers = [];
    for (const one of [email.toUpperCase(), 'nobody@nowhere.test', `${patient.credentials.username}@nowhere.test`]) {
      const { status, text } = await post('username/forgot', { email: one });
      answers.push([status, text]);
    }
    expect(answers).toEqual(Array(3).fill([204, '']));
    const mails = await mailbox.to(email, since);
    expect(mails).toHaveLength(1);
    expect(mails[0]).toContain(patient.credentials.username);
    expect((await mailbox.count()) - since).toBe(1);
  });

  it('is not mailed more than three times an hour', async () => {
    const patient = await makePatient(portal, admin);
    const email = await emailOf(patient);
    const since = await mailbox.count();
    for (let i = 0; i < 5; i++) await post('username/forgot', { email }).expect(204);
    expect(await mailbox.to(email, since)).toHaveLength(3);
  });
});

describe('what recovery leaves behind', () => {
  it('is no token, code or password in log lines, audit events, tables or subjects', async () => {
    expect(await keptSecrets(portal, [NEW])).toEqual([]);
  });
});
