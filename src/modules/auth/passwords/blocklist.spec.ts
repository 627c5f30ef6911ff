import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { describe, expect, it } from '@jest/globals';
import type { Config } from '../../../platform/config/config.js';
import { Blocklist } from './blocklist.js';
import type { BreachCheck } from './breach-check.js';
import { PasswordRules } from './password-rules.service.js';
import { comparable, LEAST_ALONE, LEAST_WITH_SECOND_FACTOR } from './password.rules.js';

const { resolve } = createRequire(import.meta.url);
const leaked = JSON.parse(readFileSync(resolve('@zxcvbn-ts/language-common/src/passwords.json'), 'utf8')) as string[];

const blocklist = new Blocklist();
const config = { hospital: { name: 'Saint Mary' }, http: { publicUrl: 'https://portal.saintmary.test' } } as Config;
const breaches = { isBreached: () => Promise.resolve(false) } as unknown as BreachCheck;
const rules = new PasswordRules(blocklist, breaches, config);
const holder = { username: 'maria', email: 'maria.gonzalez@home.test' };
const faultOf = (password: string, least = LEAST_WITH_SECOND_FACTOR) => rules.faultOf(password, least, holder);

describe('the blocklist', () => {
  it('has every entry of its lists, in the form that is asked for', async () => {
    expect(leaked.length).toBeGreaterThan(40_000);
    expect(leaked.filter((word) => word !== comparable(word))).toEqual([]);
    for (let at = 0; at < leaked.length; at += 997) expect(await blocklist.has(leaked[at]!)).toBe(true);
    for (const word of ['gutierrez', 'hospital', 'thisismypassword', 'contraseña', 'summer2026'])
      expect([word, await blocklist.has(word)]).toEqual([word, true]);
  });

  it('has whole words only, and nothing that merely looks like its file', async () => {
    for (const word of ['sswordpassword', 'ilovey&you', 'password","', '","', '["123456', 'x'.repeat(500), ''])
      expect([word, await blocklist.has(word)]).toEqual([word, false]);
  });
});

describe('a new password', () => {
  it('is none of the 3,000 most common ones of 8 and more characters, in any case', async () => {
    const common = leaked.filter((word) => word.length >= 8).slice(0, 3_000);
    expect(common).toHaveLength(3_000);
    for (const word of common) expect([word, await faultOf(word)]).toEqual([word, 'too-common']);
    for (const word of common.slice(0, 50)) expect(await faultOf(word.toUpperCase())).toBe('too-common');
  });

  it('is none of them repeated to be long enough, nor counted on from', async () => {
    const words = leaked.filter((word) => /^[a-z]{5,12}$/.test(word) && word !== 'maria').slice(0, 3_000);
    for (const word of words) {
      const long = word.repeat(Math.ceil(LEAST_ALONE / word.length));
      expect([long, await faultOf(long, LEAST_ALONE)]).toEqual([long, 'too-common']);
    }
    expect(await faultOf('password12345678', LEAST_ALONE)).toBe('too-common');
    expect(await faultOf('Thi$ is my password')).toBe(null);
    expect(await faultOf('this is my password')).toBe('too-common');
  });

  it.each([
    ['the hospital', 'Saint Mary', 'is-name'],
    ['the hospital, in one word', 'saintmary123', 'is-name'],
    ['the portal', 'PorticoPortico', 'is-name'],
    ['the address of the portal', 'portal.saintmary.test', 'is-name'],
    ['the own email address', 'Maria.Gonzalez@home.test', 'is-name'],
    ['its local part', 'maria-gonzalez', 'is-name'],
    ['the username over and over', 'mariamaria', 'is-username'],
    ['a sentence with all of them in it', 'Maria Gonzalez goes to Saint Mary', null],
  ])('%s', async (_, password, fault) => {
    expect(await faultOf(password)).toBe(fault);
  });

  it('is asked of nobody else while it is refused here', async () => {
    const asked: string[] = [];
    const spy = { isBreached: (one: string) => (asked.push(one), Promise.resolve(true)) } as unknown as BreachCheck;
    const strict = new PasswordRules(blocklist, spy, config);
    for (const one of ['short', 'password', 'maria1234', 'saintmary'])
      expect(await strict.faultOf(one, LEAST_WITH_SECOND_FACTOR, holder)).not.toBeNull();
    expect(asked).toEqual([]);
    expect(await strict.faultOf('a quite new password', LEAST_ALONE, holder)).toBe('leaked');
    expect(asked).toEqual(['a quite new password']);
  });
});
