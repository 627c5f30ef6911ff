interface Source {
  source?: string;
}

/**
 * JSON with each number as the text that was sent, because 1.50 and 1.5 are not the same result. For words only: what is
 * stored and served is the sender's text itself. Undefined when it is no JSON.
 * https://github.com/tc39/proposal-json-parse-with-source
 */
export function parseWithNumbersAsText(text: string): unknown {
  const keep = (_: string, value: unknown, context?: Source): unknown =>
    typeof value === 'number' ? (context?.source ?? String(value)) : value;
  try {
    return JSON.parse(text, keep) as unknown;
  } catch {
    return undefined;
  }
}
