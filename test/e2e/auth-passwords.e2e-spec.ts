import { copyFileSync, mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import fc from 'fast-check';
import { Credentials } from '../../src/modules/auth/passwords/credentials.service.js';
import { addKey, KeyRing, PasswordHasher } from '../../src/platform/crypto/index.js';
import { cloneDatabase, testServer } from '../harness/database.js';
import { checkLedger } from '../harness/ledger.js';
import {
  freshName,
  mailedCode,
  makeAdmin,
  makeChart,
  makePatient,
  signInAs,
  type Caller,
  type Patient,
} from '../harness/people.js';
import { startPortal, type Portal } from '../harness/portal.js';

const DAY = 86_400;

let portal: Portal;
let admin: Caller;
let patient: Patient;

beforeAll(async () => {
  portal = await startPortal({ env: { HOSPITAL_NAME: 'Saint Mary' } });
  admin = await makeAdmin(portal);
});
afterAll(async () => {
  await checkLedger(portal);
  await portal.close();
});
beforeEach(async () => {
  admin = await signInAs(portal, admin.credentials);
  patient = await makePatient(portal, admin);
});

const login = (username: string, password: string, at = portal) =>
  at.http.post('/v1/auth/login').send({ username, password });
const statusOf = async (username: string, password: string, at = portal) =>
  ((await login(username, password, at).expect(200)).body as { status: string }).status;
const codeOf = ({ status, body }: { status: number; body: unknown }) =>
  status < 400 ? null : (body as { code: string }).code;

const change = (caller: Caller, currentPassword: string, newPassword: string) =>
  caller.post('/v1/auth/password/change', { currentPassword, newPassword });

/** An invited patient's first try to choose a password. */
const activate = async (password: string, at = portal, by = admin) => {
  const { id, birthDate, email } = await makeChart(by);
  await by.post(`/v1/patients/${id}/invitations`, { email }).expect(204);
  const activationCode = await mailedCode(at, email);
  const username = freshName('chooser');
  const answer = await at.http
    .post('/v1/auth/activate')
    .send({ activationCode, username, password, dateOfBirth: birthDate });
  return Object.assign(answer, { username, email });
};

describe('a new password', () => {
  it('has 15 characters where it stands alone, counted as people count them', async () => {
    expect(codeOf(await activate('14 letters her'))).toBe('auth.password-too-short');
    expect(codeOf(await activate('15 letters here'))).toBeNull();
    expect(codeOf(await activate('👩‍⚕️ Ärztin Köln'.normalize('NFD')))).toBeNull();
  });

  it('has 8 where a second factor is mandatory', async () => {
    const strict = await startPortal({ env: { MFA_PATIENT: 'required' } });
    try {
      const by = await makeAdmin(strict);
      expect(codeOf(await activate('7 chars', strict, by))).toBe('auth.password-too-short');
      const { username, status } = await activate('8 chars!', strict, by);
      expect(status).toBe(204);
      expect(await statusOf(username, '8 chars!', strict)).toBe('enrolment_required');
    } finally {
      await checkLedger(strict);
      await strict.close();
    }
  });

  it.each([
    ['of 64 letters of one kind', 'correcthorsebatterystaplecorrecthorsebatterystaplecorrecthorseba'],
    ['of 256 characters', 'a long sentence '.repeat(16)],
    ['of another script', 'пароль который я помню'],
    ['of digits alone', '314159265358979323'],
    ['with spaces at both ends', '  plain words and spaces  '],
  ])('%s is taken, and opens the account exactly as it was chosen', async (_, password) => {
    const { username } = await activate(password);
    expect(await statusOf(username, password)).toBe('authenticated');
    await login(username, password.trim() === password ? `${password} ` : password.trim()).expect(401);
    await login(username, password.toUpperCase() === password ? `${password}x` : password.toUpperCase()).expect(401);
  });

  it('is none that attackers try first, and none of the names around it, at activation and at every change', async () => {
    const { username, password } = patient.credentials;
    const email = ((await patient.get('/v1/me').expect(200)).body as { email: string }).email;
    const refused: [string, string][] = [
      ['passwordpassword', 'auth.password-too-common'],
      ['Correct Horse Battery Staple', 'auth.password-too-common'],
      ['1qaz2wsx3edc4rfv', 'auth.password-too-common'],
      ['123456789012345', 'auth.password-too-common'],
      ['misunderstanding', 'auth.password-too-common'],
      ['Saint Mary Saint Mary', 'auth.password-is-name'],
      ['porticoportico123', 'auth.password-is-name'],
    ];
    for (const [one, code] of refused) {
      expect([one, codeOf(await change(patient, password, one))]).toEqual([one, code]);
      expect([one, codeOf(await activate(one))]).toEqual([one, code]);
    }
    expect(codeOf(await change(patient, password, email))).toBe('auth.password-is-name');
    expect(codeOf(await change(patient, password, `${username}-${username}-${username}`))).toBe(
      'auth.password-is-username',
    );
    await change(patient, password, 'saint mary has no misunderstanding').expect(200);
  });

  it('is refused where it is no text', async () => {
    const { password } = patient.credentials;
    expect(codeOf(await change(patient, password, `${'x'.repeat(20)}\u0000`))).toBe('http.invalid');
    const raw = JSON.stringify({ currentPassword: password, newPassword: 'lone surrogate ? in it' }).replace(
      '?',
      '\\ud800',
    );
    const answer = await patient.post('/v1/auth/password/change').set('Content-Type', 'application/json').send(raw);
    expect(codeOf(answer)).toBe('auth.password-not-text');
  });

  it('never grows old', async () => {
    const { username, password } = patient.credentials;
    portal.clock.forward(3 * 365 * DAY);
    expect(await statusOf(username, password)).toBe('authenticated');
  });
});

describe('the own password', () => {
  it('is proved twenty times an hour at most, also rightly: nobody who is signed in keeps the hasher busy', async () => {
    const { password } = patient.credentials;
    const check = jest.spyOn(PasswordHasher.prototype, 'verify');
    try {
      const answers = await Promise.all(Array.from({ length: 4 }, () => change(patient, password, 'too short')));
      for (let i = 4; i < 23; i++) answers.push(await change(patient, password, 'too short'));
      const codes = answers.map(codeOf);
      expect(codes.filter((code) => code === 'auth.password-too-short')).toHaveLength(20);
      expect(codes.slice(-3)).toEqual(Array(3).fill('auth.too-many-attempts'));
      expect(check).toHaveBeenCalledTimes(20);
    } finally {
      check.mockRestore();
    }
  });
});

describe('a stored password', () => {
  it('opens for itself in either form of Unicode, and for no text that differs in one character', async () => {
    const credentials = portal.app.get(Credentials);
    const text = fc
      .string({ unit: 'binary', minLength: 15, maxLength: 100 })
      .filter((one) => one.isWellFormed() && !one.includes('\0'));
    const changed = fc.tuple(text, fc.nat(), fc.string({ unit: 'binary', minLength: 1, maxLength: 1 }));
    await fc.assert(
      fc.asyncProperty(changed, async ([password, at, character]) => {
        const stored = { hash: await credentials.hash(password), changedAt: new Date(), isExpired: false };
        const opens = async (one: string) => (await credentials.check(one, stored)).ok;
        for (const form of ['NFC', 'NFD'] as const) expect(await opens(password.normalize(form))).toBe(true);
        const characters = [...password];
        const others = [
          characters.with(at % characters.length, character).join(''),
          characters.with(-1, character).join(''),
          password + character,
          characters.slice(0, -1).join(''),
          `${password}\0`,
          `${password}\ud800`,
        ];
        for (const other of others.filter((one) => one.normalize('NFC') !== password.normalize('NFC')))
          expect(await opens(other)).toBe(false);
      }),
      { numRuns: 60 },
    );
  });

  it('counts beyond the 72 bytes at which bcrypt stops', async () => {
    const password = `${'é'.repeat(60)} and then the end`;
    const { username } = await activate(password);
    await login(username, `${password.slice(0, -1)}t`).expect(401);
    await login(username, password.slice(0, -1)).expect(401);
    expect(await statusOf(username, password)).toBe('authenticated');
  });

  const hashOf = async (username: string) =>
    (
      await portal.owner.query<{ hash: string }>(
        'SELECT password_hash AS hash FROM auth.credential JOIN users.account USING (account_id) WHERE username = $1',
        [username],
      )
    ).rows[0]!.hash;

  it('moves to a new pepper and a higher cost at the next sign-in, and not before', async () => {
    const keyFile = join(mkdtempSync(join(tmpdir(), 'portico-keys-')), 'keys.json');
    copyFileSync(testServer().keyFile, keyFile);
    const database = await cloneDatabase();
    const during = async (env: Record<string, string>, work: (one: Portal) => Promise<void>) => {
      const one = await startPortal({ database, env: { KEY_FILE: keyFile, ...env } });
      const usual = portal;
      portal = one;
      try {
        await work(one);
        await checkLedger(one);
      } finally {
        portal = usual;
        await one.close();
      }
    };
    let known: Patient;
    let before = '';
    await during({}, async (one) => {
      known = await makePatient(one, await makeAdmin(one));
      before = await hashOf(known.credentials.username);
    });
    const pepper = await addKey(keyFile, 'pepper');
    await during({ BCRYPT_COST: '5' }, async () => {
      const { username, password } = known.credentials;
      await login(username, 'not this one at all').expect(401);
      expect(await hashOf(username)).toBe(before);
      expect(await statusOf(username, password)).toBe('authenticated');
      const after = await hashOf(username);
      expect(after).toMatch(new RegExp(`^p1\\$${pepper}\\$\\$2b\\$05\\$`));
      expect(await statusOf(username, password)).toBe('authenticated');
      expect(await hashOf(username)).toBe(after);
    });
    expect(JSON.parse(readFileSync(keyFile, 'utf8')).keys.length).toBeGreaterThan(4);
  });

  it('moves once, though five sign-ins meet the old form at the same time, and all five get in', async () => {
    const { username, password } = patient.credentials;
    const older = new PasswordHasher(portal.app.get(KeyRing), { cost: 5 });
    const hash = await older.hash(password);
    await older.close();
    await portal.owner.query(
      'UPDATE auth.credential SET password_hash = $2 WHERE account_id = (SELECT account_id FROM users.account WHERE username = $1)',
      [username, hash],
    );
    const answers = await Promise.all(Array.from({ length: 5 }, () => login(username, password)));
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200, 200]);
    expect(await hashOf(username)).toMatch(/\$2b\$04\$/);
  });
});
