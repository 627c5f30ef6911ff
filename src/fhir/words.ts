import { at, listOf, member, textAt, textOf } from './values.js';

const MAX_WORDS = 500;

/** Words of a CodeableConcept, Coding or Reference: its text, else a coding's display, else its own, else its code. */
export function wordsOf(concept: unknown): string | undefined {
  const codings = listOf(at(concept, 'coding'));
  const found =
    textAt(concept, 'text') ??
    codings.map((coding) => textAt(coding, 'display')).find((words) => words !== undefined) ??
    textAt(concept, 'display') ??
    codings.map((coding) => textAt(coding, 'code')).find((code) => code !== undefined) ??
    textOf(member(concept, 'code'));
  return short(found);
}

/** A line of a list, never a whole note. */
export const short = (text: string | undefined): string | undefined => text?.trim().slice(0, MAX_WORDS);

/** Codes of a CodeableConcept or Coding. */
export const codesOf = (concept: unknown): string[] =>
  [...listOf(at(concept, 'coding')), concept].flatMap((coding) => textOf(member(coding, 'code')) ?? []);
