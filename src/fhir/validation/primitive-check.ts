import { instantOf, isCalendarDate } from '../dates.js';
import type { Findings } from './finding.js';

// https://hl7.org/fhir/R4/datatypes.html#primitive. The year 0000 does not exist.
const YEAR = '(?!0000)\\d{4}';
const MONTH = '(?:0[1-9]|1[0-2])';
const DAY = '(?:0[1-9]|[12]\\d|3[01])';
const CLOCK = '(?:[01]\\d|2[0-3]):[0-5]\\d:(?:[0-5]\\d|60)(?:\\.\\d+)?';
const ZONE = '(?:Z|[+-](?:(?:0\\d|1[0-3]):[0-5]\\d|14:00))';
const DATES: Readonly<Record<string, RegExp>> = {
  date: new RegExp(`^${YEAR}(?:-${MONTH}(?:-${DAY})?)?$`),
  dateTime: new RegExp(`^${YEAR}(?:-${MONTH}(?:-${DAY}(?:T${CLOCK}${ZONE})?)?)?$`),
  instant: new RegExp(`^${YEAR}-${MONTH}-${DAY}T${CLOCK}${ZONE}$`),
  time: new RegExp(`^${CLOCK}$`),
};
const ID = /^[A-Za-z0-9.-]{1,64}$/;
const NO_SPACE = /^\S+$/;
// R4 strings hold no control characters except tab, LF and CR
const CONTROL = /[\u0000-\u0008\u000b\u000c\u000e-\u001f]/;
const FORMATS: Readonly<Record<string, RegExp>> = {
  uri: NO_SPACE,
  url: NO_SPACE,
  canonical: NO_SPACE,
  code: /^\S+(?: \S+)*$/,
};

// https://hl7.org/fhir/R4/datatypes.html#string; attachments are base64Binary and have no such bound
const MAX_STRING = 1_024 * 1_024;

const BOOLEAN = new Set(['boolean']);
const NUMBERS = new Set(['decimal', 'integer', 'positiveInt', 'unsignedInt']);
const STRINGS = new Set(
  (
    'base64Binary canonical code date dateTime id instant markdown oid string time uri url uuid xhtml ' +
    'http://hl7.org/fhirpath/System.String'
  ).split(' '),
);

export function isPrimitiveType(type: string): boolean {
  return STRINGS.has(type) || NUMBERS.has(type) || BOOLEAN.has(type);
}

export function checkPrimitive(value: unknown, type: string, path: string, findings: Findings): void {
  const expected = STRINGS.has(type) ? 'string' : NUMBERS.has(type) ? 'number' : 'boolean';
  if (typeof value !== expected) findings.error('wrong-json-type', path, `The value must be a JSON ${expected}.`);
  else if (typeof value === 'string') checkString(value, type, path, findings);
}

function checkString(value: string, type: string, path: string, findings: Findings): void {
  if (value === '') return findings.error('empty-value', path, 'A string must not be empty.');
  if (value.length > MAX_STRING && type !== 'base64Binary') {
    return findings.error('string-too-long', path, 'A string has at most 1 MB.');
  }
  if (value.trim() === '') return findings.warning('empty-value', path, 'The string is only white space.');
  if (CONTROL.test(value)) return findings.error('invalid-value', path, 'The string holds a control character.');
  if (DATES[type]) return checkDate(value, type, path, findings);
  if (type === 'id') return checkId(value, path, findings);
  if (type === 'base64Binary') return checkBase64(value, path, findings);
  if (FORMATS[type]?.test(value) === false) findings.error('invalid-value', path, `The value is not a valid ${type}.`);
}

function checkDate(value: string, type: string, path: string, findings: Findings): void {
  if (DATES[type]?.test(value) === false) {
    const needs = type === 'time' ? 'seconds, and has no zone' : 'seconds and a zone';
    findings.error('invalid-date', path, `The value is not a valid ${type}: a time needs ${needs}.`);
  } else if (type !== 'time' && !isCalendarDate(value)) {
    findings.error('invalid-date', path, 'There is no such day in the calendar.');
  }
}

export function checkId(value: string, path: string, findings: Findings): void {
  if (!ID.test(value)) findings.error('invalid-id', path, 'An id has 1 to 64 letters, digits, hyphens and points.');
}

// R4 allows white space between the digits (https://hl7.org/fhir/R4/datatypes.html#base64Binary).
function checkBase64(value: string, path: string, findings: Findings): void {
  let digits = 0;
  let padding = 0;
  let isValid = true;
  for (let index = 0; index < value.length && isValid; index++) {
    const code = value.charCodeAt(index);
    if (code === 0x20 || (code >= 0x09 && code <= 0x0d)) continue;
    if (code === 0x3d) padding++;
    else if (padding > 0 || !isBase64Digit(code)) isValid = false;
    else digits++;
  }
  if (!isValid || padding > 2 || (digits + padding) % 4 !== 0) {
    findings.error('invalid-base64', path, 'The value is not valid base64.');
  }
}

function isBase64Digit(code: number): boolean {
  const isLetter = (code >= 0x41 && code <= 0x5a) || (code >= 0x61 && code <= 0x7a);
  return isLetter || (code >= 0x30 && code <= 0x39) || code === 0x2b || code === 0x2f;
}

/** True only when the end is certainly before the start: dates of unequal precision are compared at the coarser one. */
export function isReversed(start: string, end: string): boolean {
  if (start.length > 10 && end.length > 10) {
    const [from, to] = [instantOf(start), instantOf(end)];
    return from !== undefined && to !== undefined && to < from;
  }
  const length = Math.min(start.length, end.length, 10);
  return end.slice(0, length) < start.slice(0, length);
}
