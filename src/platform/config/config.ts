import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';
import { bool, cleanEnv, makeValidator, num, str, type CleanedEnv } from 'envalid';

/** Why the portal does not start: every problem of the configuration at once, each with what to do. */
export class ConfigError extends Error {
  constructor(readonly problems: readonly string[]) {
    super(`The configuration is not usable:\n${problems.map((problem) => `  - ${problem}`).join('\n')}`);
    this.name = 'ConfigError';
  }
}

const cidrs = makeValidator<string[]>((input) => {
  const list = input.split(',').map((part) => part.trim());
  for (const part of list.filter(Boolean)) {
    ipaddr.parseCIDR(part.includes('/') ? part : `${part}/${isIP(part) === 6 ? 128 : 32}`);
  }
  return list.filter(Boolean);
});

const postgresUrl = makeValidator<string>((input) => {
  if (input === '') return input;
  const url = new URL(input);
  if (url.protocol !== 'postgres:' && url.protocol !== 'postgresql:') throw new Error('must begin with postgres://');
  return input;
});

const minutes = (value: number, desc: string) => num({ default: value, desc: `${desc} (minutes)` });

/** Every setting: its name, default and meaning. `.env.example` is made from this table. */
export const settings = {
  NODE_ENV: str({
    choices: ['development', 'test', 'production'],
    default: 'development',
    desc: 'production refuses placeholder secrets and plain HTTP on a public interface',
  }),
  HOST: str({ default: '127.0.0.1', desc: 'address to listen on' }),
  PORT: num({ default: 3000, desc: 'port to listen on; 0 takes a free one' }),
  PUBLIC_URL: str({
    default: '',
    desc: 'address that browsers use, such as https://portal.hospital.example; issuer of the tokens. Default: what HOST and PORT say',
  }),
  TLS_CERT_FILE: str({ default: '', desc: 'PEM certificate chain; read again on SIGHUP' }),
  TLS_KEY_FILE: str({ default: '', desc: 'PEM private key of the certificate' }),
  TLS_TERMINATED_BY_PROXY: bool({
    default: false,
    desc: 'true: a proxy in front speaks HTTPS, so that plain HTTP is served on purpose',
  }),
  TRUSTED_PROXIES: cidrs({
    default: [],
    desc: 'comma-separated CIDRs of the proxies whose X-Forwarded-For is believed; nobody by default',
  }),
  DATABASE_URL: postgresUrl({
    default: '',
    desc: 'PostgreSQL 15 or later, as the role of the server. `demo` without it runs an embedded server; with it, it must be a role that may create roles and schemas',
  }),
  DATABASE_SEQUENCER_URL: postgresUrl({
    default: '',
    desc: 'the same database, as the role that puts audit events in order',
  }),
  DATABASE_AUDITOR_URL: postgresUrl({
    default: '',
    desc: 'the same database, as the role that reads the audit trail for the compliance officer',
  }),
  DATABASE_OWNER_URL: postgresUrl({
    default: '',
    desc: 'the same database, as the owner: only for `migrate`, never for the server',
  }),
  DATABASE_POOL_SIZE: num({ default: 10, desc: 'connections for requests, per process' }),
  KEY_FILE: str({
    default: '.portico/keys.json',
    desc: 'file of the keys (mode 0600), made by `npm run cli -- keys:create`; back it up apart from the database',
  }),
  DATA_DIR: str({ default: '.portico', desc: 'where demo keeps its database, keys and mailbox' }),
  HOSPITAL_NAME: str({ default: 'Portico Hospital', desc: 'name in notices and authenticator apps' }),
  MRN_SYSTEM: str({
    default: 'https://hospital.example.org/mrn',
    desc: "identifier system (URI) of the hospital's own medical record numbers",
  }),
  SMTP_URL: str({
    default: '',
    desc: 'smtps://user:password@host; empty: notices go to the mailbox folder (not in production)',
  }),
  MAIL_FROM: str({ default: 'portal@hospital.example.org', desc: 'sender of notices' }),
  PATIENT_IDLE_MINUTES: minutes(15, 'automatic logout of patients after inactivity'),
  PATIENT_SESSION_MINUTES: minutes(12 * 60, 'longest session of patients'),
  STAFF_IDLE_MINUTES: minutes(15, 'automatic logout of staff after inactivity'),
  STAFF_SESSION_MINUTES: minutes(8 * 60, 'longest session of staff'),
  ACCESS_TOKEN_MINUTES: minutes(5, 'life of an access token'),
  BCRYPT_COST: num({ default: 12, desc: 'cost of password hashes, 12 or more in production' }),
  HEADERS_TIMEOUT_SECONDS: num({ default: 10, desc: 'longest time that the headers of a request may take to arrive' }),
  REQUEST_TIMEOUT_SECONDS: num({ default: 30, desc: 'the same for a whole request, body included' }),
  BODY_LIMIT_KB: num({ default: 256, desc: 'largest JSON body (kB)' }),
  IMPORT_LIMIT_MB: num({ default: 64, desc: 'largest import (MB)' }),
  IMPORT_MAX_ENTRIES: num({ default: 20_000, desc: 'most entries of one imported Bundle' }),
  LOG_LEVEL: str({
    choices: ['fatal', 'error', 'warn', 'info', 'debug', 'silent'],
    default: 'info',
    desc: 'least level that is logged',
  }),
};

