import { inflateSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { checkLedger } from '../harness/ledger.js';
import { openHospital, opened, registered, said, type Hospital } from '../harness/hospital.js';
import { freshName, mailedCode, makeChart, makeStaff, signInAs, type Caller } from '../harness/people.js';

let hospital: Hospital;
let portal: Hospital['portal'];
let staff: Caller;
let admin: Caller;

beforeAll(async () => {
  hospital = await openHospital();
  ({ portal, staff, admin } = hospital);
});

afterAll(async () => {
  await checkLedger(portal);
  await portal.close();
});

const PASSWORD = 'a password long enough';

interface Pdf {
  bytes: string;
  /** Texts as they stand in the page's content, in order. */
  text: string;
}

/** Reads a PDF of the standard fonts: every string of its content streams, in the order in which they are shown. */
function read(body: Buffer): Pdf {
  const bytes = body.toString('latin1');
  const texts: string[] = [];
  for (const { index, 0: mark } of bytes.matchAll(/stream\r?\n/g)) {
    const begin = index + mark.length;
    const end = bytes.indexOf('endstream', begin);
    let content: string;
    try {
      content = inflateSync(body.subarray(begin, end)).toString('latin1');
    } catch {
      continue;
    }
    for (const [, shown] of content.matchAll(/\[([^\]]*)\] TJ/g)) {
      const strings = [...shown!.matchAll(/<([0-9a-f]*)>/g)].map(([, hex]) =>
        Buffer.from(hex!, 'hex').toString('latin1'),
      );
      texts.push(strings.join(''));
    }
  }
  return { bytes, text: texts.join(' ').replace(/\s+/g, ' ') };
}

async function letterTo(patientId: string, body: object = {}): Promise<Pdf> {
  const answer = await staff
    .post(`/v1/patients/${patientId}/invitations`, { deliver: 'letter', ...body })
    .buffer(true)
    .parse((response, done) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk)).on('end', () => done(null, Buffer.concat(chunks)));
    });
  expect([answer.status, answer.headers['content-type']]).toEqual([200, 'application/pdf']);
  expect(answer.headers['content-disposition']).toBe('attachment; filename="invitation.pdf"');
  expect(answer.headers['cache-control']).toBe('no-store');
  return read(answer.body as Buffer);
}

const codeIn = ({ text }: Pdf): string => /[0-9A-Z]{4}(?:-[0-9A-Z]{4}){3}/.exec(text)![0];
const openOf = async (caller: Caller, path: string): Promise<Record<string, unknown>[]> =>
  ((await caller.get(path).expect(200)).body as { items: Record<string, unknown>[] }).items;
const activate = (body: object) => portal.http.post('/v1/auth/activate').send(body);

