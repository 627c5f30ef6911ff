import { instantOf } from '../../fhir/index.js';
import { invalid } from '../../platform/http/validation.js';

const DAY_MS = 86_400_000;

/** `code`, or `system|code`. */
export function codeOf(token: string): { system?: string; code: string } {
  const bar = token.lastIndexOf('|');
  return bar < 0 ? { code: token } : { system: token.slice(0, bar), code: token.slice(bar + 1) };
}

export function startOf(pointer: string, text: string): string {
  const instant = instantOf(text);
  if (instant === undefined) throw invalid([{ pointer, code: 'not-a-time', detail: 'There is no such day or time.' }]);
  return instant;
}

/** A day counts whole; an instant counts to its millisecond. */
export function endOf(pointer: string, text: string): string {
  const start = Date.parse(startOf(pointer, text));
  return new Date(start + (text.length > 10 ? 1 : DAY_MS)).toISOString();
}
