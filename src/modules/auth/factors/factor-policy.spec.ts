import { describe, expect, it } from '@jest/globals';
import type { Role } from '../../../platform/access/vocabulary.js';
import { loadConfig } from '../../../platform/config/config.js';
import { FactorPolicy, nextStep, offeredOf, type Holding } from './factor-policy.js';
import type { MfaMethod, Proof } from './factor.js';

const policy = (env: Record<string, string> = {}) => new FactorPolicy(loadConfig({ NODE_ENV: 'test', ...env }));
const roles = (...of: Role[]): ReadonlySet<Role> => new Set(of);

describe('the rule of a person', () => {
  it('is by default optional for patients and required for staff', () => {
    expect(policy().ruleOf(roles('patient'))).toBe('optional');
    expect(policy().ruleOf(roles('proxy'))).toBe('optional');
    for (const role of ['clinician', 'staff', 'records_officer', 'compliance_officer', 'admin'] as const)
      expect(policy().ruleOf(roles(role))).toBe('required');
    expect(policy().ruleOf(roles())).toBe('optional');
  });

  it('is that of single roles where it is set, and the strictest of all that they hold', () => {
    const mixed = policy({
      MFA_PATIENT: 'required',
      MFA_POLICY: 'proxy:optional, admin:required_phishing_resistant',
    });
    expect(mixed.ruleOf(roles('proxy'))).toBe('optional');
    expect(mixed.ruleOf(roles('proxy', 'patient'))).toBe('required');
    expect(mixed.ruleOf(roles('clinician'))).toBe('required');
    expect(mixed.ruleOf(roles('patient', 'clinician', 'admin'))).toBe('required_phishing_resistant');
  });

  it('asks nothing of a feed, which has nobody who could show a factor', () => {
    expect(policy({ MFA_PATIENT: 'required', MFA_STAFF: 'required' }).ruleOf(roles('integration'))).toBe('optional');
  });

  it.each<Record<string, string>>([
    { MFA_STAFF: 'optional' },
    { MFA_POLICY: 'admin:optional' },
    { MFA_POLICY: 'integration:required' },
    { MFA_POLICY: 'nobody:required' },
    { MFA_POLICY: 'patient:sometimes' },
    { MFA_POLICY: 'patient' },
    { MFA_POLICY: 'patient:required:more' },
    { MFA_PATIENT: 'never' },
    { SMS_FACTOR: 'staff' },
    { WEBAUTHN_ORIGINS: 'http://portal.example' },
    { WEBAUTHN_ORIGINS: 'https://portal.example/path' },
    { WEBAUTHN_ORIGINS: 'android:apk-key-hash:short' },
  ])('is refused as %j', (env) => {
    expect(() => policy(env)).toThrow();
  });

  it('decides how long a password must be', () => {
    expect(policy().leastPasswordOf(roles('patient'))).toBe(15);
    expect(policy().leastPasswordOf(roles('staff'))).toBe(8);
    expect(policy({ MFA_PATIENT: 'required' }).leastPasswordOf(roles('patient'))).toBe(8);
    expect(policy().leastPasswordOf(roles('integration'))).toBe(15);
  });
});

describe('text messages', () => {
  it.each([
    ['off', 'patient', false],
    ['off', 'staff', false],
    ['patients', 'patient', true],
    ['patients', 'proxy', true],
    ['patients', 'staff', false],
    ['everybody', 'staff', true],
  ] as const)('SMS_FACTOR=%s, %s: %s', (SMS_FACTOR, role, isAllowed) => {
    expect(policy({ SMS_FACTOR }).allows(roles(role), 'sms')).toBe(isAllowed);
    expect(policy({ SMS_FACTOR }).available(roles(role)).includes('sms')).toBe(isAllowed);
  });

  it('are nothing for a patient who is staff too', () => {
    expect(policy().allows(roles('patient', 'clinician'), 'sms')).toBe(false);
  });

  it('reach nobody in production without a gateway', () => {
    const production = {
      NODE_ENV: 'production',
      PUBLIC_URL: 'https://portal.hospital.test',
      DATABASE_URL: 'postgres://app:9fK2mQ7x@db/portico',
      DATABASE_SEQUENCER_URL: 'postgres://seq:9fK2mQ7x@db/portico',
      DATABASE_AUDITOR_URL: 'postgres://aud:9fK2mQ7x@db/portico',
      SMTP_URL: 'smtps://user:9fK2mQ7x@mail',
    };
    const gateway = { SMS_WEBHOOK_URL: 'https://sms.test/send', SMS_WEBHOOK_SECRET: 'k'.repeat(32) };
    expect(policy(production).allows(roles('patient'), 'sms')).toBe(false);
    expect(policy({ ...production, ...gateway }).allows(roles('patient'), 'sms')).toBe(true);
    expect(() => policy({ ...production, ...gateway, SMS_WEBHOOK_SECRET: 'short' })).toThrow('SMS_WEBHOOK_SECRET');
    expect(() => policy({ ...production, ...gateway, SMS_WEBHOOK_URL: 'http://sms.test' })).toThrow('SMS_WEBHOOK_URL');
  });
});

