import { createHmac } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { afterAll, describe, expect, it } from '@jest/globals';
import bcrypt from 'bcrypt';
import fc from 'fast-check';
import { newKey, newKeyFile } from './key-material.js';
import { KeyRing } from './key-ring.js';
import { decoyBcrypt } from './password-format.js';
import {
  defaultThreads,
  HasherBusyError,
  missingCosts,
  PasswordHasher,
  type PasswordHasherOptions,
} from './passwords.js';

const file = newKeyFile();
const ring = KeyRing.from(file);
const made: PasswordHasher[] = [];

function hasher(options: Partial<PasswordHasherOptions> = {}, peppers = ring): PasswordHasher {
  const one = new PasswordHasher(peppers, { cost: 4, threads: 1, maxQueue: 10_000, ...options });
  made.push(one);
  return one;
}

const main = hasher();
afterAll(() => Promise.all(made.map((one) => one.close())));

const accepts = async (password: string, stored: string) => (await main.verify(password, stored)).ok;

describe('password hasher', () => {
  it('stores the documented form', async () => {
    const stored = await main.hash('correct horse battery staple');
    const [, version, pepperId, hash] = /^(p1)\$([^$]+)\$(.+)$/.exec(stored)!;
    expect([version, pepperId]).toEqual(['p1', ring.pepper().id]);
    const hmac = createHmac('sha384', ring.pepper().key).update('correct horse battery staple').digest('base64');
    expect(hmac).toHaveLength(64);
    expect(bcrypt.compareSync(hmac, hash!)).toBe(true);
    expect(await main.hash('correct horse battery staple')).not.toBe(stored);
    expect(await main.verify('correct horse battery staple', stored)).toEqual({ ok: true, needsRehash: false });
  });

  it('accepts either Unicode form and nothing else that looks alike', async () => {
    const stored = await main.hash('Ärztin café 한글'.normalize('NFD'));
    expect(await accepts('Ärztin café 한글'.normalize('NFC'), stored)).toBe(true);
    for (const other of ['Arztin café 한글', 'ärztin café 한글', 'Ärztin café 한글 ', 'Ärztin  café 한글']) {
      expect(await accepts(other, stored)).toBe(false);
    }
    expect(await accepts('①', await main.hash('1'))).toBe(false);
  });

  it('counts every byte beyond 72, and NUL', async () => {
    const long = await main.hash('é'.repeat(40) + 'a');
    expect(await accepts('é'.repeat(40) + 'a', long)).toBe(true);
    expect(await accepts('é'.repeat(40) + 'b', long)).toBe(false);
    expect(await accepts('é'.repeat(40), long)).toBe(false);
    const nul = await main.hash('secret\0tail');
    expect(await accepts('secret\0tail', nul)).toBe(true);
    for (const other of ['secret\0tali', 'secret\0', 'secret']) expect(await accepts(other, nul)).toBe(false);
    expect(await accepts('', await main.hash('\0'))).toBe(false);
  });

  it('rejects 2,000 passwords of which one character was changed', async () => {
    const password = 'Gr\u00fc\u00dfe aus K\u00f6ln \u{1F3E5} ' + 'x'.repeat(70) + '\0 end';
    const stored = await main.hash(password);
    const characters = [...password];
    const mutation = fc.tuple(fc.nat(characters.length - 1), fc.string({ unit: 'binary', minLength: 1, maxLength: 1 }));
    const mutated = fc.sample(
      mutation
        .map(([at, c]) => characters.with(at, c).join(''))
        .filter((text) => text.normalize('NFC') !== password.normalize('NFC')),
      2000,
    );
    const accepted = await Promise.all(mutated.map((text) => accepts(text, stored)));
    expect(accepted.filter(Boolean)).toHaveLength(0);
    expect(await accepts(password, stored)).toBe(true);
  });

  it('takes no text that is not Unicode', async () => {
    await expect(main.hash('secret\ud800')).rejects.toBeInstanceOf(RangeError);
    const stored = await main.hash('secret\ufffd');
    expect(await accepts('secret\ud800', stored)).toBe(false);
  });

  it('asks for a new hash when cost or pepper is not the current one', async () => {
    const old = await main.hash('password of old');
    const others = file.keys.filter((key) => key.purpose !== 'pepper');
    const retired = file.keys.filter((key) => key.purpose === 'pepper').map((key) => ({ ...key, status: 'retired' }));
    const rotated = hasher({}, KeyRing.from({ version: 1, keys: [...others, ...retired, newKey('pepper')] }));
    expect(await rotated.verify('password of old', old)).toEqual({ ok: true, needsRehash: true });
    expect(await rotated.verify('wrong', old)).toEqual({ ok: false, needsRehash: false });
    expect(await hasher({ cost: 5 }).verify('password of old', old)).toEqual({ ok: true, needsRehash: true });
    const stranger = hasher({}, KeyRing.from(newKeyFile()));
    await expect(stranger.verify('password of old', old)).rejects.toMatchObject({ code: 'unknown-pepper' });
  });

  it('refuses damaged stored forms and costs that would occupy a worker', async () => {
    const stored = await main.hash('x');
    const damaged = ['', stored.slice(1), stored.slice(0, -1), `${stored}.`, stored.replace('p1', 'p2'), `${stored}\n`];
    for (const bad of [...damaged, stored.replace('$04$', '$31$'), stored.replace('$04$', '$03$')]) {
      await expect(main.verify('x', bad)).rejects.toMatchObject({ code: 'malformed' });
    }
  });

  it('pays the full work for a decoy, and answers false', async () => {
    expect(await main.decoy('any')).toBe(false);
    const salt = decoyBcrypt(4).slice(0, 29);
    expect(decoyBcrypt(12)).toMatch(/^\$2b\$12\$[./A-Za-z0-9]{53}$/);
    expect(bcrypt.hashSync('x', salt).slice(0, 29)).toBe(salt);
    const costly = hasher({ cost: 9 });
    const stored = await costly.hash('x');
    const time = async (work: () => Promise<unknown>) => {
      const times: number[] = [];
      for (let i = 0; i < 9; i++) {
        const start = performance.now();
        await work();
        times.push(performance.now() - start);
      }
      return times.sort((a, b) => a - b)[0]!;
    };
    const ratio = (await time(() => costly.decoy('y'))) / (await time(() => costly.verify('y', stored)));
    expect(ratio).toBeGreaterThan(0.7);
    expect(ratio).toBeLessThan(1.4);
  });

  it('does the work of the current cost for a hash of an older one too', async () => {
    const work = (costs: readonly number[]) => costs.reduce((sum, cost) => sum + 2 ** cost, 0);
    for (const [from, to] of [
      [4, 4],
      [5, 9],
      [10, 14],
      [12, 4],
    ] as const)
      expect(work([from, ...missingCosts(from, to)])).toBe(Math.max(2 ** from, 2 ** to));
    const older = await hasher({ cost: 5 }).hash('x');
    const costly = hasher({ cost: 9 });
    expect(await costly.verify('x', older)).toEqual({ ok: true, needsRehash: true });
    expect(await costly.verify('wrong', older)).toEqual({ ok: false, needsRehash: false });
  });

  it('refuses more work than its queue holds, and recovers', async () => {
    const small = hasher({ threads: 1, maxQueue: 2 });
    const results = await Promise.allSettled(Array.from({ length: 10 }, () => small.hash('x')));
    const refused = results.filter((r) => r.status === 'rejected').map((r) => r.reason as unknown);
    expect(refused).toHaveLength(7);
    expect(refused.every((reason) => reason instanceof HasherBusyError)).toBe(true);
    await expect(small.hash('x')).resolves.toContain('p1$');
    await small.close();
    await expect(small.hash('x')).rejects.toBeInstanceOf(HasherBusyError);
  });

  it('leaves the event loop free', async () => {
    const costly = hasher({ cost: 11 });
    await costly.hash('warm');
    const work = costly.hash('x').then(() => performance.now());
    let ticks = 0;
    const timer = setInterval(() => ticks++, 5);
    const start = performance.now();
    const duration = (await work) - start;
    clearInterval(timer);
    expect(ticks).toBeGreaterThan(duration / 20);
  });

  const onLinux = process.platform === 'linux' ? it : it.skip;
  onLinux('hashes at a lower priority than everything else', async () => {
    await main.hash('x');
    const niceness = readdirSync('/proc/self/task').map((thread) => {
      const fields = readFileSync(`/proc/self/task/${thread}/stat`, 'utf8').split(') ')[1]!.split(' ');
      return [thread, Number(fields[16])] as const;
    });
    expect(niceness.find(([thread]) => thread === String(process.pid))![1]).toBeLessThan(5);
    expect(niceness.filter(([, nice]) => nice === 5).length).toBeGreaterThan(0);
  });

  it('takes all cores by default where it has the lower priority, and leaves one free elsewhere', () => {
    expect([1, 2, 4, 64].map((cores) => defaultThreads(cores, true))).toEqual([1, 2, 4, 8]);
    expect([1, 2, 4, 64].map((cores) => defaultThreads(cores, false))).toEqual([1, 1, 3, 8]);
    expect(() => new PasswordHasher(ring, { cost: 31 })).toThrow(RangeError);
  });
});
