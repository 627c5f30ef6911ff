import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { changeSince, settingsOf, type Setting } from './fingerprint.js';

const digests =
  (key: string, former: readonly string[] = []) =>
  ([name, value]: Setting): string[] =>
    [key, ...former].map((one) => `${one}(${name}:${value})`);
const linesOf = (settings: readonly Setting[], key = 'k'): string[] =>
  settings.map((setting) => `${setting[0]}=${digests(key)(setting)[0]}`);

describe('the fingerprint of a configuration', () => {
  it('has every setting by its place, but those of one machine', () => {
    const config = { http: { host: 'a', port: 1, publicUrl: 'https://x' }, dataDir: '/d', list: [1, 2], none: null };
    expect(settingsOf(config)).toEqual([
      ['http.publicUrl', '"https://x"'],
      ['list', '[1,2]'],
      ['none', 'null'],
    ]);
  });

  it('names exactly what was changed, added and taken away', () => {
    const settings = fc.dictionary(fc.stringMatching(/^[a-z]{1,4}$/), fc.constantFrom('1', '2', 'x=y', ''));
    fc.assert(
      fc.property(settings, settings, (was, is) => {
        const { changed, before } = changeSince(linesOf(Object.entries(was)), Object.entries(is), digests('k'));
        const names = new Set([...Object.keys(was), ...Object.keys(is)]);
        const expected = [...names].filter((name) => was[name] !== is[name]).sort();
        expect(changed).toEqual(expected);
        expect(before).toEqual(linesOf(expected.filter((name) => name in was).map((name) => [name, was[name]!])));
      }),
      { seed: 11, numRuns: 300 },
    );
  });

  it('takes the same value under a former key for the same', () => {
    const settings: Setting[] = [['a', '1']];
    expect(changeSince(linesOf(settings, 'old'), settings, digests('new', ['old'])).changed).toEqual([]);
    expect(changeSince(linesOf(settings, 'other'), settings, digests('new', ['old'])).changed).toEqual(['a']);
  });
});
