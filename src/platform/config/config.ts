import { readFileSync } from 'node:fs';
import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';
import { ROLES, STAFF_ROLES, type Role } from '../access/vocabulary.js';
import { bool, cleanEnv, makeValidator, num, str, type CleanedEnv } from 'envalid';
import { readSsoProviders, type SsoProvider } from './sso-providers.js';

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

const httpsUrl = makeValidator<string>((input) => {
  if (input === '') return input;
  const url = new URL(input);
  if (url.protocol !== 'https:' && !isLoopback(url.hostname)) throw new Error('must begin with https://');
  return input;
});

/** `Main campus=10.0.0.0/8,Ward 7=192.0.2.0/24`; a name may stand several times. */
const namedNetworks = makeValidator<{ name: string; cidr: string }[]>((input) =>
  input
    .split(',')
    .map((part) => part.trim())
    .filter(Boolean)
    .map((part) => {
      const [, name, cidr] = /^([^=]{1,60})=([^=]+)$/.exec(part) ?? [];
      if (!name?.trim() || !cidr) throw new Error('must be name=network, such as Main campus=10.0.0.0/8');
      ipaddr.parseCIDR(cidr.trim());
      return { name: name.trim(), cidr: cidr.trim() };
    }),
);

/** Exact origins: scheme, host and port, nothing behind. */
const origins = makeValidator<string[]>((input) => {
  const list = input.split(',').map((part) => part.trim());
  for (const part of list.filter(Boolean)) {
    const url = URL.canParse(part) ? new URL(part) : null;
    if (url?.origin !== part) throw new Error('must be origins such as https://app.hospital.example, without a path');
    if (url.protocol !== 'https:' && !isLoopback(url.hostname)) throw new Error('must begin with https://');
  }
  return list.filter(Boolean);
});

/** Of a website, or what Android says in place of one for an app (base64url of the SHA-256 of its certificate). */
const appOrigins = makeValidator<string[]>((input) => {
  const list = input
    .split(',')
    .map((part) => part.trim())
    .filter(Boolean);
  const isOrigin = (part: string): boolean => part.startsWith('https://') && new URL(part).origin === part;
  if (!list.every((part) => /^android:apk-key-hash:[\w-]{43}$/.test(part) || isOrigin(part)))
    throw new Error('must be https://host or android:apk-key-hash:<base64url of SHA-256>');
  return list;
});

/** `optional`: asked for where somebody has one; `required`: everybody must; the last: one that cannot be phished (a passkey). */
const FACTOR_RULES = ['optional', 'required', 'required_phishing_resistant'] as const;
export type FactorRule = (typeof FACTOR_RULES)[number];

/** Roles of persons; an account of a feed has nobody who could show a factor. */
const PEOPLE: readonly Role[] = ['patient', 'proxy', ...STAFF_ROLES];

const factorRules = makeValidator<[Role, FactorRule][]>((input) => {
  const entries = input
    .split(',')
    .map((part) => part.trim())
    .filter(Boolean)
    .map((part) => part.split(':'));
  for (const [role, rule, ...more] of entries) {
    if (more.length > 0 || !PEOPLE.includes(role as Role))
      throw new Error(`role:rule with one of ${PEOPLE.join(', ')}`);
    if (!FACTOR_RULES.includes(rule as FactorRule)) throw new Error(`the rule must be ${FACTOR_RULES.join(', ')}`);
    if (rule === 'optional' && STAFF_ROLES.includes(role as Role)) throw new Error('staff need a second factor');
  }
  return entries as [Role, FactorRule][];
});

/** `Portal Clinicians=clinician,Portal Desk=staff`; a group may stand several times. Roles of staff only, and `admin` only where it is written. */
const groupRoles = makeValidator<[string, Role][]>((input) =>
  input
    .split(',')
    .map((part) => part.trim())
    .filter(Boolean)
    .map((part) => {
      const at = part.lastIndexOf('=');
      const [group, role] = [part.slice(0, at).trim(), part.slice(at + 1).trim()];
      if (at < 1 || group === '' || !STAFF_ROLES.includes(role as Role))
        throw new Error(`must be group=role with one of ${STAFF_ROLES.join(', ')}`);
      return [group, role as Role];
    }),
);

const returnPaths = makeValidator<string[]>((input) => {
  const list = input
    .split(',')
    .map((part) => part.trim())
    .filter(Boolean);
  if (!list.every((path) => /^\/([\w.~-]+\/)*([\w.~-]+|\*)?$/.test(path)))
    throw new Error('must be paths such as /records or /charts/*');
  return list;
});

