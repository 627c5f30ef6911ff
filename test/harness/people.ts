import { decodeJwt } from 'jose';
import { generate } from 'otplib';
import type supertest from 'supertest';
import { createAdmin } from '../../src/cli/admin-create.js';
import type { Role } from '../../src/platform/access/vocabulary.js';
import { assertionOf, JWT_BEARER, newMachineKey, type MachineKey } from './assertions.js';
import type { MovableClock, Portal } from './portal.js';

export interface Credentials {
  username: string;
  password: string;
  totpSecret?: string;
}

/** A service account has a key, and neither name nor password. */
interface MachineLogin extends Credentials {
  machine: MachineCredentials;
}

export interface MachineCredentials {
  clientId: string;
  key: MachineKey;
}

export interface Tokens {
  accessToken: string;
  refreshToken: string;
  session: { id: string; acr: string; amr: string[]; authTime: string; expiresAt: string; idleSeconds: number };
}

type Method = 'get' | 'post' | 'patch' | 'put' | 'delete';

/** Somebody who is signed in: requests carry their access token. */
export class Caller {
  constructor(
    readonly portal: Portal,
    readonly tokens: Tokens,
    readonly credentials: Credentials,
    readonly recoveryCodes: string[] = [],
  ) {}

  send(method: Method, path: string): supertest.Test {
    return this.portal.http[method](path)
      .set('Authorization', `Bearer ${this.tokens.accessToken}`)
      .on('response', (response: { body: unknown }) => this.keep(response.body));
  }

  /** As clients do: the access token that was answered for this session is the one from now on. */
  keep(body: unknown): void {
    const accessToken = (body as { accessToken?: unknown } | null)?.accessToken;
    if (typeof accessToken === 'string' && decodeJwt(accessToken).sid === this.tokens.session?.id)
      this.tokens.accessToken = accessToken;
  }

  get(path: string): supertest.Test {
    return this.send('get', path);
  }

  post(path: string, body?: object): supertest.Test {
    const request = this.send('post', path);
    return body === undefined ? request : request.send(body);
  }

  patch(path: string, body?: object): supertest.Test {
    const request = this.send('patch', path);
    return body === undefined ? request : request.send(body);
  }

  put(path: string, body: object): supertest.Test {
    return this.send('put', path).send(body);
  }

  delete(path: string): supertest.Test {
    return this.send('delete', path);
  }

  /** The account's own id, as /v1/me tells it. */
  async accountId(): Promise<string> {
    return ((await this.get('/v1/me').expect(200)).body as { id: string }).id;
  }
}

const STEP_SECONDS = 30;
const usedSteps = new Map<string, number>();

/** A code that was not used yet: the clock goes on to the next step when this one was, because a replay is refused. */
export async function currentCode(secret: string, clock: MovableClock): Promise<string> {
  const stepNow = () => Math.floor(clock.now().getTime() / 1000 / STEP_SECONDS);
  const used = usedSteps.get(secret) ?? 0;
  // Past the drift that is tolerated at the beginning of a step, so that the step before is over for everybody.
  if (stepNow() <= used) clock.forward((used + 1) * STEP_SECONDS - clock.now().getTime() / 1000 + 6);
  usedSteps.set(secret, stepNow());
  return generate({ secret, epoch: Math.floor(clock.now().getTime() / 1000) });
}

/** The activation code in the last mail to an address. */
export async function mailedCode(portal: Portal, email: string): Promise<string> {
  await portal.delivered();
  const mail = portal.mails.findLast((one) => one.to === email);
  const code = /[0-9A-Z]{4}(?:-[0-9A-Z]{4}){3,}/.exec(mail?.text ?? '')?.[0];
  if (!code) throw new Error(`no activation code was mailed to ${email}`);
  return code;
}

/** Signs in for real, with the second factor where there is one. */
export async function signInAs(portal: Portal, credentials: Credentials): Promise<Caller> {
  if ('machine' in credentials) return machineSignIn(portal, (credentials as MachineLogin).machine);
  const { username, password, totpSecret } = credentials;
  const first = await portal.http.post('/v1/auth/login').send({ username, password }).expect(200);
  if (first.body.status === 'authenticated') return new Caller(portal, first.body as Tokens, credentials);
  if (!totpSecret) throw new Error(`${username} needs a second factor: ${first.body.status}`);
  const code = await currentCode(totpSecret, portal.clock);
  const second = await portal.http
    .post('/v1/auth/mfa/verify')
    .send({ mfaToken: first.body.mfaToken, method: 'totp', code })
    .expect(200);
  return new Caller(portal, second.body as Tokens, credentials);
}

