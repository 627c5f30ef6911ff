import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { Config } from '../../src/platform/config/config.js';
import { Outbox } from '../../src/platform/outbox/outbox.js';
import { cloneDatabase } from '../harness/database.js';
import {
  addSms,
  challenge as ask,
  codeIn,
  freshNumber,
  lastText,
  logIn,
  otherThan,
  statuses,
  verify as show,
} from '../harness/factors.js';
import { checkLedger } from '../harness/ledger.js';
import { Caller, makeAdmin, makePatient, signInAs, type Patient, type Tokens } from '../harness/people.js';
import { startPortal, type Portal } from '../harness/portal.js';

let portal: Portal;
let admin: Caller;
let database: Config['database'];

beforeAll(async () => {
  database = await cloneDatabase();
  portal = await startPortal({ database });
  admin = await makeAdmin(portal);
});
// Tests move the clock.
beforeEach(async () => {
  admin = await signInAs(portal, admin.credentials);
});
afterAll(async () => {
  await checkLedger(portal);
  await portal.close();
});

interface Enrolled {
  patient: Patient;
  number: string;
  recoveryCodes: string[];
}

/** Somebody with codes by text message and no other factor. */
async function withSms(): Promise<Enrolled> {
  const patient = await makePatient(portal, admin);
  const number = freshNumber();
  return { patient, number, recoveryCodes: (await addSms(portal, patient, number))! };
}

const login = (caller: Caller) => logIn(portal, caller);
const challenge = (mfaToken: string) => ask(portal, mfaToken, 'sms');
const verify = (mfaToken: string, code: string, method = 'sms') => show(portal, mfaToken, { method, code });
const lastTo = (number: string) => lastText(portal, number);
const textsTo = async (number: string) => {
  await portal.delivered();
  return portal.texts.filter(({ to }) => to === number).length;
};
const enrol = (caller: Caller, number: string) => caller.post('/v1/auth/mfa/sms', { number });

describe('signing in with a code by text message', () => {
  it('sends nothing before it is asked to, and offers another way beside it', async () => {
    const { patient, number, recoveryCodes } = await withSms();
    const before = await textsTo(number);
    const { status, mfaToken, methods } = await login(patient);
    expect([status, methods]).toEqual(['mfa_required', ['sms', 'recovery_code']]);
    expect(await textsTo(number)).toBe(before);
    const { body } = await challenge(mfaToken).expect(200);
    expect(body).toEqual({
      method: 'sms',
      expiresAt: expect.any(String),
      sentTo: `•••• ${number.slice(-2)}`,
      notice: expect.stringContaining('less safe'),
    });
    const opened = await verify(mfaToken, codeIn(await lastTo(number))).expect(200);
    expect(opened.body).toMatchObject({
      status: 'authenticated',
      session: { acr: 'aal2', amr: ['pwd', 'sms', 'mfa'] },
    });
    const next = await login(patient);
    await verify(next.mfaToken, recoveryCodes[0]!, 'recovery_code').expect(200);
  });

  it('takes a code once, also of 20 at once, and for ten minutes', async () => {
    const { patient, number } = await withSms();
    const { mfaToken } = await login(patient);
    await challenge(mfaToken).expect(200);
    const code = codeIn(await lastTo(number));
    const answers = await Promise.all(Array.from({ length: 20 }, () => verify(mfaToken, code)));
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
    portal.clock.forward(3_600);
    const late = await login(patient);
    await challenge(late.mfaToken).expect(200);
    const old = codeIn(await lastTo(number));
    portal.clock.forward(299);
    await challenge(late.mfaToken).expect(200);
    // The sign-in itself is over after five minutes; in a session the ten of the code count.
    portal.clock.forward(2);
    expect((await verify(late.mfaToken, old).expect(401)).body.code).toBe('auth.sign-in-expired');
  });

  it('takes a code only in the sign-in that asked for it, and only the newest', async () => {
    const { patient, number } = await withSms();
    portal.clock.forward(3_600);
    const [one, two] = [await login(patient), await login(patient)];
    await challenge(one.mfaToken).expect(200);
    const first = codeIn(await lastTo(number));
    expect((await verify(two.mfaToken, first).expect(401)).body.code).toBe('auth.invalid-code');
    await challenge(one.mfaToken).expect(200);
    const second = codeIn(await lastTo(number));
    if (first !== second) await verify(one.mfaToken, first).expect(401);
    await verify(one.mfaToken, second).expect(200);
  });

  it('looks at five wrong codes, whatever is sent anew, and at none more for a while', async () => {
    const { patient, number } = await withSms();
    portal.clock.forward(3_600);
    const { mfaToken } = await login(patient);
    await challenge(mfaToken).expect(200);
    const code = codeIn(await lastTo(number));
    const wrong = await Promise.all(Array.from({ length: 20 }, (_, i) => verify(mfaToken, otherThan(code, i + 1))));
    expect(wrong.filter(({ status }) => status === 401)).toHaveLength(5);
    expect(wrong.filter(({ status }) => status === 429)).toHaveLength(15);
    await challenge(mfaToken).expect(200);
    const fresh = codeIn(await lastTo(number));
    expect((await verify(mfaToken, fresh).expect(429)).body.code).toBe('auth.too-many-attempts');
    portal.clock.forward(31);
    await verify(mfaToken, fresh).expect(200);
  });

  it.each(['12345', '1234567', 'abcdef', '１２３４５６'])('takes no %j', async (code) => {
    const { patient } = await withSms();
    const { mfaToken } = await login(patient);
    await challenge(mfaToken).expect(200);
    expect((await verify(mfaToken, code).expect(401)).body.code).toBe('auth.invalid-code');
  });

  it('renews the assurance of a session, within ten minutes', async () => {
    const { patient, number } = await withSms();
    portal.clock.forward(60);
    const { body } = await patient.post('/v1/auth/step-up/challenge', { method: 'sms' }).expect(200);
    expect(body).toMatchObject({ method: 'sms', sentTo: expect.any(String) });
    const code = codeIn(await lastTo(number));
    expect((await patient.post('/v1/auth/step-up', { method: 'sms', code }).expect(200)).body).toMatchObject({
      acr: 'aal2',
      amr: ['pwd', 'sms', 'mfa'],
    });
    await patient.post('/v1/auth/step-up/challenge', { method: 'sms' }).expect(200);
    const late = codeIn(await lastTo(number));
    const refresh = async (caller: Caller) =>
      new Caller(
        portal,
        (await portal.http.post('/v1/auth/refresh').send({ refreshToken: caller.tokens.refreshToken }).expect(200))
          .body as Tokens,
        caller.credentials,
      );
    portal.clock.forward(230);
    const later = await refresh(patient);
    portal.clock.forward(290);
    const last = await refresh(later);
    portal.clock.forward(81);
    expect((await last.post('/v1/auth/step-up', { method: 'sms', code: late }).expect(403)).body.code).toBe(
      'auth.wrong-code',
    );
  });
});