const LOOPBACK = ['127.0.0.0/8', '::1/128'];

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
  TLS_CLIENT_CA_FILE: str({
    default: '',
    desc: "PEM certificates of the authorities whose clients' certificates count (mutual TLS of service accounts); read again on SIGHUP",
  }),
  TLS_CLIENT_CERT_HEADER: str({
    default: '',
    desc: 'header in which a trusted proxy hands over a certificate that it has checked: RFC 9440 (Client-Cert), or percent-encoded PEM as of nginx. The proxy must take it away from what clients send',
  }),
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
  LETTER_PAPER: str({ choices: ['A4', 'LETTER'], default: 'A4', desc: 'paper of activation letters' }),
  LETTER_FONT_FILE: str({
    default: '',
    desc: "TrueType or OpenType font that is embedded in letters; needed where the hospital's name has letters beyond Latin-1",
  }),
  SMTP_URL: str({
    default: '',
    desc: 'smtps://user:password@host; empty: notices go to the mailbox folder (not in production)',
  }),
  MAIL_FROM: str({ default: 'portal@hospital.example.org', desc: 'sender of notices' }),
  MFA_PATIENT: str({
    choices: FACTOR_RULES,
    default: 'optional',
    desc: `second factor of patients and their proxies: ${FACTOR_RULES.join(', ')}`,
  }),
  MFA_STAFF: str({
    choices: FACTOR_RULES.slice(1),
    default: 'required',
    desc: `second factor of staff: ${FACTOR_RULES.slice(1).join(' or ')}`,
  }),
  MFA_POLICY: factorRules({
    default: [],
    desc: 'the same for single roles, such as clinician:required,admin:required_phishing_resistant; the strictest of the roles of a person counts',
  }),
  WEBAUTHN_ORIGINS: appOrigins({
    default: [],
    desc: 'comma-separated origins, beside that of PUBLIC_URL, whose passkeys are taken: https://app.hospital.example, android:apk-key-hash:…',
  }),
  SMS_FACTOR: str({
    choices: ['off', 'patients', 'everybody'],
    default: 'patients',
    desc: 'who may receive sign-in codes by text message, a restricted factor; in production nobody unless SMS_WEBHOOK_URL is set',
  }),
  SMS_WEBHOOK_URL: httpsUrl({
    default: '',
    desc: 'https:// address of the gateway that sends text messages; gets POST {to, text}. Empty: they go to the mailbox folder (not in production)',
  }),
  SMS_WEBHOOK_SECRET: str({
    default: '',
    desc: 'secret (32 characters or more) of the HMAC-SHA-256 in X-Portico-Signature by which the gateway knows us',
  }),
  SSO_PROVIDERS_FILE: str({
    default: '',
    desc: 'JSON list of identity providers for single sign-on (OpenID Connect); empty: none. See src/modules/auth/README.md',
  }),
  SSO_RETURN_URL: str({
    default: '',
    desc: 'page of the front end that people come back to after single sign-on. Default: PUBLIC_URL/sign-in',
  }),
  SSO_RETURN_PATHS: returnPaths({
    default: ['/'],
    desc: 'comma-separated paths of the front end that a sign-in may lead on to; /charts/* means all below /charts',
  }),
  SCIM_GROUP_ROLES: groupRoles({
    default: [],
    desc: "roles that groups of the hospital's directory give to their members (SCIM): Portal Clinicians=clinician,Portal Desk=staff",
  }),
  SCIM_INVITATIONS: bool({
    default: true,
    desc: 'whom the directory brings in gets an activation code by mail; false: administrators hand out the codes',
  }),
  PATIENT_IDLE_MINUTES: minutes(15, 'automatic logout of patients after inactivity'),
  PATIENT_SESSION_MINUTES: minutes(12 * 60, 'longest session of patients'),
  STAFF_IDLE_MINUTES: minutes(15, 'automatic logout of staff after inactivity'),
  STAFF_SESSION_MINUTES: minutes(8 * 60, 'longest session of staff'),
  ACCESS_TOKEN_MINUTES: minutes(5, 'life of an access token'),
  MAX_SESSIONS: num({
    default: 10,
    desc: 'most sessions of one account at a time; a sign-in beyond it ends the one that was idle longest',
  }),
  KNOWN_NETWORKS: namedNetworks({
    default: [],
    desc: "names that people see in place of a country for the hospital's own networks: Main campus=10.0.0.0/8,Ward 7=192.0.2.0/24",
  }),
  PLACES_FILE: str({
    default: '',
    desc: 'MMDB file of the countries of network addresses, such as a newer one than the one that comes along; words in the list of sessions come from it',
  }),
  CORS_ORIGINS: origins({
    default: [],
    desc: 'comma-separated origins of front ends that are served elsewhere and use bearer tokens; none by default',
  }),
  DEVICE_REMEMBER_DAYS: num({
    default: 30,
    desc: 'days that a patient may have a device remembered, so that it is not asked for the second factor: 0 (never) to 30',
  }),
  SIGN_IN_FAILURES: num({
    default: 100,
    desc: 'failed sign-ins in 15 minutes that one network address (IPv6: one /64) has free, a hundred times as many in KNOWN_NETWORKS and on this machine; from then on its tries wait',
  }),
  BREACH_CHECK: str({
    choices: ['off', 'open', 'closed'],
    default: 'off',
    desc: 'are new passwords looked up among leaked ones? Five hexadecimal digits of their SHA-1 leave the hospital. When nobody answers: open takes the password, closed refuses it for now',
  }),
  BREACH_CHECK_URL: httpsUrl({
    default: 'https://api.pwnedpasswords.com/range/',
    desc: 'whom BREACH_CHECK asks; the digits are put behind it',
  }),
  LOST_FACTOR_WAIT_HOURS: num({
    default: 24,
    desc: 'how long (hours) a patient who lost the second factor, and has no recovery code, waits for the mailed code; the holder can stop it meanwhile. 0: no wait',
  }),
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
    readonly corsOrigins: readonly string[];
    readonly tls: { readonly certFile: string; readonly keyFile: string; readonly clientCaFile: string | null } | null;
    /** Lower case; null: no proxy hands certificates over. */
    readonly clientCertHeader: string | null;
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
  readonly letters: { readonly paper: 'A4' | 'LETTER'; readonly fontFile: string | null };
  readonly mail: { readonly smtpUrl: string; readonly from: string };
  readonly mfa: {
    readonly byRole: Readonly<Record<Role, FactorRule>>;
    readonly sms: 'off' | 'patients' | 'everybody';
    /** Beside that of PUBLIC_URL. */
    readonly webauthnOrigins: readonly string[];
  };
  readonly sms: { readonly webhookUrl: string; readonly webhookSecret: string };
  readonly sso: {
    readonly providers: readonly SsoProvider[];
    readonly returnUrl: string;
    /** Paths that a sign-in may lead on to; one that ends in `/*` stands for all below it. */
    readonly returnPaths: readonly string[];
  };
  readonly scim: { readonly groupRoles: readonly (readonly [string, Role])[]; readonly invites: boolean };
  readonly sessions: {
    readonly patient: SessionLimits;
    readonly staff: SessionLimits;
    readonly accessTokenSeconds: number;
    readonly maxPerAccount: number;
    readonly knownNetworks: readonly { readonly name: string; readonly cidr: string }[];
    /** Countries of addresses; '' for the file that comes along. */
    readonly placesFile: string;
  };
  readonly devices: { readonly rememberDays: number };
  readonly throttling: {
    /** Failed sign-ins that a network has free in a window. */
    readonly failures: number;
    /** CIDRs where many people share few addresses. */
    readonly ownNetworks: readonly string[];
  };
  readonly passwords: { readonly breachCheck: 'off' | 'open' | 'closed'; readonly breachCheckUrl: string };
  readonly recovery: { readonly lostFactorWaitSeconds: number };
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