type Settings = CleanedEnv<typeof settings>;

export interface SessionLimits {
  /** Seconds without activity after which the session ends. */
  idleSeconds: number;
  /** Seconds after sign-in at which the session ends. */
  absoluteSeconds: number;
}

/** The one validated, frozen configuration. Times in seconds, sizes in bytes. */
export interface Config {
  readonly production: boolean;
  readonly demo: boolean;
  readonly http: {
    readonly host: string;
    readonly port: number;
    readonly publicUrl: string;
    readonly trustedProxies: readonly string[];
    readonly tls: { readonly certFile: string; readonly keyFile: string } | null;
    readonly headersTimeoutMs: number;
    readonly requestTimeoutMs: number;
    readonly bodyLimit: number;
    readonly importLimit: number;
    readonly importMaxEntries: number;
  };
  readonly database: {
    readonly url: string;
    readonly sequencerUrl: string;
    readonly auditorUrl: string;
    readonly ownerUrl: string;
    readonly poolSize: number;
  };
  readonly keyFile: string;
  readonly dataDir: string;
  readonly hospital: { readonly name: string; readonly mrnSystem: string };
  readonly mail: { readonly smtpUrl: string; readonly from: string };
  readonly sessions: {
    readonly patient: SessionLimits;
    readonly staff: SessionLimits;
    readonly accessTokenSeconds: number;
  };
  readonly bcryptCost: number;
  readonly logLevel: string;
}

const PLACEHOLDER = /change-?me|placeholder|example-secret|your-|<.*>|^(postgres|password|secret)$/i;

function passwordsOf(env: Settings): [string, string][] {
  const urls = ['DATABASE_URL', 'DATABASE_SEQUENCER_URL', 'DATABASE_AUDITOR_URL', 'SMTP_URL'] as const;
  return urls.filter((name) => env[name] !== '').map((name) => [name, decodeURIComponent(new URL(env[name]).password)]);
}

const isLoopback = (host: string): boolean =>
  host === 'localhost' || (isIP(host) !== 0 && ipaddr.parse(host).range() === 'loopback');

function productionProblems(env: Settings): string[] {
  const problems: string[] = [];
  for (const [name, password] of passwordsOf(env)) {
    if (PLACEHOLDER.test(password)) problems.push(`${name} has a placeholder password: set a random one`);
  }
  const plain = env.TLS_CERT_FILE === '';
  if (plain && !env.TLS_TERMINATED_BY_PROXY && !isLoopback(env.HOST)) {
    problems.push(
      'HOST is public and HTTPS is off: set TLS_CERT_FILE and TLS_KEY_FILE, or TLS_TERMINATED_BY_PROXY=true behind a proxy',
    );
  }
  if (!env.PUBLIC_URL.startsWith('https://'))
    problems.push('PUBLIC_URL must be the https:// address that browsers use');
  if (env.BCRYPT_COST < 12) problems.push('BCRYPT_COST must be at least 12');
  if (env.SMTP_URL === '') problems.push('SMTP_URL is missing: notices and activation codes have to reach people');
  for (const name of ['DATABASE_URL', 'DATABASE_SEQUENCER_URL', 'DATABASE_AUDITOR_URL'] as const) {
    if (env[name] === '') problems.push(`${name} is missing`);
  }
  return problems;
}

