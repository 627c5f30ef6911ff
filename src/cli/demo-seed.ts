import type { INestApplicationContext } from '@nestjs/common';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { generate } from 'otplib';
import { makeHospital, type DemoIntegration, type DemoPatient, type DemoPerson } from '../demo/hospital.js';
import type { Config } from '../platform/config/config.js';
import { randomCode } from '../platform/crypto/index.js';
import type { Mail } from '../platform/delivery/delivery.js';
import { Outbox } from '../platform/outbox/outbox.js';
import { createAdmin } from './admin-create.js';
import { newClientKey, tokenFor, writeClientKey } from './client-key.js';

export interface DemoAccount {
  role: string;
  username: string;
  password: string;
  totpSecret: string | null;
  /** A machine has no password: its key lies in a file beside. */
  client?: { id: string; audience: string; keyFile: string };
}

/** What the demo needs to print again at its next start. */
export interface DemoAccounts {
  url: string;
  accounts: DemoAccount[];
  firstPatientId: string;
  foreignPatientId: string;
}

type Answer = Record<string, string> & { items?: Record<string, string>[]; recoveryCodes?: string[] };

/** A client of the API like any other: the demo is filled through the front door, so that its audit trail is real too. */
class Client {
  private token = '';

  constructor(private readonly url: string) {}

  as(token: string): Client {
    const client = new Client(this.url);
    client.token = token;
    return client;
  }

