import { OperationOutcomeError, validateResource } from '@medplum/core';
import type { JsonObject } from '../values.js';
import type { FindingCode, Findings } from './finding.js';

type Resource = Parameters<typeof validateResource>[0];

/** What the library finds. */
export interface Issue {
  severity?: string;
  code?: string;
  details?: { text?: string };
  expression?: string[];
}

// Its texts quote values and member names, so they are only recognised here and never passed on. `undefined` is what our own
// check decides, because the library's rule refuses legal R4: base64 with white space, seconds with more than nine decimals,
// strings over 1 MB in attachments, Period order between unequal precisions (per-1), urn:uuid references in a Bundle.
const KINDS: readonly (readonly [RegExp, FindingCode | undefined, string])[] = [
  [/^Missing required property/, 'missing-element', 'A required element is missing.'],
  [/^Invalid number of values/, 'cardinality', 'The element occurs too rarely or too often.'],
  [/^Expected (array|single)/, 'wrong-json-type', 'The element is an array where R4 has one value, or the reverse.'],
  [/^Invalid JSON type/, 'wrong-json-type', 'The value has the wrong JSON type.'],
  [/^Invalid (null|undefined) value/, 'null-value', 'An element without a value is left out, not null.'],
  [/^Value did not match expected pattern/, 'fixed-value', 'The value is not the one that R4 fixes here.'],
  [/^Expected number|^Invalid numeric/, 'invalid-value', 'The number is outside what its type allows.'],
  [
    /^Invalid (oid|uuid|integer64|canonical|code|uri|url|markdown|string|id) format/,
    'invalid-value',
    'The value does not have its type’s form.',
  ],
  [/^Invalid (additional property|empty|base64Binary|date|dateTime|instant|time|xhtml)/, undefined, ''],
  [/^base64Binary exceeds|^String (must contain|cannot be larger)/, undefined, ''],
  [/^Conflicting choice|^Type of primitive extension/, undefined, ''],
  [/^Constraint per-1 /, undefined, ''],
  [/^Invalid reference/, undefined, ''],
];

export const CONSTRAINT = /^Constraint ([a-z0-9-]{1,20}) not met/i;
const PATH = /^[A-Za-z0-9_.:[\]]+/;

export const pathOf = ({ expression }: Issue): string => PATH.exec(expression?.[0] ?? '')?.[0] ?? '';

/** The rule that a text of the library is about; without a code: one that our own check decides. Undefined: none of these. */
export function ruleOf(text: string): { code?: FindingCode; detail?: string } | undefined {
  const kind = KINDS.find(([pattern]) => pattern.test(text));
  if (!kind) return undefined;
  const [, code, detail] = kind;
  return code ? { code, detail } : {};
}

/** Structure, cardinality and invariants of base R4. The types of the resource and of what it contains must be loaded. */
export function checkWithMedplum(resource: JsonObject, findings: Findings): void {
  for (const issue of issuesOf(resource, findings)) translate(issue, findings);
}

function issuesOf(resource: JsonObject, findings: Findings): Issue[] {
  try {
    return validateResource(resource as unknown as Resource, { base64BinaryMaxBytes: Number.POSITIVE_INFINITY });
  } catch (error) {
    if (error instanceof OperationOutcomeError) return error.outcome.issue ?? [];
    // The library fell over a malformed record. Where our own check has found why, that says more; where it has not, the
    // record must not count as good.
    if (!findings.hasErrors)
      findings.error('not-evaluated', String(resource.resourceType), 'The record could not be checked.');
    return [];
  }
}

function translate(issue: Issue, findings: Findings): void {
  const text = issue.details?.text ?? '';
  const path = pathOf(issue);
  const severity = issue.severity === 'error' ? 'error' : 'warning';
  const rule = ruleOf(text);
  const constraint = CONSTRAINT.exec(text)?.[1];
  if (rule) {
    if (rule.code) findings.add(severity, rule.code, path, rule.detail ?? '');
  } else if (constraint) {
    findings.add(severity, 'invariant', path, `Invariant ${constraint} of R4 is not met.`);
  } else {
    // an expression that the library cannot evaluate says nothing about the record
    findings.warning('not-evaluated', path, 'A rule of R4 could not be evaluated.');
  }
}
