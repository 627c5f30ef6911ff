import { readFileSync } from 'node:fs';
import type { Settings } from './settings.js';
import { isLoopback } from './validators.js';

const PLACEHOLDER = /change-?me|placeholder|example-secret|your-|<.*>|^(postgres|password|secret)$/i;

function passwordsOf(env: Settings): [string, string][] {
  const urls = ['DATABASE_URL', 'DATABASE_SEQUENCER_URL', 'DATABASE_AUDITOR_URL', 'SMTP_URL'] as const;
  return urls.filter((name) => env[name] !== '').map((name) => [name, decodeURIComponent(new URL(env[name]).password)]);
}

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
  for (const name of ['SMS_WEBHOOK_SECRET', 'AUDIT_WEBHOOK_SECRET'] as const) {
    if (PLACEHOLDER.test(env[name])) problems.push(`${name} is a placeholder: set a random one`);
  }
  const plain = env.TLS_CERT_FILE === '';
  if (plain && !env.TLS_TERMINATED_BY_PROXY && !isLoopback(env.HOST)) {
    problems.push(
      'HOST is public and HTTPS is off: set TLS_CERT_FILE and TLS_KEY_FILE, or TLS_TERMINATED_BY_PROXY=true behind a proxy',
    );
  }
  if (env.MLLP_PORT !== undefined && env.MLLP_TLS === 'off' && !isLoopback(env.MLLP_HOST))
    problems.push(
      'MLLP_HOST is public and MLLP_TLS is off: set it to mutual, or let a proxy on this machine speak TLS',
    );
  if (!env.PUBLIC_URL.startsWith('https://'))
    problems.push('PUBLIC_URL must be the https:// address that browsers use');
  if (env.BCRYPT_COST < 12) problems.push('BCRYPT_COST must be at least 12');
  if (env.SMTP_URL === '') problems.push('SMTP_URL is missing: notices and activation codes have to reach people');
  for (const name of ['DATABASE_URL', 'DATABASE_SEQUENCER_URL', 'DATABASE_AUDITOR_URL'] as const) {
    if (env[name] === '') problems.push(`${name} is missing`);
  }
  return problems;
}

function hl7Problems(env: Settings): string[] {
  const problems: string[] = [];
  if (!(env.HL7_LIMIT_MB > 0 && env.HL7_LIMIT_MB <= 256)) problems.push('HL7_LIMIT_MB must be above 0 and at most 256');
  if (env.MLLP_PORT === undefined) return problems;
  if (env.HL7_FEEDS_FILE === '') problems.push('MLLP_PORT needs HL7_FEEDS_FILE: no message would be taken');
  if (env.MLLP_TLS !== 'off' && env.TLS_CERT_FILE === '')
    problems.push('MLLP_TLS needs TLS_CERT_FILE and TLS_KEY_FILE');
  if (env.MLLP_TLS === 'mutual' && env.TLS_CLIENT_CA_FILE === '')
    problems.push('MLLP_TLS=mutual needs TLS_CLIENT_CA_FILE: no certificate would count');
  for (const name of ['MLLP_CONNECTIONS', 'MLLP_FRAME_SECONDS', 'MLLP_IDLE_MINUTES'] as const)
    if (!(env[name] >= 1)) problems.push(`${name} must be at least 1`);
  return problems;
}