  async send(method: string, path: string, body?: object | string): Promise<Answer> {
    const answer = await fetch(`${this.url}${path}`, {
      method,
      headers: {
        ...(body === undefined
          ? {}
          : { 'content-type': typeof body === 'string' ? 'application/fhir+json' : 'application/json' }),
        ...(this.token ? { authorization: `Bearer ${this.token}` } : {}),
      },
      body: typeof body === 'object' ? JSON.stringify(body) : body,
    });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${method} ${path} answered ${answer.status}: ${text}`);
    return (text === '' ? {} : JSON.parse(text)) as Answer;
  }
}

/** The demo's hospital never changes: a later start must find the same bundles. */
const SEED = 7;
/** A token is good for five minutes. */
const TOKEN_MS = 4 * 60_000;
const TODAY = new Date('2026-11-22T00:00:00Z');

class Seeding {
  readonly accounts: DemoAccount[] = [];
  private readonly client: Client;

  constructor(
    private readonly app: INestApplicationContext,
    private readonly url: string,
    private readonly mails: Mail[],
  ) {
    this.client = new Client(url);
  }

  /** Password with the code from the mail, then the second factor where the role must have one. Resolves with a signed-in client. */
  async activate(role: string, username: string, code: string, more: object = {}): Promise<Client> {
    const password = randomCode();
    await this.client.send('POST', '/v1/auth/activate', { activationCode: code, password, ...more });
    const login = await this.client.send('POST', '/v1/auth/login', { username, password });
    if (login.status === 'authenticated') {
      this.accounts.push({ role, username, password, totpSecret: null });
      return this.client.as(login.accessToken!);
    }
    const { secret } = await this.client.send('POST', '/v1/auth/mfa/totp', { mfaToken: login.mfaToken });
    const confirmed = await this.client.send('POST', '/v1/auth/mfa/totp/confirm', {
      mfaToken: login.mfaToken,
      code: await generate({ secret: secret! }),
    });
    this.accounts.push({ role, username, password, totpSecret: secret! });
    return this.client.as(confirmed.accessToken!);
  }

  /** The activation code that was mailed to an address, taken from the mail like a person would. */
  async codeFor(email: string): Promise<string> {
    await this.app.get(Outbox).drain();
    const mail = this.mails.findLast((one) => one.to === email);
    const code = /[0-9A-Z]{4}(-[0-9A-Z]{4}){3,}/.exec(mail?.text ?? '')?.[0];
    if (!code) throw new Error(`no activation code was mailed to ${email}`);
    return code;
  }

  async staff(admin: Client, person: DemoPerson): Promise<void> {
    const { username, displayName, email, roles, practitioner } = person;
    await admin.send('POST', '/v1/users', {
      username,
      displayName,
      email,
      roles,
      ...(practitioner
        ? {
            practitioner: {
              family: practitioner.family,
              given: [practitioner.given],
              npi: practitioner.npi,
              specialty: practitioner.specialty,
            },
          }
        : {}),
    });
    await this.activate(roles[0]!, username, await this.codeFor(email));
  }

  /** A service account with a key of its own; resolves with a client whose token is renewed before it ends. */
  async feed(admin: Client, integration: DemoIntegration, config: Config): Promise<() => Promise<Client>> {
    const { username, displayName, source } = integration;
    const email = `${username}@hospital.example.org`;
    const account = { displayName, email, roles: ['integration'], source };
    const { id } = await admin.send('POST', '/v1/users', account);
    const { publicJwk, ...key } = await newClientKey();
    await admin.send('POST', `/v1/users/${id}/keys`, { jwk: publicJwk });
    const client = { id: id!, audience: config.http.publicUrl, keyFile: join(config.dataDir, `${username}.key.json`) };
    // Of a database that is gone.
    rmSync(client.keyFile, { force: true });
    writeClientKey(client.keyFile, key);
    this.accounts.push({ role: 'integration', username, password: '', totpSecret: null, client });
    let signedIn: { client: Client; at: number } | null = null;
    return async () => {
      if (!signedIn || Date.now() - signedIn.at > TOKEN_MS) {
        const token = await tokenFor(this.url, client.audience, client.id, key);
        signedIn = { client: this.client.as(token), at: Date.now() };
      }
      return signedIn.client;
    };
  }

  async patient(
    admin: Client,
    patient: DemoPatient,
    patientId: string,
    practitioners: Map<string, string>,
  ): Promise<void> {
    for (const { username, start, end } of patient.careTeam) {
      await admin.send('POST', `/v1/patients/${patientId}/care-team`, {
        practitionerId: practitioners.get(username),
        startsAt: `${start}T00:00:00Z`,
        ...(end ? { endsAt: `${end}T00:00:00Z` } : {}),
      });
    }
    if (!patient.username) return;
    await admin.send('POST', `/v1/patients/${patientId}/invitations`, { email: patient.email });
    await this.activate('patient', patient.username, await this.codeFor(patient.email), {
      username: patient.username,
      dateOfBirth: patient.birthDate,
    });
  }
}

async function all(client: Client, path: string): Promise<Record<string, string>[]> {
  return (await client.send('GET', `${path}?limit=200`)).items!;
}

const BETWEEN_LOOKS_MS = 100;

/** How an import ended; asked as any feed asks. */
async function outcomeOf(feed: () => Promise<Client>, id: string): Promise<string> {
  for (;;) {
    const { status } = await (await feed()).send('GET', `/v1/imports/${id}`);
    if (status !== 'queued' && status !== 'running') return status!;
    await sleep(BETWEEN_LOOKS_MS);
  }
}

/** Fills an empty portal through its API: administrators, staff of every role, the feed, 25 charts, care teams, patients' accounts. */
export async function seedHospital(
  app: INestApplicationContext,
  url: string,
  config: Config,
  mails: Mail[],
): Promise<DemoAccounts> {
  const hospital = makeHospital({ seed: SEED, today: TODAY });
  const seeding = new Seeding(app, url, mails);
  const [first, ...others] = [...hospital.people].sort(
    (a, b) => Number(b.roles.includes('admin')) - Number(a.roles.includes('admin')),
  );
  const { code } = await createAdmin(app, first!);
  const admin = await seeding.activate('admin', first!.username, code);
  for (const person of others) await seeding.staff(admin, person);

  const feed = await seeding.feed(admin, hospital.integration, config);
  for (const bundle of [hospital.directoryBundle, ...hospital.patients.map((patient) => patient.bundle)]) {
    const { id } = await (await feed()).send('POST', '/v1/imports', bundle);
    const status = await outcomeOf(feed, id!);
    if (status !== 'completed')
      throw new Error(`an import of the demo's own data ended as ${status}: /v1/imports/${id}/issues`);
  }

  const npi = new Map((await all(admin, '/v1/practitioners')).map((one) => [one.npi, one.id!]));
  const practitioners = new Map(
    hospital.people
      .filter((person) => person.practitioner)
      .map((person) => [person.username, npi.get(person.practitioner!.npi)!]),
  );
  const charts = new Map((await all(admin, '/v1/patients')).map((one) => [one.mrn, one.id!]));
  for (const patient of hospital.patients)
    await seeding.patient(admin, patient, charts.get(patient.mrn)!, practitioners);
  await app.get(Outbox).drain();
  return {
    url: config.http.publicUrl.endsWith(':0') ? url : config.http.publicUrl,
    accounts: seeding.accounts,
    firstPatientId: charts.get(hospital.patients[0]!.mrn)!,
    foreignPatientId: charts.get(hospital.patients[1]!.mrn)!,
  };
}
