import { Problem } from './problem.js';

const MAX_DEPTH = 20;
const MAX_TOKENS = 20_000;

/**
 * Refuses JSON that is small in bytes and dear to validate: 5,000 nested arrays in 10 kB overflow a recursive validator.
 * One pass over the text, before it is parsed; strings are skipped.
 */
export function checkJsonShape(text: string, maxTokens = MAX_TOKENS): void {
  let depth = 0;
  let tokens = 0;
  for (let at = 0; at < text.length; at++) {
    const char = text.charCodeAt(at);
    if (char === 0x22) {
      for (at++; at < text.length && text.charCodeAt(at) !== 0x22; at++) if (text.charCodeAt(at) === 0x5c) at++;
    } else if (char === 0x7b || char === 0x5b) {
      if (++depth > MAX_DEPTH) throw new Problem(400, 'http.too-deep', `JSON may be nested ${MAX_DEPTH} deep here.`);
    } else if (char === 0x7d || char === 0x5d) {
      depth--;
    } else if (char === 0x2c && ++tokens > maxTokens) {
      throw new Problem(400, 'http.too-many-values', `JSON may hold ${maxTokens} values here.`);
    }
  }
}
