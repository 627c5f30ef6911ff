import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { generate } from 'otplib';
import pg from 'pg';
import { createApp } from '../app.js';
import { ownerDataSource } from '../data-source.js';
import { loadConfig, type Config } from '../platform/config/config.js';
import { createKeyFile, randomToken } from '../platform/crypto/index.js';
import { EmbeddedPostgres, ensureDatabase } from '../platform/database/embedded-postgres.js';
import { migrate } from '../platform/database/migrate.js';
import { Delivery, type Mail, type Sms } from '../platform/delivery/delivery.js';
import { deliveryOf } from '../platform/delivery/mail.js';
import { listen } from '../serve.js';
import { readClientKey, tokenFor } from './client-key.js';
import { call, OperatorError, type Command } from './command.js';
import { seedHospital, type DemoAccounts } from './demo-seed.js';

const ACCOUNTS = 'demo.json';

/** The mailbox folder, and besides the mails of this run, from which seeding takes the activation codes. */
class WatchedMailbox extends Delivery {
  readonly mails: Mail[] = [];

  constructor(private readonly inner: Delivery) {
    super();
  }

  async mail(mail: Mail): Promise<void> {
    await this.inner.mail(mail);
    this.mails.push(mail);
  }

  sms(sms: Sms): Promise<void> {
    return this.inner.sms(sms);
  }

  decoy(mail: Mail): Promise<void> {
    return this.inner.decoy(mail);
  }
}

function withUser(ownerUrl: string, user: string): string {
  const url = new URL(ownerUrl);
  url.username = user;
  url.password = randomToken(24);
  return url.href;
}

/** The environment of the demo: an embedded database unless DATABASE_URL names one that may be set up. */
async function prepare(): Promise<{ config: Config; stop: () => Promise<void> }> {
  const given = loadConfig(process.env, { demo: true });
  await mkdir(given.dataDir, { recursive: true, mode: 0o755 });
  let ownerUrl = given.database.url;
  let stop = () => Promise.resolve();
  if (ownerUrl === '') {
    const postgres = new EmbeddedPostgres(join(given.dataDir, 'postgres'), { durable: true });
    await postgres.start();
    stop = () => postgres.stop();
    await ensureDatabase(postgres.url('postgres'), 'portico');
    ownerUrl = postgres.url('portico');
  }
  if (!existsSync(given.keyFile)) await createKeyFile(given.keyFile);
  const config = loadConfig(
    {
      BCRYPT_COST: '10',
      LOG_LEVEL: 'warn',
      // The port may be another one next time; the log's name stays.
      AUDIT_ORIGIN: 'demo.portico.example/audit',
      ...process.env,
      DATABASE_OWNER_URL: ownerUrl,
      DATABASE_URL: withUser(ownerUrl, 'portico_demo_app'),
      DATABASE_SEQUENCER_URL: withUser(ownerUrl, 'portico_demo_sequencer'),
      DATABASE_AUDITOR_URL: withUser(ownerUrl, 'portico_demo_auditor'),
    },
    { demo: true },
  );
  return { config, stop };
}

async function isEmpty(config: Config): Promise<boolean> {
  const client = new pg.Client({ connectionString: config.database.ownerUrl });
  await client.connect();
  try {
    return (await client.query('SELECT 1 FROM users.account LIMIT 1')).rowCount === 0;
  } finally {
    await client.end();
  }
}

function readAccounts(dataDir: string): DemoAccounts {
  const file = join(dataDir, ACCOUNTS);
  if (!existsSync(file))
    throw new OperatorError(
      `There is no demo in ${dataDir}: start it with npm run demo, and set DATA_DIR here as there.`,
    );
  return JSON.parse(readFileSync(file, 'utf8')) as DemoAccounts;
}

