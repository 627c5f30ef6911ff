import { describe, expect, it } from '@jest/globals';
import { ConfigError, loadConfig } from './config.js';

const PRODUCTION = {
  NODE_ENV: 'production',
  HOST: '127.0.0.1',
  PUBLIC_URL: 'https://portal.hospital.test',
  DATABASE_URL: 'postgres://app:9fK2mQ7x@db/portico',
  DATABASE_SEQUENCER_URL: 'postgres://seq:9fK2mQ7x@db/portico',
  DATABASE_AUDITOR_URL: 'postgres://aud:9fK2mQ7x@db/portico',
  SMTP_URL: 'smtps://user:9fK2mQ7x@mail',
};

const problemsOf = (env: NodeJS.ProcessEnv, demo = false): string => {
  try {
    loadConfig(env, { demo });
    return '';
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigError);
    return (error as ConfigError).message;
  }
};

describe('loadConfig', () => {
  it('takes a sound production configuration, and freezes it', () => {
    const config = loadConfig(PRODUCTION);
    expect(config.production).toBe(true);
    expect(() => Object.assign(config.http, { port: 1 })).toThrow(TypeError);
  });

  it.each([
    ['a placeholder password', { DATABASE_URL: 'postgres://app:changeme@db/portico' }, 'placeholder'],
    [
      'a placeholder secret of the SMS gateway',
      { SMS_WEBHOOK_URL: 'https://sms.example/send', SMS_WEBHOOK_SECRET: 'changeme-changeme-changeme-changeme' },
      'SMS_WEBHOOK_SECRET is a placeholder',
    ],
    ['plain HTTP on a public interface', { HOST: '0.0.0.0' }, 'HTTPS is off'],
    ['plain HTTP on a public IPv6 interface', { HOST: '::' }, 'HTTPS is off'],
    ['a public address without https', { PUBLIC_URL: 'http://portal.hospital.test' }, 'PUBLIC_URL'],
    ['cheap password hashes', { BCRYPT_COST: '10' }, 'BCRYPT_COST'],
    ['no way to send notices', { SMTP_URL: '' }, 'SMTP_URL'],
    ['no database', { DATABASE_URL: '' }, 'DATABASE_URL'],
    ['uploads without a least rate', { UPLOAD_LEAST_KB_PER_SECOND: '0' }, 'UPLOAD_LEAST_KB_PER_SECOND'],
    ['uploads that never end', { UPLOAD_LONGEST_HOURS: '1000' }, 'UPLOAD_LONGEST_HOURS'],
    ['requests without a limit of time', { REQUEST_TIMEOUT_SECONDS: '0' }, 'REQUEST_TIMEOUT_SECONDS'],
    ['messages in the clear on a public interface', { MLLP_PORT: '2575', MLLP_HOST: '0.0.0.0' }, 'MLLP_TLS is off'],
    ['messages of nobody', { MLLP_PORT: '2575' }, 'HL7_FEEDS_FILE'],
    ['certificates of senders that nobody checks', { MLLP_PORT: '2575', MLLP_TLS: 'mutual' }, 'TLS_CLIENT_CA_FILE'],
    ['messages without a limit', { HL7_LIMIT_MB: '0' }, 'HL7_LIMIT_MB'],
    ['half of a certificate', { TLS_CERT_FILE: '/cert.pem' }, 'go together'],
    [
      'machines that come by certificates which nobody checks',
      { MACHINES_BY_CERTIFICATE: 'true' },
      'TLS_CLIENT_CA_FILE',
    ],
    ['proxies that are not networks', { TRUSTED_PROXIES: 'true' }, 'TRUSTED_PROXIES'],
    ['devices that are remembered too long', { DEVICE_REMEMBER_DAYS: '31' }, 'DEVICE_REMEMBER_DAYS'],
    ['devices that are remembered for part of a day', { DEVICE_REMEMBER_DAYS: '0.5' }, 'DEVICE_REMEMBER_DAYS'],
    ['a network without a limit', { SIGN_IN_FAILURES: '0' }, 'SIGN_IN_FAILURES'],
    [
      'leaked passwords asked for in the clear',
      { BREACH_CHECK_URL: 'http://leaks.example/range/' },
      'BREACH_CHECK_URL',
    ],
    [
      'leaked passwords asked for nowhere',
      { BREACH_CHECK: 'closed', BREACH_CHECK_URL: 'https://leaks.example/range' },
      'must end in /',
    ],
    ['processes that nobody hears', { AUDIT_HEARTBEAT_SECONDS: '0' }, 'AUDIT_HEARTBEAT_SECONDS'],
    ['an intake that is never open', { AUDIT_INBOX_ROWS: '0' }, 'AUDIT_INBOX_ROWS'],
    ['no session for anybody', { MAX_SESSIONS: '0' }, 'MAX_SESSIONS'],
    ['a network without a name', { KNOWN_NETWORKS: '10.0.0.0/8' }, 'KNOWN_NETWORKS'],
    ['a name without a network', { KNOWN_NETWORKS: 'Main campus=everywhere' }, 'KNOWN_NETWORKS'],
    ['all origins', { CORS_ORIGINS: '*' }, 'CORS_ORIGINS'],
    ['an origin without https', { CORS_ORIGINS: 'http://app.hospital.test' }, 'CORS_ORIGINS'],
    ['an origin with a path', { CORS_ORIGINS: 'https://app.hospital.test/' }, 'CORS_ORIGINS'],
    ['a database of another kind', { DATABASE_URL: 'mysql://db' }, 'postgres://'],
  ])('refuses production with %s', (_what, change, word) => {
    expect(problemsOf({ ...PRODUCTION, ...change })).toContain(word);
  });

  it('reads named networks and origins', () => {
    const { sessions, http } = loadConfig({
      ...PRODUCTION,
      KNOWN_NETWORKS: 'Main campus=10.0.0.0/8, Main campus = 2001:db8::/32',
      CORS_ORIGINS: 'https://app.hospital.test, http://localhost:5173',
    });
    expect(sessions.knownNetworks).toEqual([
      { name: 'Main campus', cidr: '10.0.0.0/8' },
      { name: 'Main campus', cidr: '2001:db8::/32' },
    ]);
    expect(http.corsOrigins).toEqual(['https://app.hospital.test', 'http://localhost:5173']);
  });

  it('lets a declared proxy speak HTTPS in front of a public interface', () => {
    expect(problemsOf({ ...PRODUCTION, HOST: '0.0.0.0', TLS_TERMINATED_BY_PROXY: 'true' })).toBe('');
  });

  it('serves metrics only where a port is named, and to this machine unless told otherwise', () => {
    expect(loadConfig(PRODUCTION).metrics).toBeNull();
    expect(loadConfig({ ...PRODUCTION, METRICS_PORT: '9464' }).metrics).toEqual({ host: '127.0.0.1', port: 9464 });
  });

  it('does not run the demo in production', () => {
    expect(problemsOf(PRODUCTION, true)).toContain('demo');
  });

  it('never prints a value', () => {
    expect(problemsOf({ ...PRODUCTION, DATABASE_URL: 'postgres://app:changeme-S3CR3T@db/portico' })).not.toContain(
      'S3CR3T',
    );
  });

  it('names every problem at once', () => {
    const problems = problemsOf({ ...PRODUCTION, HOST: '0.0.0.0', BCRYPT_COST: '4', SMTP_URL: '' });
    for (const name of ['HTTPS', 'BCRYPT_COST', 'SMTP_URL']) expect(problems).toContain(name);
  });
});