describe('an activation letter', () => {
  it('is a PDF with the code, the address, and what will be asked, and opens the account', async () => {
    const chart = await makeChart(staff);
    const before = portal.mails.length;
    const letter = await letterTo(chart.id);
    await portal.delivered();
    // The chart's own address hears of it, and nobody of the code.
    expect(portal.mails.slice(before).map(({ to }) => to)).toEqual([chart.email]);
    expect(portal.mails.at(-1)!.text).not.toContain(codeIn(letter));
    expect(letter.text).toContain(portal.config.hospital.name);
    expect(letter.text).toContain('https://portal.test/activate');
    expect(letter.text).toContain('The code works once, for 7 days: until ');
    expect(letter.text).toContain('date of birth');
    const person = { username: freshName('pat'), password: PASSWORD };
    await activate({ ...person, activationCode: codeIn(letter), dateOfBirth: chart.birthDate }).expect(204);
    const patient = await signInAs(portal, person);
    expect((await patient.get('/v1/me').expect(200)).body).toMatchObject({ patientIds: [chart.id] });
    // Nobody has shown yet that they read that address: it is good for no recovery.
    const { rows } = await portal.owner.query('SELECT 1 FROM auth.verified_address WHERE account_id = $1', [
      await patient.accountId(),
    ]);
    expect(rows).toEqual([]);
  });

  it('tells nothing of the person: no name, birth date, record number or address', async () => {
    const mrn = `MRN-${freshName('letter')}`;
    const { id } = await registered(hospital, { mrn, email: 'somebody@home.test' });
    const letter = await letterTo(id);
    for (const secret of [mrn, 'Núñez', 'Carla', '1990', 'somebody@home.test']) {
      expect(letter.text).not.toContain(secret);
      expect(letter.bytes).not.toContain(secret);
    }
  });

  it('can be read aloud: tagged, with title, language, headings, list and a described picture', async () => {
    const { id } = await registered(hospital, { email: 'a@home.test' });
    const { bytes } = await letterTo(id);
    for (const part of [
      '/MarkInfo',
      '/Marked true',
      '/Lang (en)',
      '/DisplayDocTitle true',
      '/StructTreeRoot',
      '/S /H1',
      '/S /H2',
      '/S /LBody',
      '/S /Figure',
      '/Alt (QR code of the address',
      '<rdf:li xml:lang="x-default">Your access to the portal of Portico Hospital</rdf:li>',
    ])
      expect([part, bytes.includes(part)]).toEqual([part, true]);
    expect(bytes.startsWith('%PDF-1.7')).toBe(true);
    expect([...bytes.matchAll(/\/Type \/Page\b/g)]).toHaveLength(1);
  });

  it('voids the codes before it, as a mailed one does, and stores no code', async () => {
    const chart = await makeChart(staff);
    const [first, second] = [codeIn(await letterTo(chart.id)), codeIn(await letterTo(chart.id))];
    const person = { username: freshName('pat'), password: PASSWORD, dateOfBirth: chart.birthDate };
    expect(said(await activate({ ...person, activationCode: first }))).toEqual([401, 'auth.invalid-activation']);
    const { rows } = await portal.owner.query<{ row: string }>('SELECT i::text AS row FROM auth.invitation i');
    for (const { row } of rows) expect(row).not.toContain(second.slice(0, 9));
    await staff.post(`/v1/patients/${chart.id}/invitations`, {}).expect(204);
    expect(said(await activate({ ...person, activationCode: second }))).toEqual([401, 'auth.invalid-activation']);
    await activate({ ...person, activationCode: await mailedCode(portal, chart.email) }).expect(204);
  });

  it('is written to nobody who has an account, or whose birth date is not whole, and by the offices alone', async () => {
    const { anna, clinician, complianceOfficer, recordsOfficer, feed } = hospital;
    const path = (id: string) => `/v1/patients/${id}/invitations`;
    expect(said(await staff.post(path(anna.patientId), { deliver: 'letter' }))).toEqual([
      409,
      'users.chart-has-account',
    ]);
    const chart = await makeChart(staff);
    for (const caller of [anna, clinician, complianceOfficer, recordsOfficer, feed])
      expect((await caller.post(path(chart.id), { deliver: 'letter' })).status).toBe(403);
    expect((await staff.post(path(chart.id), { deliver: 'pigeon' })).status).toBe(400);
  });
});

