import { isObject, listOf, member, textAt, textOf } from './values.js';
import { codesOf, short, wordsOf } from './words.js';

/** A result as a person reads it. Numbers are texts, as sent. */
export interface ValueWords {
  /** `<5 mg/L`, `Positive`; of a value that is not there, why. */
  text: string;
  /** The number alone, where it is one, with its comparator and unit beside it. */
  number?: string;
  comparator?: string;
  unit?: string;
  /** Reference ranges in words; `low` and `high` where there is exactly one. */
  ranges?: string[];
  low?: string;
  high?: string;
  flags?: { code: string; text: string }[];
  /** There is no value: `text` says why. */
  isAbsent?: true;
}

/** https://terminology.hl7.org/CodeSystem-data-absent-reason.html */
const ABSENT: Readonly<Record<string, string>> = {
  unknown: 'Not known',
  'asked-unknown': 'Asked, and not known',
  'temp-unknown': 'Not known yet',
  'not-asked': 'Not asked',
  'asked-declined': 'Asked, and not answered',
  masked: 'Not shown',
  'not-applicable': 'Does not apply',
  unsupported: 'Cannot be given by the sending system',
  'as-text': 'Given in words',
  error: 'No value because of an error',
  'not-a-number': 'Not a number',
  'negative-infinity': 'Below what can be measured',
  'positive-infinity': 'Above what can be measured',
  'not-performed': 'Not performed',
  'not-permitted': 'Not permitted',
};

/** https://terminology.hl7.org/CodeSystem-v3-ObservationInterpretation.html */
const FLAGS: Readonly<Record<string, string>> = {
  '<': 'Below what can be measured',
  '>': 'Above what can be measured',
  A: 'Abnormal',
  AA: 'Critically abnormal',
  B: 'Better',
  D: 'Significantly lower than before',
  DET: 'Detected',
  H: 'High',
  HH: 'Critically high',
  HU: 'Significantly high',
  I: 'Intermediate',
  IND: 'Indeterminate',
  L: 'Low',
  LL: 'Critically low',
  LU: 'Significantly low',
  N: 'Normal',
  ND: 'Not detected',
  NEG: 'Negative',
  POS: 'Positive',
  R: 'Resistant',
  S: 'Susceptible',
  U: 'Significantly higher than before',
  W: 'Worse',
};

/** Of an Observation or a component of one; undefined when neither a value nor a reason for none was sent. */
export function valueOf(observation: unknown): ValueWords | undefined {
  const value = quantityOf(member(observation, 'valueQuantity')) ?? otherOf(observation) ?? absentOf(observation);
  if (!value) return undefined;
  const flags = flagsOf(observation);
  return { ...value, ...rangesOf(observation), ...(flags.length > 0 ? { flags } : {}) };
}

const numberOf = (value: unknown): string | undefined => (typeof value === 'number' ? String(value) : textOf(value));

const unitOf = (quantity: unknown): string | undefined => textAt(quantity, 'unit') ?? textAt(quantity, 'code');

const joined = (...words: (string | undefined)[]): string => words.filter((word) => word !== undefined).join(' ');

function quantityOf(quantity: unknown): ValueWords | undefined {
  const number = numberOf(member(quantity, 'value'));
  if (number === undefined) return undefined;
  const comparator = textAt(quantity, 'comparator');
  const unit = unitOf(quantity);
  return {
    text: joined(`${comparator ?? ''}${number}`, unit),
    number,
    ...(comparator === undefined ? {} : { comparator }),
    ...(unit === undefined ? {} : { unit }),
  };
}

/** A quantity in words, such as that of a dose. */
export const quantityWords = (quantity: unknown): string | undefined => quantityOf(quantity)?.text;

function otherOf(observation: unknown): ValueWords | undefined {
  const value = (name: string): unknown => member(observation, name);
  const integer = numberOf(value('valueInteger'));
  if (integer !== undefined) return { text: integer, number: integer };
  const truth = value('valueBoolean');
  const words =
    wordsOf(value('valueCodeableConcept')) ??
    short(textOf(value('valueString'))) ??
    (typeof truth === 'boolean' ? (truth ? 'Yes' : 'No') : undefined) ??
    textOf(value('valueDateTime')) ??
    textOf(value('valueTime')) ??
    between(value('valueRange')) ??
    ratio(value('valueRatio')) ??
    period(value('valuePeriod')) ??
    (isObject(value('valueSampledData')) ? 'A series of samples' : undefined);
  return words === undefined ? undefined : { text: words };
}

function ratio(value: unknown): string | undefined {
  const [above, below] = [quantityWords(member(value, 'numerator')), quantityWords(member(value, 'denominator'))];
  return above === undefined || below === undefined ? undefined : `${above} : ${below}`;
}

function period(value: unknown): string | undefined {
  const [start, end] = [textAt(value, 'start'), textAt(value, 'end')];
  return start === undefined && end === undefined ? undefined : `${start ?? '…'} – ${end ?? '…'}`;
}

/** `3.5–5.0 mmol/L`; open ends in words. */
function between(range: unknown): string | undefined {
  const [low, high] = [member(range, 'low'), member(range, 'high')];
  const [from, to] = [numberOf(member(low, 'value')), numberOf(member(high, 'value'))];
  const unit = unitOf(high) ?? unitOf(low);
  if (from !== undefined && to !== undefined) return joined(`${from}–${to}`, unit);
  if (from !== undefined) return joined(`at least ${from}`, unit);
  return to === undefined ? undefined : joined(`at most ${to}`, unit);
}

function rangesOf(observation: unknown): Pick<ValueWords, 'ranges' | 'low' | 'high'> {
  const given = listOf(member(observation, 'referenceRange'));
  const ranges = given.flatMap((range) => {
    const words = between(range) ?? short(textAt(range, 'text'));
    const whom = [member(range, 'type'), ...listOf(member(range, 'appliesTo'))].flatMap((one) => wordsOf(one) ?? []);
    return words === undefined ? [] : [whom.length > 0 ? `${words} (${whom.join(', ')})` : words];
  });
  if (ranges.length === 0) return {};
  const [low, high] = [numberAt(given[0], 'low'), numberAt(given[0], 'high')];
  return {
    ranges,
    ...(given.length === 1 && low !== undefined ? { low } : {}),
    ...(given.length === 1 && high !== undefined ? { high } : {}),
  };
}

const numberAt = (range: unknown, end: string): string | undefined => numberOf(member(member(range, end), 'value'));

function flagsOf(observation: unknown): { code: string; text: string }[] {
  return listOf(member(observation, 'interpretation')).flatMap((concept) => {
    const code = codesOf(concept)[0] ?? '';
    const words = wordsOf(concept);
    if (words === undefined) return [];
    return [{ code, text: words === code && Object.hasOwn(FLAGS, code) ? FLAGS[code]! : words }];
  });
}

function absentOf(observation: unknown): ValueWords | undefined {
  const reason = member(observation, 'dataAbsentReason');
  const words = wordsOf(reason);
  if (words === undefined) return undefined;
  const code = codesOf(reason).find((one) => Object.hasOwn(ABSENT, one));
  return { text: textAt(reason, 'text') ?? (code === undefined ? words : ABSENT[code]!), isAbsent: true };
}