function freeze<T extends object>(value: T): T {
  for (const inner of Object.values(value)) if (typeof inner === 'object' && inner !== null) freeze(inner as object);
  return Object.freeze(value);
}

const limits = (idle: number, absolute: number): SessionLimits => ({
  idleSeconds: idle * 60,
  absoluteSeconds: absolute * 60,
});

/** Reads and checks the configuration; throws {@link ConfigError} with all problems. `demo` is a way to start, not a variable. */
export function loadConfig(source: NodeJS.ProcessEnv = process.env, options: { demo?: boolean } = {}): Config {
  const problems: string[] = [];
  const env = cleanEnv(source, settings, {
    reporter: ({ errors }) => {
      for (const [name, error] of Object.entries(errors)) problems.push(`${name}: ${error.message}`);
    },
  });
  if (problems.length > 0) throw new ConfigError(problems);
  if (env.NODE_ENV === 'production') {
    if (options.demo)
      problems.push('demo makes up people and prints their secrets: it does not run with NODE_ENV=production');
    problems.push(...productionProblems(env));
  }
  if ((env.TLS_CERT_FILE === '') !== (env.TLS_KEY_FILE === ''))
    problems.push('TLS_CERT_FILE and TLS_KEY_FILE go together');
  // Node takes 0 for no limit at all.
  if (!(env.HEADERS_TIMEOUT_SECONDS > 0 && env.HEADERS_TIMEOUT_SECONDS <= env.REQUEST_TIMEOUT_SECONDS))
    problems.push('HEADERS_TIMEOUT_SECONDS must be above 0 and at most REQUEST_TIMEOUT_SECONDS');
  for (const file of [env.TLS_CERT_FILE, env.TLS_KEY_FILE].filter(Boolean)) {
    try {
      readFileSync(file);
    } catch {
      problems.push(`${file} cannot be read`);
    }
  }
  if (problems.length > 0) throw new ConfigError(problems);
  const tls = env.TLS_CERT_FILE === '' ? null : { certFile: env.TLS_CERT_FILE, keyFile: env.TLS_KEY_FILE };
  return freeze({
    production: env.NODE_ENV === 'production',
    demo: options.demo ?? false,
    http: {
      host: env.HOST,
      port: env.PORT,
      publicUrl: (env.PUBLIC_URL || `${tls ? 'https' : 'http'}://${env.HOST}:${env.PORT}`).replace(/\/$/, ''),
      trustedProxies: [...env.TRUSTED_PROXIES],
      tls,
      headersTimeoutMs: env.HEADERS_TIMEOUT_SECONDS * 1000,
      requestTimeoutMs: env.REQUEST_TIMEOUT_SECONDS * 1000,
      bodyLimit: env.BODY_LIMIT_KB * 1024,
      importLimit: env.IMPORT_LIMIT_MB * 1024 * 1024,
      importMaxEntries: env.IMPORT_MAX_ENTRIES,
    },
    database: {
      url: env.DATABASE_URL,
      sequencerUrl: env.DATABASE_SEQUENCER_URL,
      auditorUrl: env.DATABASE_AUDITOR_URL,
      ownerUrl: env.DATABASE_OWNER_URL,
      poolSize: env.DATABASE_POOL_SIZE,
    },
    keyFile: env.KEY_FILE,
    dataDir: env.DATA_DIR,
    hospital: { name: env.HOSPITAL_NAME, mrnSystem: env.MRN_SYSTEM },
    mail: { smtpUrl: env.SMTP_URL, from: env.MAIL_FROM },
    sessions: {
      patient: limits(env.PATIENT_IDLE_MINUTES, env.PATIENT_SESSION_MINUTES),
      staff: limits(env.STAFF_IDLE_MINUTES, env.STAFF_SESSION_MINUTES),
      accessTokenSeconds: env.ACCESS_TOKEN_MINUTES * 60,
    },
    bcryptCost: env.BCRYPT_COST,
    logLevel: env.LOG_LEVEL,
  });
}

/** Nest's token for the {@link Config}. */
export const CONFIG = Symbol('Config');
