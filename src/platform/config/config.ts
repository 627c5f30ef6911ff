import { cleanEnv } from 'envalid';
import { ROLES, STAFF_ROLES, type Role } from '../access/vocabulary.js';
import { readHl7Feeds, type Hl7Feed } from './hl7-feeds.js';
import { problemsOf } from './problems.js';
import { settings, type Settings } from './settings.js';
import { readSsoProviders, type SsoProvider } from './sso-providers.js';
import { PEOPLE, type FactorRule } from './validators.js';

/** Why the portal does not start: every problem of the configuration at once, each with what to do. */
export class ConfigError extends Error {
  constructor(readonly problems: readonly string[]) {
    super(`The configuration is not usable:\n${problems.map((problem) => `  - ${problem}`).join('\n')}`);
    this.name = 'ConfigError';
  }
}

const LOOPBACK = ['127.0.0.0/8', '::1/128'];

export interface SessionLimits {
  /** Seconds without activity after which the session ends. */
  idleSeconds: number;
  /** Seconds after sign-in at which the session ends. */
  absoluteSeconds: number;
}

export interface MllpConfig {
  readonly host: string;
  readonly port: number;
  readonly tls: 'off' | 'server' | 'mutual';
  readonly maxConnections: number;
  readonly frameMs: number;
  readonly idleMs: number;
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
    /** Machines come in by their certificate alone. */
    readonly machinesByCertificate: boolean;
    readonly headersTimeoutMs: number;
    readonly requestTimeoutMs: number;
    /** What bounds the bodies of routes with `uploads` instead. */
    readonly uploads: { readonly leastBytesPerSecond: number; readonly longestMs: number };
    readonly bodyLimit: number;
    readonly importLimit: number;
    readonly importMaxEntries: number;
    readonly importFileLimit: number;
  };
  /** Of records; bytes, without base64. */
  readonly attachments: { readonly maxBytes: number };
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
  /** Copies of charts: for how many days they lie ready, how large one may be to be mailed (bytes), fonts for further scripts. */
  readonly downloads: { readonly days: number; readonly mailLimit: number; readonly fontFiles: readonly string[] };
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
  /** The audit trail's checkpoints: under which name they are signed, and who else gets them. */
  readonly audit: {
    readonly origin: string;
    /** Longest time between two verifications of what is new. */
    readonly verifySeconds: number;
    /** Between two heartbeats; 0, in tests alone: none. */
    readonly heartbeatSeconds: number;
    /** More events waiting for their place, or waiting for longer: no new request is taken on. */
    readonly inboxRows: number;
    readonly inboxSeconds: number;
    /** Where old blocks go, after so many months; and for how many years they are kept. Null: they stay in the database. */
    readonly archiveDir: string | null;
    readonly hotMonths: number;
    readonly retentionYears: number;
    readonly anchorDir: string | null;
    readonly anchorStore: { readonly url: string; readonly tokenFile: string | null } | null;
    readonly webhook: { readonly url: string; readonly secret: string } | null;
    readonly witnesses: readonly { readonly url: string; readonly name: string; readonly vkey: string }[];
  };
  readonly metrics: { readonly host: string; readonly port: number } | null;
  /** HL7 v2 messages: who may send them, and how. */
  readonly hl7: { readonly feeds: readonly Hl7Feed[]; readonly maxBytes: number; readonly mllp: MllpConfig | null };
  readonly bcryptCost: number;
  readonly logLevel: string;
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

const listed = (text: string): string[] =>
  text
    .split(',')
    .map((one) => one.trim())
    .filter(Boolean);

const limits = (idle: number, absolute: number): SessionLimits => ({
  idleSeconds: idle * 60,
  absoluteSeconds: absolute * 60,
});

function mllpOf(env: Settings): MllpConfig | null {
  if (env.MLLP_PORT === undefined) return null;
  return {
    host: env.MLLP_HOST,
    port: env.MLLP_PORT,
    tls: env.MLLP_TLS,
    maxConnections: env.MLLP_CONNECTIONS,
    frameMs: env.MLLP_FRAME_SECONDS * 1000,
    idleMs: env.MLLP_IDLE_MINUTES * 60_000,
  };
}

