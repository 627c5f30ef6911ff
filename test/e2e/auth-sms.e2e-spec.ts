import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import {
  addSms,
  challenge as ask,
  codeIn,
  freshNumber,
  lastText,
  logIn,
  notices,
  otherThan,
  statuses,
  verify as show,
} from '../harness/factors.js';
import { checkLedger } from '../harness/ledger.js';
import { Caller, makeAdmin, makePatient, makeStaff, signInAs, type Patient, type Tokens } from '../harness/people.js';
import { startPortal, type Portal } from '../harness/portal.js';

let portal: Portal;
let admin: Caller;

beforeAll(async () => {
  portal = await startPortal();
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
const confirm = (caller: Caller, code: string) => caller.post('/v1/auth/mfa/sms/confirm', { code });

describe('setting up codes by text message', () => {
  it('says what is wrong with them, confirms the number, and gives recovery codes beside them', async () => {
    const patient = await makePatient(portal, admin);
    const number = freshNumber();
    const { body } = await enrol(patient, `${number.slice(0, 3)} (${number.slice(3, 6)}) ${number.slice(6)}`).expect(
      200,
    );
    expect(body).toEqual({
      method: 'sms',
      expiresAt: expect.any(String),
      sentTo: `•••• ${number.slice(-2)}`,
      notice: expect.stringMatching(/less safe.*passkey.*recovery codes/),
    });
    const before = (await notices(portal)).length;
    const confirmed = await confirm(patient, codeIn(await lastTo(number))).expect(200);
    expect(confirmed.body).toMatchObject({ status: 'confirmed', session: { acr: 'aal2', amr: ['pwd', 'sms', 'mfa'] } });
    expect((confirmed.body as { recoveryCodes: string[] }).recoveryCodes).toHaveLength(10);
    expect((await notices(portal)).slice(before)).toEqual([
      expect.stringContaining('was added: codes by text message'),
    ]);
    expect((await patient.get('/v1/auth/mfa').expect(200)).body).toMatchObject({
      factors: [{ method: 'sms', name: `•••• ${number.slice(-2)}`, restricted: true }],
      unusedRecoveryCodes: 10,
    });
  });

  it('sends six digits, bound to our site, and nothing of anybody or their care', async () => {
    const { number } = await withSms();
    const text = await lastTo(number);
    const code = codeIn(text);
    expect(text).toBe(
      [
        `${code} is your code for the portal of ${portal.config.hospital.name}. It works for 10 minutes. Give it to nobody, not even to us.`,
        '',
        `@portal.test #${code}`,
      ].join('\n'),
    );
  });

  it('keeps neither number nor code in the clear, in tables or in the log', async () => {
    const { number } = await withSms();
    const code = codeIn(await lastTo(number));
    const { rows } = await portal.owner.query<{ text: string }>(
      `SELECT encode(number, 'escape') || encode(number_mac, 'escape') AS text FROM auth.sms_number
        UNION ALL SELECT encode(secret_mac, 'escape') FROM auth.challenge UNION ALL SELECT encode(subject, 'escape') FROM auth.quota
        UNION ALL SELECT encode(payload, 'escape') FROM platform.outbox`,
    );
    expect(rows.length).toBeGreaterThan(2);
    const kept = JSON.stringify(rows) + JSON.stringify(portal.log);
    for (const secret of [number, number.slice(1), code]) expect(kept).not.toContain(secret);
    const { rows: told } = await portal.owner.query<{ text: string }>(
      'SELECT event AS text FROM audit.inbox UNION ALL SELECT leaf FROM audit.entry',
    );
    expect(JSON.stringify(told)).not.toContain(number.slice(1));
  });

  it.each(['+49 30 123456', '0151 12345678', '+44 909 879 0123', 'call me'])('takes no %j', async (number) => {
    const patient = await makePatient(portal, admin);
    const before = portal.texts.length;
    expect((await enrol(patient, number).expect(422)).body.code).toBe('auth.number-not-mobile');
    await portal.delivered();
    expect(portal.texts).toHaveLength(before);
  });

  it('is not for staff, and not for anybody in the middle of a sign-in', async () => {
    const staff = await makeStaff(portal, admin, 'staff');
    expect((await enrol(staff, freshNumber()).expect(403)).body.code).toBe('auth.method-not-offered');
    const patient = await makePatient(portal, admin);
    await portal.http.post('/v1/auth/mfa/sms').send({ number: freshNumber() }).expect(401);
    expect((await patient.get('/v1/auth/mfa').expect(200)).body).toMatchObject({
      available: ['passkey', 'totp', 'sms'],
    });
    expect((await staff.get('/v1/auth/mfa').expect(200)).body).toMatchObject({ available: ['passkey', 'totp'] });
  });

  it('wants a fresh sign-in', async () => {
    const patient = await makePatient(portal, admin);
    const sent = { refreshToken: patient.tokens.refreshToken };
    portal.clock.forward(200);
    const { body } = await portal.http.post('/v1/auth/refresh').send(sent).expect(200);
    portal.clock.forward(101);
    const later = new Caller(portal, body as Tokens, patient.credentials);
    expect((await enrol(later, freshNumber()).expect(403)).body.code).toBe('auth.step-up-required');
  });

  it('counts wrong codes, and takes the right one once', async () => {
    const patient = await makePatient(portal, admin);
    const number = freshNumber();
    expect((await confirm(patient, '123456').expect(409)).body.code).toBe('auth.sms-missing');
    await enrol(patient, number).expect(200);
    const code = codeIn(await lastTo(number));
    for (let i = 1; i <= 4; i++)
      expect((await confirm(patient, otherThan(code, i)).expect(403)).body.code).toBe('auth.wrong-code');
    const answers = await Promise.all(Array.from({ length: 5 }, () => confirm(patient, code)));
    // The fifth try is the last that is looked at; the others come too early or too late.
    expect(answers.filter(({ status }) => status === 200)).toHaveLength(1);
  });

  it('confirms no number but the one that the code went to', async () => {
    const patient = await makePatient(portal, admin);
    const { username, password } = patient.credentials;
    const { body } = await portal.http.post('/v1/auth/login').send({ username, password }).expect(200);
    const other = new Caller(portal, body as Tokens, patient.credentials);
    const [mine, theirs] = [freshNumber(), freshNumber()];
    await enrol(patient, mine).expect(200);
    await enrol(other, theirs).expect(200);
    const code = codeIn(await lastTo(mine));
    await confirm(patient, code).expect(403);
    await confirm(other, code).expect(403);
    await confirm(other, codeIn(await lastTo(theirs))).expect(200);
  });

  it('replaces a number only after the new one was confirmed, and after the old one was shown', async () => {
    const { patient, number } = await withSms();
    const next = freshNumber();
    await enrol(patient, next).expect(200);
    const { mfaToken } = await login(patient);
    await challenge(mfaToken).expect(200);
    await verify(mfaToken, codeIn(await lastTo(number))).expect(200);
    const { body } = await confirm(patient, codeIn(await lastTo(next))).expect(200);
    // The recovery codes from before are still good: no others are given out.
    expect(body).not.toHaveProperty('recoveryCodes');
    portal.clock.forward(601);
    const again = await login(patient);
    expect((await challenge(again.mfaToken).expect(200)).body).toMatchObject({ sentTo: `•••• ${next.slice(-2)}` });
    expect(await textsTo(next)).toBe(2);
  });

  it('ties a number to one account, and tells so only to somebody who reads its messages', async () => {
    const { number } = await withSms();
    const other = await makePatient(portal, admin);
    await enrol(other, number).expect(200);
    const code = codeIn(await lastTo(number));
    expect((await confirm(other, otherThan(code)).expect(403)).body.code).toBe('auth.wrong-code');
    expect((await confirm(other, code).expect(409)).body.code).toBe('auth.number-in-use');
  });

  it('ties it to one of two accounts that confirm it at once', async () => {
    const number = freshNumber();
    const both = [await makePatient(portal, admin), await makePatient(portal, admin)];
    const codes: string[] = [];
    for (const patient of both) {
      await enrol(patient, number).expect(200);
      codes.push(codeIn(await lastTo(number)));
    }
    const answers = await Promise.all(both.map((patient, i) => confirm(patient, codes[i]!)));
    expect(statuses(answers)).toEqual([200, 409]);
  });
});

describe('giving them up', () => {
  it('takes the number away, tells the owner, and leaves no recovery codes without a factor', async () => {
    const { patient } = await withSms();
    const before = (await notices(portal)).length;
    await patient.delete('/v1/auth/mfa/sms').expect(204);
    expect((await notices(portal)).slice(before)).toEqual([
      expect.stringContaining('was removed: codes by text message'),
    ]);
    expect((await patient.get('/v1/auth/mfa').expect(200)).body).toMatchObject({ factors: [], unusedRecoveryCodes: 0 });
    expect((await login(patient)).status).toBe('authenticated');
    expect((await patient.delete('/v1/auth/mfa/sms').expect(409)).body.code).toBe('auth.sms-missing');
  });
});