/** First sign-in of somebody who must set up a second factor. */
export async function enrolAndSignIn(portal: Portal, username: string, password: string): Promise<Caller> {
  const { body: login } = await portal.http.post('/v1/auth/login').send({ username, password }).expect(200);
  const { mfaToken } = login as { mfaToken: string };
  const { body: totp } = await portal.http.post('/v1/auth/mfa/totp').send({ mfaToken }).expect(200);
  const { secret } = totp as { secret: string };
  const code = await currentCode(secret, portal.clock);
  const { body } = await portal.http.post('/v1/auth/mfa/totp/confirm').send({ mfaToken, code }).expect(200);
  return new Caller(
    portal,
    body as Tokens,
    { username, password, totpSecret: secret },
    (body as { recoveryCodes: string[] }).recoveryCodes,
  );
}

let people = 0;
/** A name that nobody else in the run has. */
export const freshName = (role: string): string => `${role.replace('_', '-')}-${++people}`;

const passwordOf = (username: string): string => `a password of ${username}`;

async function activate(portal: Portal, activationCode: string, body: object): Promise<void> {
  await portal.http
    .post('/v1/auth/activate')
    .send({ activationCode, ...body })
    .expect(204);
}

/** The first administrator, by the operator's command and an activation like anybody's. */
export async function makeAdmin(portal: Portal): Promise<Caller> {
  const username = freshName('admin');
  const { code } = await createAdmin(portal.app, {
    username,
    displayName: 'Ada Admin',
    email: `${username}@hospital.test`,
  });
  await activate(portal, code, { password: passwordOf(username) });
  return enrolAndSignIn(portal, username, passwordOf(username));
}

async function invite(portal: Portal, admin: Caller, username: string, account: object): Promise<string> {
  const email = `${username}@hospital.test`;
  await admin.post('/v1/users', { username, email, ...account }).expect(201);
  return mailedCode(portal, email);
}

/** Somebody with one staff role, invited by the administrator, signed in with a second factor. */
export async function makeStaff(
  portal: Portal,
  admin: Caller,
  role: Exclude<Role, 'patient' | 'proxy' | 'clinician' | 'integration' | 'directory'>,
): Promise<Caller> {
  const username = freshName(role);
  const code = await invite(portal, admin, username, { displayName: `Sam ${role}`, roles: [role] });
  await activate(portal, code, { password: passwordOf(username) });
  return enrolAndSignIn(portal, username, passwordOf(username));
}

export class Clinician extends Caller {
  practitionerId: string;
}

export async function makeClinician(
  portal: Portal,
  admin: Caller,
  practitioner: { family?: string; given?: string[]; specialty?: string; npi?: string } = {},
): Promise<Clinician> {
  const username = freshName('clinician');
  const code = await invite(portal, admin, username, {
    displayName: 'Cleo Clinician',
    roles: ['clinician'],
    practitioner: { family: 'Clinician', given: ['Cleo'], specialty: 'Internal medicine', ...practitioner },
  });
  await activate(portal, code, { password: passwordOf(username) });
  const caller = await enrolAndSignIn(portal, username, passwordOf(username));
  const me = await caller.get('/v1/me').expect(200);
  const clinician = new Clinician(portal, caller.tokens, caller.credentials, caller.recoveryCodes);
  clinician.practitionerId = (me.body as { practitionerId: string }).practitionerId;
  return clinician;
}

export interface NewPatient {
  family?: string;
  given?: string[];
  birthDate?: string;
  sex?: string;
  mrn?: string;
  email?: string;
}

export class Patient extends Caller {
  patientId: string;
  birthDate: string;
}

/** A chart without an account; `by` is staff or admin. */
export async function makeChart(
  by: Caller,
  person: NewPatient = {},
): Promise<{ id: string; birthDate: string; email: string }> {
  const name = freshName('patient');
  const chart = {
    family: 'Patient',
    given: ['Pat'],
    birthDate: '1980-05-17',
    sex: 'female',
    mrn: name,
    email: `${name}@home.test`,
    ...person,
  };
  const { body } = await by.post('/v1/patients', chart).expect(201);
  return { id: (body as { id: string }).id, birthDate: chart.birthDate, email: chart.email };
}

/** A patient with a chart of their own, who activated the invitation and is signed in. */
export async function makePatient(portal: Portal, admin: Caller, person: NewPatient = {}): Promise<Patient> {
  return openAccount(portal, admin, await makeChart(admin, person));
}

