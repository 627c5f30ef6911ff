import { globSync, readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { faultsOf, titlesIn, type Claim } from './asvs.js';

/**
 * OWASP ASVS 5.0.0, chapters V6 (authentication), V7 (sessions), V9 (self-contained tokens) and V10 (OAuth and OpenID Connect):
 * which tests prove which requirement. `asvs.json` is written by hand: a requirement names its tests as `file › title`, or says
 * why it does not apply to this server, or what is missing until it is proved.
 */
const claims = JSON.parse(readFileSync('test/contract/asvs.json', 'utf8')) as Record<string, Claim>;

/** What is not proved yet. Nobody adds to it without changing this line. */
const OPEN: readonly string[] = [];

/** How many requirements each section has; they are numbered from 1. */
const SECTIONS: Record<string, number> = {
  ...{ '6.1': 3, '6.2': 12, '6.3': 8, '6.4': 6, '6.5': 8, '6.6': 4, '6.7': 2, '6.8': 4 },
  ...{ '7.1': 3, '7.2': 4, '7.3': 2, '7.4': 5, '7.5': 3, '7.6': 2 },
  ...{ '9.1': 3, '9.2': 4 },
  ...{ '10.1': 2, '10.2': 3, '10.3': 5, '10.4': 16, '10.5': 5, '10.6': 2, '10.7': 3 },
};

const requirements = Object.entries(SECTIONS).flatMap(([section, count]) =>
  Array.from({ length: count }, (_, n) => `${section}.${n + 1}`),
);

const existing = new Set(
  globSync(['src/**/*.spec.ts', 'test/**/*.spec.ts', 'test/**/*.e2e-spec.ts']).flatMap((file) =>
    titlesIn(file, readFileSync(file, 'utf8')).map((title) => `${file} › ${title}`),
  ),
);

describe('ASVS 5.0.0 V6, V7, V9 and V10', () => {
  it('names every requirement, and none that is not there', () => {
    expect(Object.keys(claims)).toEqual(requirements);
  });

  it('has no open requirement but those that are named here', () => {
    const open = Object.entries(claims).flatMap(([id, claim]) => (claim.open === undefined ? [] : [id]));
    expect(open).toEqual(OPEN);
  });

  it.each(requirements)('%s is proved by tests that exist, does not apply for a reason, or is open', (id) => {
    expect(faultsOf(claims[id], existing, OPEN.includes(id))).toEqual([]);
  });
});

describe('the check of the claims', () => {
  const test = 'test/e2e/a.e2e-spec.ts › is refused';
  const known = new Set([test]);
  const REASON = 'No such thing is spoken by this server.';

  it('finds nothing wrong with a test that exists, or with a reason', () => {
    expect(faultsOf({ tests: [test] }, known, false)).toEqual([]);
    expect(faultsOf({ notApplicable: REASON }, known, false)).toEqual([]);
    expect(faultsOf({ open: REASON }, known, true)).toEqual([]);
  });

  it.each<[string, Claim | undefined, string]>([
    ['is nowhere', undefined, 'nobody claims it'],
    ['says nothing', {}, 'one thing has to be said of it'],
    ['is linked to no test', { tests: [] }, 'no test is linked'],
    ['is linked to a test of another name', { tests: [`${test}.`] }, 'there is no such test'],
    ['is linked to a test in another file', { tests: [test.replace('a.', 'b.')] }, 'there is no such test'],
    ['is linked to one that exists and one that does not', { tests: [test, 'x'] }, 'there is no such test: x'],
    ['is linked to one test twice', { tests: [test, test] }, 'linked twice'],
    ['is proved and does not apply', { tests: [test], notApplicable: REASON }, 'one thing has to be said of it'],
    ['does not apply for no reason', { notApplicable: 'No.' }, 'it has no reason'],
    ['does not apply for white space', { notApplicable: ' '.repeat(40) }, 'it has no reason'],
    ['is open and nobody said so', { open: REASON }, 'it is open'],
  ])('is red for one that %s', (_, claim, fault) => {
    expect(faultsOf(claim, known, false)).toEqual([expect.stringContaining(fault)]);
  });

  it('takes no test for one that does not run', () => {
    const file = (text: string) => titlesIn('a.spec.ts', text);
    expect(file('it(`never in ${N} rounds`, f);')).toEqual(['never in ${N} rounds']);
    expect(file("it('a', f); describe('x', () => { it.each([1])('b %s', f); it.each`c`('c', f); });")).toEqual([
      'a',
      'b %s',
      'c',
    ]);
    for (const text of [
      "// it('a', f);",
      "/* it('a', f); */",
      "it.skip('a', f);",
      "xit('a', f);",
      "it.todo('a');",
      "it.failing('a', f);",
      "it.skip.each([1])('a', f);",
      "describe.skip('x', () => { it('a', f); });",
      "xdescribe('x', () => { it('a', f); });",
      "describe.skip.each([1])('x', () => { it('a', f); });",
      "it('a', f); it.only('b', f);",
      "it('a', f); describe.only('x', () => { it('b', f); });",
      'const text = "it(\'a\', f)";',
    ])
      expect([text, file(text)]).toEqual([text, []]);
  });
});
