import type { FhirReadErrorCode } from '../json/fhir-read-error.js';

export type FindingCode =
  | FhirReadErrorCode
  | 'unknown-type'
  | 'unknown-element'
  | 'missing-element'
  | 'cardinality'
  | 'wrong-json-type'
  | 'null-value'
  | 'empty-value'
  | 'choice-conflict'
  | 'invalid-date'
  | 'invalid-id'
  | 'invalid-value'
  | 'invalid-base64'
  | 'string-too-long'
  | 'code-not-in-value-set'
  | 'period-reversed'
  | 'contained-invalid'
  | 'narrative-invalid'
  | 'narrative-unsafe'
  | 'fixed-value'
  | 'invariant'
  | 'reference-target'
  | 'not-evaluated'
  | 'profile'
  | 'too-many-findings'
  | 'inspection-timeout';

export interface Finding {
  severity: 'error' | 'warning';
  code: FindingCode;
  /** FHIRPath of the element, such as `Patient.name[0].given[1]`. */
  path: string;
  /** A fixed sentence or a clause of the specification: never a value of the record. */
  detail: string;
  /** The profile that is not met, where it is none of base R4: such a finding is never an error. */
  profile?: string;
}

// A work list of reasons for one record is not read beyond this; a hostile record could ask for millions.
const MAX_FINDINGS = 100;
const ELEMENT_NAME = /^[A-Za-z_][A-Za-z0-9_]{0,63}$/;

/** Collects findings without repeating one, however many checks see the same fault. */
export class Findings {
  private readonly found = new Map<string, Finding>();
  private overflowed = false;

  add(severity: Finding['severity'], code: FindingCode, path: string, detail: string): void {
    const key = `${code} ${path}`;
    const known = this.found.get(key);
    if (known && (known.severity === 'error' || severity === 'warning')) return;
    // an error must never be lost behind a hundred warnings: the last place is kept for one
    if (!known && this.found.size >= MAX_FINDINGS && (this.hasErrors || severity === 'warning')) this.overflowed = true;
    else this.found.set(key, { severity, code, path, detail });
  }

  error(code: FindingCode, path: string, detail: string): void {
    this.add('error', code, path, detail);
  }

  warning(code: FindingCode, path: string, detail: string): void {
    this.add('warning', code, path, detail);
  }

  get hasErrors(): boolean {
    return [...this.found.values()].some((finding) => finding.severity === 'error');
  }

  list(): Finding[] {
    const list = [...this.found.values()];
    if (this.overflowed) {
      list.push({
        severity: 'warning',
        code: 'too-many-findings',
        path: '',
        detail: 'There are more findings than are listed.',
      });
    }
    return list;
  }
}

/** A member name for a path; a name that no element could have is not repeated. */
export function pathSegment(name: string): string {
  return ELEMENT_NAME.test(name) ? name : '?';
}