/** Has the code mailed; with a second factor shown anew where the clock has gone on since `by` signed in. */
async function inviteToChart(by: Caller, { id, email }: { id: string; email: string }): Promise<void> {
  const invite = () => by.post(`/v1/patients/${id}/invitations`, { email });
  const { status, body } = await invite();
  if (status === 204) return;
  if ((body as { code: string }).code === 'auth.step-up-required') {
    const code = await currentCode(by.credentials.totpSecret!, by.portal.clock);
    await by.post('/v1/auth/step-up', { method: 'totp', code }).expect(200);
  }
  await invite().expect(204);
}

/** The account of a chart that is there: invited, activated, signed in. */
export async function openAccount(
  portal: Portal,
  admin: Caller,
  chart: { id: string; birthDate: string; email: string },
): Promise<Patient> {
  await inviteToChart(admin, chart);
  const username = freshName('pat');
  const password = passwordOf(username);
  const activationCode = await mailedCode(portal, chart.email);
  await activate(portal, activationCode, { username, password, dateOfBirth: chart.birthDate });
  const caller = await signInAs(portal, { username, password });
  const patient = new Patient(portal, caller.tokens, caller.credentials);
  patient.patientId = chart.id;
  patient.birthDate = chart.birthDate;
  return patient;
}

/** A service account: its requests carry a token that it asks for anew, by an assertion of its key, when the one before is about to end. */
export class Machine extends Caller {
  constructor(
    portal: Portal,
    tokens: Tokens,
    override readonly credentials: MachineLogin,
  ) {
    super(portal, tokens, credentials);
  }

  override send(method: Method, path: string): supertest.Test {
    const request = super.send(method, path);
    const end = request.end.bind(request);
    request.end = (done) => {
      void this.renew().then(() => end.call(request.set('Authorization', `Bearer ${this.tokens.accessToken}`), done));
      return request;
    };
    return request;
  }

  override accountId(): Promise<string> {
    return Promise.resolve(this.credentials.machine.clientId);
  }

  /** A machine that gets no new token goes on with its old one, and is told so. */
  private async renew(): Promise<void> {
    const leftMs = Date.parse(this.tokens.session.expiresAt) - this.portal.clock.now().getTime();
    if (leftMs > 30_000) return;
    const answer = await askForToken(this.portal, this.credentials.machine);
    if (answer.status === 200) Object.assign(this.tokens, tokensIn(answer));
  }
}

/** What POST /v1/auth/token answers to an assertion of this machine. */
export async function askForToken(
  portal: Portal,
  machine: MachineCredentials,
  claims: Record<string, unknown> = {},
): Promise<supertest.Response> {
  const who = { ...machine, audience: portal.config.http.publicUrl, now: portal.clock.now() };
  return portal.http
    .post('/v1/auth/token')
    .type('form')
    .send({
      grant_type: 'client_credentials',
      client_assertion_type: JWT_BEARER,
      client_assertion: await assertionOf(who, claims),
    });
}

function tokensIn({ body }: supertest.Response): Tokens {
  const { access_token: accessToken } = body as { access_token: string };
  const { sid, iat, exp } = decodeJwt<{ sid: string }>(accessToken);
  const at = (seconds: number | undefined) => new Date(seconds! * 1000).toISOString();
  const session = {
    id: sid,
    acr: 'aal1',
    amr: ['swk'],
    authTime: at(iat),
    expiresAt: at(exp),
    idleSeconds: exp! - iat!,
  };
  return { accessToken, refreshToken: '', session };
}

async function machineSignIn(portal: Portal, machine: MachineCredentials): Promise<Machine> {
  const answer = await askForToken(portal, machine);
  if (answer.status !== 200) throw new Error(`a machine got no token: ${answer.text}`);
  return new Machine(portal, tokensIn(answer), { username: '', password: '', machine });
}

/** A service account with a registered key. */
export async function makeMachine(portal: Portal, admin: Caller, account: object): Promise<Machine & { id: string }> {
  const email = `${freshName('machine')}@hospital.test`;
  const { body } = await admin.post('/v1/users', { displayName: 'Machine', email, ...account }).expect(201);
  const { id: clientId } = body as { id: string };
  const key = await newMachineKey();
  await admin.post(`/v1/users/${clientId}/keys`, { jwk: key.publicJwk }).expect(201);
  return Object.assign(await machineSignIn(portal, { clientId, key }), { id: clientId });
}

/** The hospital's record system, which speaks for `source`. */
export const makeFeed = (portal: Portal, admin: Caller, source: string): Promise<Machine & { id: string }> =>
  makeMachine(portal, admin, { displayName: 'Record system', roles: ['integration'], source });

/** The hospital's directory, which keeps people over SCIM. */
export const makeDirectory = (portal: Portal, admin: Caller): Promise<Machine & { id: string }> =>
  makeMachine(portal, admin, { displayName: 'Directory', roles: ['directory'] });