describe('open invitations', () => {
  it('of a patient are listed without their code, and made void', async () => {
    const chart = await makeChart(staff);
    const path = `/v1/patients/${chart.id}/invitations`;
    expect(await openOf(staff, path)).toEqual([]);
    const letter = codeIn(await letterTo(chart.id));
    expect(await openOf(staff, path)).toEqual([
      expect.objectContaining({ mailedTo: null, createdBy: hospital.staff.id }),
    ]);
    await staff.post(path, {}).expect(204);
    const listed = await staff.get(path).expect(200);
    expect(listed.body.items).toHaveLength(1);
    expect(listed.body.items[0].mailedTo).toBe(chart.email);
    const code = await mailedCode(portal, chart.email);
    for (const secret of [letter, code]) expect(listed.text).not.toContain(secret);
    await staff.delete(path).expect(204);
    await staff.delete(path).expect(204);
    expect(await openOf(staff, path)).toEqual([]);
    const person = { username: freshName('pat'), password: PASSWORD, dateOfBirth: chart.birthDate };
    expect(said(await activate({ ...person, activationCode: code }))).toEqual([401, 'auth.invalid-activation']);
  });

  it('of an account are the administrators’: a new code for who never came, none for who did', async () => {
    const username = freshName('staff');
    const email = `${username}@hospital.test`;
    const { id } = await opened(hospital, { username, email });
    const first = await mailedCode(portal, email);
    portal.clock.forward(8 * 86_400);
    admin = await signInAs(portal, admin.credentials);
    expect(said(await activate({ activationCode: first, password: PASSWORD }))).toEqual([
      401,
      'auth.invalid-activation',
    ]);
    expect(await openOf(admin, `/v1/users/${id}/invitations`)).toEqual([]);
    await admin.post(`/v1/users/${id}/invitations`).expect(204);
    const second = await mailedCode(portal, email);
    expect(second).not.toBe(first);
    expect(await openOf(admin, `/v1/users/${id}/invitations`)).toEqual([expect.objectContaining({ mailedTo: email })]);
    staff = await signInAs(portal, staff.credentials);
    expect((await staff.get(`/v1/users/${id}/invitations`)).status).toBe(404);
    expect((await staff.post(`/v1/users/${id}/invitations`)).status).toBe(403);
    await admin.delete(`/v1/users/${id}/invitations`).expect(204);
    expect(said(await activate({ activationCode: second, password: PASSWORD }))).toEqual([
      401,
      'auth.invalid-activation',
    ]);
    await admin.post(`/v1/users/${id}/invitations`).expect(204);
    await activate({ activationCode: await mailedCode(portal, email), password: PASSWORD }).expect(204);
    expect(said(await admin.post(`/v1/users/${id}/invitations`))).toEqual([409, 'users.not-invited']);
    const active = await makeStaff(portal, admin, 'staff');
    expect(said(await admin.post(`/v1/users/${await active.accountId()}/invitations`))).toEqual([
      409,
      'users.not-invited',
    ]);
  });

  it('need a fresh second factor for an account', async () => {
    const { id } = await opened({ ...hospital, admin: Object.assign(admin, { id: hospital.admin.id }) });
    portal.clock.forward(301);
    const { refreshToken } = admin.tokens;
    const { body } = await portal.http.post('/v1/auth/refresh').send({ refreshToken }).expect(200);
    Object.assign(admin.tokens, body);
    expect(said(await admin.post(`/v1/users/${id}/invitations`))).toEqual([403, 'auth.step-up-required']);
  });
});