function banner(url: string, { accounts, firstPatientId, foreignPatientId }: DemoAccounts, dataDir: string): string {
  const cli = `${process.env.DATA_DIR ? `DATA_DIR=${dataDir} ` : ''}npm run -s cli --`;
  const one = [...new Map(accounts.toReversed().map((account) => [account.role, account])).values()].toReversed();
  const rows = one.map(
    ({ role, username, password, totpSecret, client }) =>
      `  ${role.padEnd(19)} ${username.padEnd(20)} ${(client ? '(a key)' : password).padEnd(19)}   ${
        client ? `${cli} demo:token ${username}` : totpSecret ? `${cli} demo:code ${username}` : '(none)'
      }`,
  );
  const patient = one.find(({ role }) => role === 'patient')!;
  return `
Portico demo: ${url}   (documentation: ${url}/docs, mails: ${join(dataDir, 'mailbox')})

  role                username             password              one-time code or token
${rows.join('\n')}

Try, in another terminal in this folder:

  TOKEN=$(curl -s ${url}/v1/auth/login -H 'content-type: application/json' -d '{"username":"${patient.username}","password":"${patient.password}"}' | sed 's/.*"accessToken":"\\([^"]*\\)".*/\\1/')
  curl -s ${url}/v1/patients/${firstPatientId}/records?type=Observation\\&limit=3 -H "authorization: Bearer $TOKEN"
  curl -s ${url}/v1/patients/${foreignPatientId}/records -H "authorization: Bearer $TOKEN"
  curl -s ${url}/v1/audit/events?limit=3 -H "authorization: Bearer $(${cli} demo:token ${one.find(({ role }) => role === 'compliance_officer')!.username})"

The third answers 404: it is somebody else's chart. Browsers take passkeys for a name only: PUBLIC_URL=http://localhost:${new URL(url).port} npm run demo.
Stop with Ctrl-C; the data stays in ${dataDir}.`;
}

export const demo: Command = {
  usage: '',
  summary:
    'Run the portal with a made-up hospital, on an embedded PostgreSQL or the one of DATABASE_URL. Never with NODE_ENV=production.',
  async run() {
    const { config, stop } = await prepare();
    try {
      await migrate(config.database, ownerDataSource(config.database));
      const mailbox = new WatchedMailbox(deliveryOf(config));
      const app = await createApp(config, { delivery: mailbox });
      const url = await listen(app, config, stop);
      if (await isEmpty(config)) {
        console.log('Filling the empty database with a made-up hospital …');
        const accounts = await seedHospital(app, url, config, mailbox.mails);
        writeFileSync(join(config.dataDir, ACCOUNTS), JSON.stringify(accounts, null, 1), { mode: 0o600 });
      }
      if (existsSync(join(config.dataDir, ACCOUNTS)))
        console.log(banner(url, readAccounts(config.dataDir), config.dataDir));
      else console.log(`Portico: ${url} (the database was not filled by this demo, so there are no accounts to show)`);
    } catch (error) {
      await stop();
      throw error;
    }
  },
};

function accountOf(username: string | undefined) {
  const { dataDir } = loadConfig();
  const account = readAccounts(dataDir).accounts.find((one) => one.username === username);
  if (!account)
    throw new OperatorError(
      `Name one of: ${readAccounts(dataDir)
        .accounts.map((one) => one.username)
        .join(', ')}`,
    );
  return account;
}

export const demoCode: Command = {
  usage: '<username>',
  summary: 'Print the one-time code of a demo account, as its authenticator app would show it now.',
  async run(_values, [username]) {
    const { totpSecret } = accountOf(username);
    if (!totpSecret) throw new OperatorError(`${username} has no second factor`);
    console.log(await generate({ secret: totpSecret }));
  },
};

export const demoToken: Command = {
  usage: '<username>',
  summary: 'Sign a demo account in, with its one-time code or its key, and print the access token.',
  async run(_values, [username]) {
    const account = accountOf(username);
    const { url } = readAccounts(loadConfig().dataDir);
    if (account.client) {
      const { id, audience, keyFile } = account.client;
      return console.log(await tokenFor(url, audience, id, readClientKey(keyFile)));
    }
    const post = async (path: string, body: object): Promise<Record<string, string>> => {
      const answer = await call(`${url}${path}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
      });
      const said = (await answer.json()) as Record<string, string>;
      if (!answer.ok) throw new OperatorError(`${path}: ${said.detail}`);
      return said;
    };
    const signIn = await post('/v1/auth/login', { username: account.username, password: account.password });
    if (signIn.status !== 'mfa_required') return console.log(signIn.accessToken);
    const verify = async () =>
      post('/v1/auth/mfa/verify', {
        mfaToken: signIn.mfaToken,
        method: 'totp',
        code: await generate({ secret: account.totpSecret! }),
      });
    // A code counts once: when this one was used just now, the next one comes within half a minute.
    const { accessToken } = await verify().catch(async () => {
      console.error('The current code was used already; waiting for the next one …');
      await sleep(30_000 - (Date.now() % 30_000) + 500);
      return verify();
    });
    console.log(accessToken);
  },
};