/** Reads and checks the configuration; throws {@link ConfigError} with all problems. `demo` is a way to start, not a variable. */
export function loadConfig(source: NodeJS.ProcessEnv = process.env, options: { demo?: boolean } = {}): Config {
  const problems: string[] = [];
  const env = cleanEnv(source, settings, {
    reporter: ({ errors }) => {
      for (const [name, error] of Object.entries(errors)) problems.push(`${name}: ${error.message}`);
    },
  });
  if (problems.length > 0) throw new ConfigError(problems);
  problems.push(...problemsOf(env, options.demo ?? false));
  const ssoProviders = readSsoProviders(env.SSO_PROVIDERS_FILE, env.NODE_ENV === 'test', problems);
  const hl7Feeds = readHl7Feeds(env.HL7_FEEDS_FILE, problems);
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
      machinesByCertificate: env.MACHINES_BY_CERTIFICATE,
      headersTimeoutMs: env.HEADERS_TIMEOUT_SECONDS * 1000,
      requestTimeoutMs: env.REQUEST_TIMEOUT_SECONDS * 1000,
      uploads: {
        leastBytesPerSecond: env.UPLOAD_LEAST_KB_PER_SECOND * 1024,
        longestMs: env.UPLOAD_LONGEST_HOURS * 3_600_000,
      },
      bodyLimit: env.BODY_LIMIT_KB * 1024,
      importLimit: env.IMPORT_LIMIT_MB * 1024 * 1024,
      importMaxEntries: env.IMPORT_MAX_ENTRIES,
      importFileLimit: env.IMPORT_FILE_LIMIT_MB * 1024 * 1024,
    },
    attachments: { maxBytes: env.ATTACHMENT_LIMIT_MB * 1024 * 1024 },
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
    downloads: {
      days: env.DOWNLOAD_DAYS,
      mailLimit: env.TRANSMIT_LIMIT_MB * 1024 * 1024,
      fontFiles: listed(env.CHART_FONT_FILES),
    },
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
    audit: {
      origin: env.AUDIT_ORIGIN || `${URL.canParse(publicUrl) ? new URL(publicUrl).host : env.HOST}/audit`,
      verifySeconds: env.AUDIT_VERIFY_MINUTES * 60,
      heartbeatSeconds: env.AUDIT_HEARTBEAT_SECONDS,
      inboxRows: env.AUDIT_INBOX_ROWS,
      inboxSeconds: env.AUDIT_INBOX_MINUTES * 60,
      archiveDir: env.AUDIT_ARCHIVE_DIR || null,
      hotMonths: env.AUDIT_HOT_MONTHS,
      retentionYears: env.AUDIT_RETENTION_YEARS,
      anchorDir: env.AUDIT_ANCHOR_DIR || null,
      anchorStore:
        env.AUDIT_ANCHOR_URL === ''
          ? null
          : { url: env.AUDIT_ANCHOR_URL.replace(/\/$/, ''), tokenFile: env.AUDIT_ANCHOR_TOKEN_FILE || null },
      webhook: env.AUDIT_WEBHOOK_URL === '' ? null : { url: env.AUDIT_WEBHOOK_URL, secret: env.AUDIT_WEBHOOK_SECRET },
      witnesses: [...env.AUDIT_WITNESSES],
    },
    metrics: env.METRICS_PORT === undefined ? null : { host: env.METRICS_HOST, port: env.METRICS_PORT },
    hl7: { feeds: hl7Feeds, maxBytes: env.HL7_LIMIT_MB * 1024 * 1024, mllp: mllpOf(env) },
    bcryptCost: env.BCRYPT_COST,
    logLevel: env.LOG_LEVEL,
  });
}

/** Nest's token for the {@link Config}. */
export const CONFIG = Symbol('Config');