describe('messages', () => {
  it('are three in ten minutes and ten a day for each account, exactly, also when 20 are asked for at once', async () => {
    const { patient, number } = await withSms();
    portal.clock.forward(86_401);
    const before = await textsTo(number);
    const { mfaToken } = await login(patient);
    const answers = await Promise.all(Array.from({ length: 20 }, () => challenge(mfaToken)));
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(3);
    const refused = answers.find(({ status }) => status !== 200)!;
    expect([refused.status, refused.body.code]).toEqual([429, 'auth.too-many-messages']);
    expect(Number(refused.headers['retry-after'])).toBeGreaterThan(590);
    expect(await textsTo(number)).toBe(before + 3);
    for (const sends of [3, 3, 1]) {
      portal.clock.forward(601);
      const next = await login(patient);
      const more = await Promise.all(Array.from({ length: 5 }, () => challenge(next.mfaToken)));
      expect(more.filter(({ status }) => status === 200)).toHaveLength(sends);
    }
    const { mfaToken: last } = await login(patient);
    const tomorrow = await challenge(last).expect(429);
    expect(Number(tomorrow.headers['retry-after'])).toBeGreaterThan(80_000);
    portal.clock.forward(86_401);
    const day = await login(patient);
    await challenge(day.mfaToken).expect(200);
  });

  it('are as many for each number, whichever accounts ask', async () => {
    const number = freshNumber();
    const before = await textsTo(number);
    const answers = [];
    for (let i = 0; i < 5; i++) answers.push(await enrol(await makePatient(portal, admin), number));
    expect(statuses(answers)).toEqual([200, 200, 200, 429, 429]);
    expect(await textsTo(number)).toBe(before + 3);
  });

  it('do not leave when their code is dead already', async () => {
    const { patient, number } = await withSms();
    portal.clock.forward(3_600);
    const before = await textsTo(number);
    const { mfaToken } = await login(patient);
    // As if the gateway had been away: the job waits, and is due long after.
    const { turns } = portal.app.get<Outbox, { turns: { stopped: boolean } }>(Outbox);
    turns.stopped = true;
    await challenge(mfaToken).expect(200);
    portal.clock.forward(601);
    turns.stopped = false;
    expect(await textsTo(number)).toBe(before);
    const { rows } = await portal.owner.query("SELECT 1 FROM platform.outbox WHERE kind = 'sms'");
    expect(rows).toHaveLength(0);
  });
});

describe('SMS_FACTOR=off', () => {
  it('offers what is left to those who had it, and sets up nothing new', async () => {
    const { patient, recoveryCodes } = await withSms();
    const other = await startPortal({ env: { SMS_FACTOR: 'off' }, database });
    try {
      const { username, password } = patient.credentials;
      const { body } = await other.http.post('/v1/auth/login').send({ username, password }).expect(200);
      const { mfaToken, methods } = body as { mfaToken: string; methods: string[] };
      expect(methods).toEqual(['recovery_code']);
      const send = { mfaToken, method: 'sms' };
      expect((await other.http.post('/v1/auth/mfa/challenge').send(send).expect(403)).body.code).toBe(
        'auth.method-not-offered',
      );
      const opened = await other.http
        .post('/v1/auth/mfa/verify')
        .send({ mfaToken, method: 'recovery_code', code: recoveryCodes[0] })
        .expect(200);
      const caller = new Caller(other, opened.body as Tokens, patient.credentials);
      expect((await enrol(caller, freshNumber()).expect(403)).body.code).toBe('auth.method-not-offered');
    } finally {
      await other.close();
    }
  });
});