/** What is wrong with settings that are each well-formed: what is missing beside another, out of bounds, or not for production. */
export function problemsOf(env: Settings, isDemo: boolean): string[] {
  const problems: string[] = [];
  if (env.NODE_ENV === 'production') {
    if (isDemo)
      problems.push('demo makes up people and prints their secrets: it does not run with NODE_ENV=production');
    problems.push(...productionProblems(env));
  }
  if ((env.TLS_CERT_FILE === '') !== (env.TLS_KEY_FILE === ''))
    problems.push('TLS_CERT_FILE and TLS_KEY_FILE go together');
  if (env.TLS_CLIENT_CA_FILE !== '' && env.TLS_CERT_FILE === '')
    problems.push('TLS_CLIENT_CA_FILE needs TLS_CERT_FILE: behind a proxy, the proxy checks certificates');
  if (env.TLS_CLIENT_CERT_HEADER !== '' && env.TRUSTED_PROXIES.length === 0)
    problems.push('TLS_CLIENT_CERT_HEADER needs TRUSTED_PROXIES: from anybody else it would be a forgery');
  if (env.MACHINES_BY_CERTIFICATE && env.TLS_CLIENT_CA_FILE === '' && env.TLS_CLIENT_CERT_HEADER === '')
    problems.push(
      'MACHINES_BY_CERTIFICATE needs TLS_CLIENT_CA_FILE or TLS_CLIENT_CERT_HEADER: no machine could come in',
    );
  problems.push(...hl7Problems(env));
  if (env.SMS_WEBHOOK_URL !== '' && env.SMS_WEBHOOK_SECRET.length < 32)
    problems.push('SMS_WEBHOOK_SECRET must have at least 32 characters where SMS_WEBHOOK_URL is set');
  if (!(env.AUDIT_VERIFY_MINUTES >= 1 && env.AUDIT_VERIFY_MINUTES <= 1440))
    problems.push('AUDIT_VERIFY_MINUTES must be from 1 to 1440');
  // 45 CFR 164.316(b)(2)(i): six years.
  if (!(
    Number.isInteger(env.AUDIT_RETENTION_YEARS) &&
    env.AUDIT_RETENTION_YEARS >= 6 &&
    env.AUDIT_RETENTION_YEARS <= 100
  ))
    problems.push('AUDIT_RETENTION_YEARS must be a whole number from 6 to 100');
  if (!(
    Number.isInteger(env.AUDIT_HOT_MONTHS) &&
    env.AUDIT_HOT_MONTHS >= 1 &&
    env.AUDIT_HOT_MONTHS < 12 * env.AUDIT_RETENTION_YEARS
  ))
    problems.push('AUDIT_HOT_MONTHS must be a whole number of 1 or more, and less than AUDIT_RETENTION_YEARS');
  const isBeating = env.AUDIT_HEARTBEAT_SECONDS >= 10 && env.AUDIT_HEARTBEAT_SECONDS <= 300;
  if (!isBeating && !(env.NODE_ENV === 'test' && env.AUDIT_HEARTBEAT_SECONDS === 0))
    problems.push('AUDIT_HEARTBEAT_SECONDS must be from 10 to 300');
  if (!(env.AUDIT_INBOX_ROWS >= 1)) problems.push('AUDIT_INBOX_ROWS must be at least 1');
  if (!(env.AUDIT_INBOX_MINUTES >= 1)) problems.push('AUDIT_INBOX_MINUTES must be at least 1');
  if (env.AUDIT_WEBHOOK_URL !== '' && env.AUDIT_WEBHOOK_SECRET.length < 32)
    problems.push('AUDIT_WEBHOOK_SECRET must have at least 32 characters where AUDIT_WEBHOOK_URL is set');
  if (new Set(env.AUDIT_WITNESSES.map(({ name }) => name)).size !== env.AUDIT_WITNESSES.length)
    problems.push('AUDIT_WITNESSES names a witness twice');
  if (env.SSO_RETURN_URL !== '' && !isPageOf(env.SSO_RETURN_URL, env.NODE_ENV === 'production'))
    problems.push('SSO_RETURN_URL must be an https:// address without query and fragment');
  if (!(Number.isInteger(env.DEVICE_REMEMBER_DAYS) && env.DEVICE_REMEMBER_DAYS >= 0 && env.DEVICE_REMEMBER_DAYS <= 30))
    problems.push('DEVICE_REMEMBER_DAYS must be a whole number from 0 to 30');
  if (!(Number.isInteger(env.SIGN_IN_FAILURES) && env.SIGN_IN_FAILURES >= 5))
    problems.push('SIGN_IN_FAILURES must be a whole number of 5 or more');
  if (env.BREACH_CHECK !== 'off' && !env.BREACH_CHECK_URL.endsWith('/'))
    problems.push('BREACH_CHECK_URL must end in /, behind which the digits are put');
  if (!(env.ATTACHMENT_LIMIT_MB > 0)) problems.push('ATTACHMENT_LIMIT_MB must be above 0');
  if (!(Number.isInteger(env.DOWNLOAD_DAYS) && env.DOWNLOAD_DAYS >= 1 && env.DOWNLOAD_DAYS <= 30))
    problems.push('DOWNLOAD_DAYS must be a whole number from 1 to 30');
  if (!(env.TRANSMIT_LIMIT_MB >= 1 && env.TRANSMIT_LIMIT_MB <= 50))
    problems.push('TRANSMIT_LIMIT_MB must be from 1 to 50');
  if (!(env.MAX_SESSIONS >= 1)) problems.push('MAX_SESSIONS must be at least 1');
  // Node takes 0 for no limit at all.
  if (!(env.HEADERS_TIMEOUT_SECONDS > 0 && env.HEADERS_TIMEOUT_SECONDS <= env.REQUEST_TIMEOUT_SECONDS))
    problems.push('HEADERS_TIMEOUT_SECONDS must be above 0 and at most REQUEST_TIMEOUT_SECONDS');
  if (!(env.UPLOAD_LEAST_KB_PER_SECOND > 0)) problems.push('UPLOAD_LEAST_KB_PER_SECOND must be above 0');
  if (!(env.UPLOAD_LONGEST_HOURS > 0 && env.UPLOAD_LONGEST_HOURS <= 168))
    problems.push('UPLOAD_LONGEST_HOURS must be above 0 and at most 168');
  for (const file of [
    env.TLS_CERT_FILE,
    env.TLS_KEY_FILE,
    env.TLS_CLIENT_CA_FILE,
    env.LETTER_FONT_FILE,
    ...env.CHART_FONT_FILES.split(',').map((file) => file.trim()),
    env.PLACES_FILE,
    env.AUDIT_ANCHOR_TOKEN_FILE,
  ].filter(Boolean)) {
    try {
      readFileSync(file);
    } catch {
      problems.push(`${file} cannot be read`);
    }
  }
  return problems;
}