function isPageOf(address: string, isProduction: boolean): boolean {
  if (!URL.canParse(address)) return false;
  const { protocol, search, hash } = new URL(address);
  return (protocol === 'https:' || (protocol === 'http:' && !isProduction)) && search === '' && hash === '';
}

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

function factorRuleByRole(env: Settings): Record<Role, FactorRule> {
  const own = new Map(env.MFA_POLICY);
  const ruleOf = (role: Role): FactorRule => {
    if (!PEOPLE.includes(role)) return 'optional';
    return own.get(role) ?? (STAFF_ROLES.includes(role) ? env.MFA_STAFF : env.MFA_PATIENT);
  };
  return Object.fromEntries(ROLES.map((role) => [role, ruleOf(role)])) as Record<Role, FactorRule>;
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
  if (env.TLS_CLIENT_CA_FILE !== '' && env.TLS_CERT_FILE === '')
    problems.push('TLS_CLIENT_CA_FILE needs TLS_CERT_FILE: behind a proxy, the proxy checks certificates');
  if (env.TLS_CLIENT_CERT_HEADER !== '' && env.TRUSTED_PROXIES.length === 0)
    problems.push('TLS_CLIENT_CERT_HEADER needs TRUSTED_PROXIES: from anybody else it would be a forgery');
  if (env.SMS_WEBHOOK_URL !== '' && env.SMS_WEBHOOK_SECRET.length < 32)
    problems.push('SMS_WEBHOOK_SECRET must have at least 32 characters where SMS_WEBHOOK_URL is set');
  const ssoProviders = readSsoProviders(env.SSO_PROVIDERS_FILE, env.NODE_ENV === 'test', problems);
  if (env.SSO_RETURN_URL !== '' && !isPageOf(env.SSO_RETURN_URL, env.NODE_ENV === 'production'))
    problems.push('SSO_RETURN_URL must be an https:// address without query and fragment');
  if (!(Number.isInteger(env.DEVICE_REMEMBER_DAYS) && env.DEVICE_REMEMBER_DAYS >= 0 && env.DEVICE_REMEMBER_DAYS <= 30))
    problems.push('DEVICE_REMEMBER_DAYS must be a whole number from 0 to 30');
  if (!(Number.isInteger(env.SIGN_IN_FAILURES) && env.SIGN_IN_FAILURES >= 5))
    problems.push('SIGN_IN_FAILURES must be a whole number of 5 or more');
  if (env.BREACH_CHECK !== 'off' && !env.BREACH_CHECK_URL.endsWith('/'))
    problems.push('BREACH_CHECK_URL must end in /, behind which the digits are put');
  if (!(env.MAX_SESSIONS >= 1)) problems.push('MAX_SESSIONS must be at least 1');
  // Node takes 0 for no limit at all.
  if (!(env.HEADERS_TIMEOUT_SECONDS > 0 && env.HEADERS_TIMEOUT_SECONDS <= env.REQUEST_TIMEOUT_SECONDS))
    problems.push('HEADERS_TIMEOUT_SECONDS must be above 0 and at most REQUEST_TIMEOUT_SECONDS');
  for (const file of [
    env.TLS_CERT_FILE,
    env.TLS_KEY_FILE,
    env.TLS_CLIENT_CA_FILE,
    env.LETTER_FONT_FILE,
    env.PLACES_FILE,
  ].filter(Boolean)) {
    try {
      readFileSync(file);
    } catch {
      problems.push(`${file} cannot be read`);
    }
  }
  if (problems.length > 0) throw new ConfigError(problems);
  const tls =
    env.TLS_CERT_FILE === ''
      ? null
      : { certFile: env.TLS_CERT_FILE, keyFile: env.TLS_KEY_FILE, clientCaFile: env.TLS_CLIENT_CA_FILE || null };
  const publicUrl = (env.PUBLIC_URL || `${tls ? 'https' : 'http'}://${env.HOST}:${env.PORT}`).replace(/\/$/, '');
  return freeze({
    production: env.NODE_ENV === 'production',
    demo: options.demo ?? false,
    http: {
      host: env.HOST,
      port: env.PORT,
      publicUrl,
      trustedProxies: [...env.TRUSTED_PROXIES],
      corsOrigins: [...env.CORS_ORIGINS],
      tls,
      clientCertHeader: env.TLS_CLIENT_CERT_HEADER.toLowerCase() || null,
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
    letters: { paper: env.LETTER_PAPER, fontFile: env.LETTER_FONT_FILE || null },
    mail: { smtpUrl: env.SMTP_URL, from: env.MAIL_FROM },
    mfa: {
      byRole: factorRuleByRole(env),
      sms: env.NODE_ENV === 'production' && env.SMS_WEBHOOK_URL === '' ? 'off' : env.SMS_FACTOR,
      webauthnOrigins: [...env.WEBAUTHN_ORIGINS],
    },
    sms: { webhookUrl: env.SMS_WEBHOOK_URL, webhookSecret: env.SMS_WEBHOOK_SECRET },
    sso: {
      providers: ssoProviders,
      returnUrl: env.SSO_RETURN_URL || `${publicUrl}/sign-in`,
      returnPaths: [...env.SSO_RETURN_PATHS],
    },
    scim: { groupRoles: [...env.SCIM_GROUP_ROLES], invites: env.SCIM_INVITATIONS },
    sessions: {
      patient: limits(env.PATIENT_IDLE_MINUTES, env.PATIENT_SESSION_MINUTES),
      staff: limits(env.STAFF_IDLE_MINUTES, env.STAFF_SESSION_MINUTES),
      accessTokenSeconds: env.ACCESS_TOKEN_MINUTES * 60,
      maxPerAccount: env.MAX_SESSIONS,
      knownNetworks: [...env.KNOWN_NETWORKS],
      placesFile: env.PLACES_FILE,
    },
    devices: { rememberDays: env.DEVICE_REMEMBER_DAYS },
    throttling: {
      failures: env.SIGN_IN_FAILURES,
      ownNetworks: [...LOOPBACK, ...env.KNOWN_NETWORKS.map(({ cidr }) => cidr)],
    },
    passwords: { breachCheck: env.BREACH_CHECK, breachCheckUrl: env.BREACH_CHECK_URL },
    recovery: { lostFactorWaitSeconds: Math.max(0, env.LOST_FACTOR_WAIT_HOURS) * 3600 },
    bcryptCost: env.BCRYPT_COST,
    logLevel: env.LOG_LEVEL,
  });
}

/** Nest's token for the {@link Config}. */
export const CONFIG = Symbol('Config');
