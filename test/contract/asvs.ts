import ts from 'typescript';

/** What stands in `asvs.json` of one requirement: the tests that prove it, why it does not apply, or what is missing until it is proved. */
export interface Claim {
  /** `file › title`. */
  tests?: string[];
  notApplicable?: string;
  open?: string;
}

/** Shorter than this nothing is a reason. */
const LEAST_REASON = 20;

/** The titles of all tests in a file, as its syntax tree has them: what is commented out, or skipped alone or with others, is no test. */
export function titlesIn(file: string, text: string): string[] {
  const titles: string[] = [];
  let isFocused = false;
  const visit = (node: ts.Node): void => {
    if (ts.isCallExpression(node)) {
      const name = nameOf(node.expression);
      if (/^(x(it|describe|test)|(it|describe|test)\.(skip|todo|failing)(\.each)?)$/.test(name)) return;
      if (/^(f(it|describe)|(it|describe|test)\.only(\.each)?)$/.test(name)) isFocused = true;
      const [title] = node.arguments;
      if (/^it(\.each)?$/.test(name) && title) titles.push(...titleOf(title));
    }
    ts.forEachChild(node, visit);
  };
  visit(ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true));
  // All others of a file are left out where one is singled out.
  return isFocused ? [] : titles;
}

/** A template stands as it is written, with its `${…}`. */
function titleOf(title: ts.Expression): string[] {
  if (ts.isStringLiteralLike(title)) return [title.text];
  return ts.isTemplateExpression(title) ? [title.getText().slice(1, -1)] : [];
}

/** `it` of `it(…)`, `it.each` of `it.each(…)(…)` and of its form with a template. */
function nameOf(called: ts.Expression): string {
  if (ts.isTaggedTemplateExpression(called)) return called.tag.getText();
  if (ts.isCallExpression(called)) return called.expression.getText();
  return called.getText();
}

/** What is wrong with a claim; nothing where it stands. `existing`: all tests that there are, `mayBeOpen`: whether it was said beforehand. */
export function faultsOf(claim: Claim | undefined, existing: ReadonlySet<string>, mayBeOpen: boolean): string[] {
  if (claim === undefined) return ['nobody claims it'];
  const said = Object.keys(claim);
  if (said.length !== 1) return [`one thing has to be said of it, not: ${said.join(', ')}`];
  const { tests, notApplicable, open } = claim;
  if (open !== undefined) return mayBeOpen ? reasonFaults(open) : ['it is open'];
  if (notApplicable !== undefined) return reasonFaults(notApplicable);
  if (!tests || tests.length === 0) return ['no test is linked'];
  const twice = tests.filter((test, at) => tests.indexOf(test) < at).map((test) => `linked twice: ${test}`);
  return [...twice, ...tests.filter((test) => !existing.has(test)).map((test) => `there is no such test: ${test}`)];
}

const reasonFaults = (reason: string): string[] => (reason.trim().length > LEAST_REASON ? [] : ['it has no reason']);
