import type { ImportIssueView, ImportView } from './import.dto.js';
import type { ImportRow, IssueRow } from './import.repository.js';

export function viewOf(row: ImportRow, now: Date): ImportView {
  const { id, bundleType, source, status, failure, entries, counts, byType, flagged, released } = row;
  const seconds = row.startedAt === null ? 0 : ((row.finishedAt ?? now).getTime() - row.startedAt.getTime()) / 1000;
  return {
    ...{ id, status, failure, bundleType, source, entries, ...counts, flagged, released, byType },
    bytesTotal: row.bytesTotal,
    bytesDone: row.bytesDone,
    perSecond: seconds > 0 ? Math.round(entries / seconds) : null,
    receivedAt: row.receivedAt.toISOString(),
    startedAt: row.startedAt?.toISOString() ?? null,
    finishedAt: row.finishedAt?.toISOString() ?? null,
  };
}

/** https://hl7.org/fhir/R4/valueset-issue-type.html, by our code. */
const ISSUE_TYPE: readonly (readonly [RegExp, string])[] = [
  [/^missing-element|^missing-(id|type|resource)$/, 'required'],
  [/code-not-in-value-set/, 'code-invalid'],
  [/^(unknown-element|unknown-type|cardinality|wrong-json-type|null-value|choice-conflict)$/, 'structure'],
  [/^(malformed-json|truncated|duplicate-key|too-deep|not-a-bundle|invalid-utf8|forbidden-character)$/, 'invalid'],
  [/^(number-out-of-range|string-too-long|too-large|entry-too-large|too-many-entries)$/, 'too-long'],
  [/^invariant|^profile/, 'invariant'],
  [/^unresolved-reference|^no-patient/, 'not-found'],
  [/^duplicate/, 'duplicate'],
  [/^patient-identity-changed|^same-clock|^withdrawn/, 'conflict'],
  [/^narrative-unsafe/, 'security'],
  [/timeout/, 'timeout'],
  [/not-supported|^delete-without-id|^bundle-in-lines/, 'not-supported'],
];
const typeOf = (code: string): string => ISSUE_TYPE.find(([pattern]) => pattern.test(code))?.[1] ?? 'value';

/** The same for clients that speak FHIR: https://hl7.org/fhir/R4/operationoutcome.html */
export function outcomeOf(issues: readonly Pick<IssueRow, 'severity' | 'code' | 'path' | 'detail'>[]): object {
  return {
    resourceType: 'OperationOutcome',
    issue: issues.map(({ severity, code, path, detail }) => ({
      severity,
      code: typeOf(code),
      details: { coding: [{ code }], text: detail },
      ...(path === '' ? {} : path.startsWith('/') ? { diagnostics: path } : { expression: [path] }),
    })),
  };
}

export const issueView = (row: IssueRow): ImportIssueView => ({ ...row, operationOutcome: outcomeOf([row]) });