const PASSWORD: Proof = { amr: ['pwd'], isPhishingResistant: false };
const WITH_CODE: Proof = { amr: ['pwd', 'otp', 'mfa'], isPhishingResistant: false };
const WITH_PASSKEY: Proof = { amr: ['pwd', 'hwk', 'user', 'mfa'], isPhishingResistant: true };
const holding = (rule: Holding['rule'], held: MfaMethod[], allowed = held): Holding => ({ rule, held, allowed });

describe('nextStep', () => {
  const strict = 'required_phishing_resistant';
  it.each<[string, Holding, Proof, 'open' | 'show' | 'enrol']>([
    ['optional, nothing held', holding('optional', []), PASSWORD, 'open'],
    ['optional, something held', holding('optional', ['totp', 'recovery_code']), PASSWORD, 'show'],
    ['required, nothing held', holding('required', []), PASSWORD, 'enrol'],
    ['required, something held', holding('required', ['totp']), PASSWORD, 'show'],
    ['strict, nothing held', holding(strict, []), PASSWORD, 'enrol'],
    ['strict, only an app held: that first', holding(strict, ['totp']), PASSWORD, 'show'],
    ['required, code shown', holding('required', ['totp']), WITH_CODE, 'open'],
    ['strict, code shown, no passkey', holding(strict, ['totp']), WITH_CODE, 'enrol'],
    ['strict, code shown, passkey held', holding(strict, ['passkey', 'totp']), WITH_CODE, 'show'],
    ['strict, passkey shown', holding(strict, ['passkey', 'totp']), WITH_PASSKEY, 'open'],
    ['strict, passkey alone', holding(strict, ['passkey']), { ...WITH_PASSKEY, amr: ['hwk', 'user', 'mfa'] }, 'open'],
    ['required, only messages held that staff may not use', holding('required', ['sms'], []), WITH_CODE, 'enrol'],
    ['the same before the code', holding('required', ['sms', 'recovery_code'], ['recovery_code']), PASSWORD, 'show'],
    ['two factors shown elsewhere, none held here', holding('required', []), WITH_CODE, 'open'],
    ['the same under the strict rule', holding(strict, []), WITH_CODE, 'enrol'],
  ])('%s', (_, held, proof, step) => {
    expect(nextStep(held, proof)).toBe(step);
  });
});

describe('offeredOf', () => {
  it('offers a phishable factor only to those who have no passkey, where the rule is strict', () => {
    const strict = 'required_phishing_resistant';
    expect(offeredOf(holding(strict, ['passkey', 'totp', 'recovery_code']))).toEqual(['passkey']);
    expect(offeredOf(holding(strict, ['totp', 'recovery_code']))).toEqual(['totp', 'recovery_code']);
    expect(offeredOf(holding('required', ['passkey', 'totp']))).toEqual(['passkey', 'totp']);
  });

  it('leaves out what the roles may not use, while there is anything else', () => {
    expect(offeredOf(holding('required', ['sms', 'recovery_code'], ['recovery_code']))).toEqual(['recovery_code']);
    expect(offeredOf(holding('required', ['sms'], []))).toEqual(['sms']);
  });
});

describe('isMet', () => {
  it.each<[Record<string, string>, Role, MfaMethod[], boolean]>([
    [{}, 'patient', [], true],
    [{}, 'staff', [], false],
    [{}, 'staff', ['recovery_code'], false],
    [{}, 'staff', ['sms', 'recovery_code'], false],
    [{}, 'staff', ['totp'], true],
    [{ MFA_STAFF: 'required_phishing_resistant' }, 'staff', ['totp'], false],
    [{ MFA_STAFF: 'required_phishing_resistant' }, 'staff', ['passkey'], true],
    [{ MFA_PATIENT: 'required' }, 'patient', ['sms', 'recovery_code'], true],
  ])('%j, %s with %j: %s', (env, role, held, isMet) => {
    expect(policy(env).isMet(roles(role), held)).toBe(isMet);
  });
});