describe('an invitation that does not go to the address of the chart', () => {
  const FOREIGN = 'clerk@evil.test';
  const mailsTo = async (email: string, since = 0) => {
    await portal.delivered();
    return portal.mails.slice(since).filter(({ to }) => to === email);
  };
  const open = (code: string, { birthDate }: { birthDate: string }) =>
    activate({ activationCode: code, username: freshName('pat'), password: PASSWORD, dateOfBirth: birthDate }).expect(
      204,
    );

  beforeAll(async () => {
    staff = await signInAs(portal, staff.credentials);
  });

  it('is told to that address when it is made, and when it is used, without the code', async () => {
    const chart = await makeChart(staff);
    await staff.post(`/v1/patients/${chart.id}/invitations`, { email: FOREIGN }).expect(204);
    const [made, ...others] = await mailsTo(chart.email);
    expect(others).toEqual([]);
    expect(made!.text).toContain('its code was mailed to another address than this one');
    const code = await mailedCode(portal, FOREIGN);
    expect(made!.text).not.toContain(code);
    await open(code, chart);
    const told = await mailsTo(chart.email);
    expect(told).toHaveLength(2);
    expect(told[1]!.text).toContain('An account was opened with an invitation');
    for (const { subject, text } of told)
      for (const secret of [FOREIGN, 'Patient', 'Pat ', '1980']) expect(subject + text).not.toContain(secret);
  });

  it('is told there too when it is a letter, and nowhere twice when the code goes to that very address', async () => {
    const chart = await makeChart(staff);
    await open(codeIn(await letterTo(chart.id)), chart);
    const texts = (await mailsTo(chart.email)).map(({ text }) => text);
    expect(texts).toEqual([
      expect.stringContaining('its code was printed as a letter'),
      expect.stringContaining('An account was opened'),
    ]);
    const plain = await makeChart(staff);
    await staff.post(`/v1/patients/${plain.id}/invitations`, {}).expect(204);
    await open(await mailedCode(portal, plain.email), plain);
    expect(await mailsTo(plain.email)).toHaveLength(1);
  });

  it('is told to the address of before where the chart’s was changed first, or after', async () => {
    const path = (id: string) => `/v1/patients/${id}`;
    const change = (id: string, version: number, email: string | null) =>
      staff.patch(path(id)).set('If-Match', `"${version}"`).send({ email }).expect(200);
    const first = await makeChart(staff);
    await change(first.id, 1, null);
    await change(first.id, 2, FOREIGN);
    expect((await mailsTo(first.email)).map(({ text }) => text)).toEqual([
      expect.stringContaining('This email address was taken off'),
    ]);
    const later = await makeChart(staff);
    await staff.post(`${path(later.id)}/invitations`, { email: FOREIGN }).expect(204);
    const code = await mailedCode(portal, FOREIGN);
    await change(later.id, 1, FOREIGN);
    await open(code, later);
    expect((await mailsTo(later.email)).at(-1)!.text).toContain('An account was opened');
  });

  it('is open once, however many are made at the same moment', async () => {
    const chart = await makeChart(staff);
    const path = `/v1/patients/${chart.id}/invitations`;
    const answers = await Promise.all(Array.from({ length: 20 }, () => staff.post(path, {})));
    expect(answers.map(({ status }) => status)).toEqual(Array(20).fill(204));
    expect(await openOf(staff, path)).toHaveLength(1);
  });

  it('takes a fresh proof of who makes it', async () => {
    const chart = await makeChart(staff);
    portal.clock.forward(301);
    const { refreshToken } = staff.tokens;
    const { body } = await portal.http.post('/v1/auth/refresh').send({ refreshToken }).expect(200);
    Object.assign(staff.tokens, body);
    const since = portal.mails.length;
    expect(said(await staff.post(`/v1/patients/${chart.id}/invitations`, { email: FOREIGN }))).toEqual([
      403,
      'auth.step-up-required',
    ]);
    expect(await mailsTo(FOREIGN, since)).toEqual([]);
    expect(await mailsTo(chart.email, since)).toEqual([]);
  });
});

describe('who holds a letter', () => {
  it('learns of a taken username only with the right birth date', async () => {
    staff = await signInAs(portal, staff.credentials);
    const [taken, chart] = [freshName('pat'), await makeChart(staff)];
    const other = await makeChart(staff);
    const first = { username: taken, password: PASSWORD, dateOfBirth: other.birthDate };
    await activate({ ...first, activationCode: codeIn(await letterTo(other.id)) }).expect(204);
    const activationCode = codeIn(await letterTo(chart.id));
    const ask = (over: object) => activate({ activationCode, username: taken, password: PASSWORD, ...over });
    const wrongDay = await ask({ dateOfBirth: '1980-05-18' });
    expect(said(wrongDay)).toEqual([401, 'auth.invalid-activation']);
    expect(said(await ask({ dateOfBirth: chart.birthDate, activationCode: 'AAAA-BBBB-CCCC-DDDD' }))).toEqual([
      401,
      'auth.invalid-activation',
    ]);
    expect(said(await ask({ dateOfBirth: chart.birthDate }))).toEqual([409, 'users.username-taken']);
    await ask({ dateOfBirth: chart.birthDate, username: freshName('pat') }).expect(204);
  });
});
