import { globSync, readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import ts from 'typescript';

/**
 * OWASP ASVS 5.0.0, chapters V6 (authentication), V7 (sessions) and V9 (self-contained tokens): which tests prove which
 * requirement. `asvs.json` is written by hand: a requirement names its tests as `file › title`, or says why it does not
 * apply to this server, or what is missing until it is proved.
 */
interface Claim {
  tests?: string[];
  notApplicable?: string;
  /** What is missing. Only for those of {@link OPEN}. */
  open?: string;
}

const claims = JSON.parse(readFileSync('test/contract/asvs.json', 'utf8')) as Record<string, Claim>;

/** What is not proved yet. Nobody adds to it without changing this line. */
const OPEN: readonly string[] = [];

/** How many requirements each section has; they are numbered from 1. */
const SECTIONS: Record<string, number> = {
  ...{ '6.1': 3, '6.2': 12, '6.3': 8, '6.4': 6, '6.5': 8, '6.6': 4, '6.7': 2, '6.8': 4 },
  ...{ '7.1': 3, '7.2': 4, '7.3': 2, '7.4': 5, '7.5': 3, '7.6': 2 },
  ...{ '9.1': 3, '9.2': 4 },
};

const requirements = Object.entries(SECTIONS).flatMap(([section, count]) =>
  Array.from({ length: count }, (_, n) => `${section}.${n + 1}`),
);

/** The titles of all tests in a file, as its syntax tree has them: what is commented out or skipped is no test. */
function titlesIn(file: string): string[] {
  const titles: string[] = [];
  const visit = (node: ts.Node): void => {
    if (ts.isCallExpression(node) && isTest(node.expression)) {
      const [title] = node.arguments;
      if (title && ts.isStringLiteralLike(title)) titles.push(title.text);
    }
    ts.forEachChild(node, visit);
  };
  visit(ts.createSourceFile(file, readFileSync(file, 'utf8'), ts.ScriptTarget.Latest, true));
  return titles;
}

/** `it(…)` and `it.each(…)(…)`. */
function isTest(called: ts.Expression): boolean {
  if (ts.isIdentifier(called)) return called.text === 'it';
  if (ts.isTaggedTemplateExpression(called)) return isEach(called.tag);
  return ts.isCallExpression(called) && isEach(called.expression);
}

const isEach = (called: ts.Expression): boolean =>
  ts.isPropertyAccessExpression(called) && called.getText() === 'it.each';

const existing = new Set(
  globSync(['src/**/*.spec.ts', 'test/**/*.spec.ts', 'test/**/*.e2e-spec.ts']).flatMap((file) =>
    titlesIn(file).map((title) => `${file} › ${title}`),
  ),
);

describe('ASVS 5.0.0 V6, V7 and V9', () => {
  it('names every requirement, and none that is not there', () => {
    expect(Object.keys(claims)).toEqual(requirements);
  });

  it('has no open requirement but those that are named here', () => {
    const open = Object.entries(claims).flatMap(([id, claim]) => (claim.open === undefined ? [] : [id]));
    expect(open).toEqual(OPEN);
  });

  it.each(requirements)('%s is proved by tests that exist, does not apply for a reason, or is open', (id) => {
    const { tests, notApplicable, open } = claims[id] ?? {};
    if (open !== undefined) {
      expect([tests, notApplicable]).toEqual([undefined, undefined]);
      expect(open.length).toBeGreaterThan(20);
      return;
    }
    if (notApplicable !== undefined) {
      expect(tests).toBeUndefined();
      expect(notApplicable.length).toBeGreaterThan(20);
      return;
    }
    expect(tests).not.toEqual([]);
    expect((tests ?? ['no test']).filter((test) => !existing.has(test))).toEqual([]);
  });
});
