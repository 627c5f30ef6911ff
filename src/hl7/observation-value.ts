import { conceptOf, some, type Concept } from './datatypes.js';
import type { Mapping } from './mapping.js';
import type { Segment } from './segment.js';
import { dateTimeOf, timeOf } from './times.js';

/** A number that keeps its digits when it is written: 1.50 stays 1.50. */
const written = (text: string): unknown => (JSON as unknown as { rawJSON: (text: string) => unknown }).rawJSON(text);

const NUMBER = /^([+-]?)0*(\d*)(?:\.(\d*))?$/;
const COMPARED = /^(<=|>=|<|>)\s*([+-]?[\d.]+)$/;
const MAX_DIGITS = 200;
const UCUM = 'http://unitsofmeasure.org';

/** NM → a number of JSON with the same digits; undefined for what is none. */
export function decimalOf(text: string | undefined): unknown {
  const [found, sign, whole = '', fraction = ''] = NUMBER.exec(text?.trim() ?? '') ?? [];
  if (found === undefined || found.length > MAX_DIGITS || whole + fraction + found.replaceAll(/[^0]/g, '') === '')
    return undefined;
  return written(`${sign === '-' ? '-' : ''}${whole === '' ? '0' : whole}${fraction === '' ? '' : `.${fraction}`}`);
}

export interface Unit {
  unit?: string;
  system?: string;
  code?: string;
}

/** OBX-6: UCUM only where the sender says so; else the words alone. */
export function unitOf(obx: Segment, { sender }: Mapping): Unit {
  const coding = conceptOf(obx.first(6), sender)?.coding?.[0];
  const unit = obx.get(6, 2) ?? obx.get(6, 1);
  return coding?.system === UCUM ? { unit, system: UCUM, code: coding.code } : { unit };
}

/** value[x] of an Observation from OBX-2, -5 and -6; undefined: there is none. What is not of its type is kept in words. */
export function valueOf(obx: Segment, mapping: Mapping): object | undefined {
  const values = obx.all(5);
  const [value] = values;
  if (value === undefined || values.every(({ words }) => words === undefined)) return undefined;
  const unit = unitOf(obx, mapping);
  const type = (obx.get(2) ?? '').toUpperCase();
  const found = values.length > 1 ? undefined : single(type, value, unit, mapping);
  if (found !== undefined) return found;
  if (CODED.has(type) && values.length > 1)
    return { valueCodeableConcept: several(values.flatMap((one) => conceptOf(one, mapping.sender) ?? [])) };
  const lines = values.flatMap((one) => (WORDED.has(type) ? one.text : one.words) ?? []);
  return { valueString: lines.join('\n') };
}

const CODED: ReadonlySet<string> = new Set(['CE', 'CWE', 'CNE', 'CF', 'IS', 'ID']);
const WORDED: ReadonlySet<string> = new Set(['ST', 'TX', 'FT', 'NM', '']);

type Value = ReturnType<Segment['all']>[number];

function single(type: string, value: Value, unit: Unit, { sender, zone }: Mapping): object | undefined {
  if (type === 'NM') return numberValue(value.text, unit);
  if (type === 'SN') return structured(value, unit);
  if (CODED.has(type)) {
    const valueCodeableConcept = conceptOf(value, sender);
    return valueCodeableConcept && { valueCodeableConcept };
  }
  if (type === 'DT' || type === 'TS' || type === 'DTM') {
    const valueDateTime = dateTimeOf(value.get(1) ?? '', zone);
    return valueDateTime === undefined ? undefined : { valueDateTime };
  }
  if (type === 'TM') {
    const valueTime = timeOf(value.get(1) ?? '');
    return valueTime === undefined ? undefined : { valueTime };
  }
  return undefined;
}

function numberValue(text: string | undefined, unit: Unit): object | undefined {
  const [, comparator, rest] = COMPARED.exec(text?.trim() ?? '') ?? [];
  const number = decimalOf(rest ?? text);
  return number === undefined ? undefined : { valueQuantity: { value: number, comparator, ...unit } };
}

/** SN: comparator, number, separator, number. */
function structured(value: Value, unit: Unit): object | undefined {
  const [comparator, first, separator, second] = [1, 2, 3, 4].map((at) => value.get(at)?.trim());
  const [low, high] = [decimalOf(first), decimalOf(second)];
  const isPlain = comparator === undefined || comparator === '=';
  if (separator === undefined && second === undefined && low !== undefined) {
    if (isPlain) return { valueQuantity: { value: low, ...unit } };
    return COMPARED.test(`${comparator}1`) ? { valueQuantity: { value: low, comparator, ...unit } } : undefined;
  }
  if (!isPlain || low === undefined || high === undefined) return undefined;
  // a range upside down is no Range of R4 (rng-2), so that it stays in the sender's words
  if (separator === '-' && Number(first) > Number(second)) return undefined;
  if (separator === '-') return { valueRange: { low: { value: low, ...unit }, high: { value: high, ...unit } } };
  if (separator === ':' || separator === '/')
    return { valueRatio: { numerator: { value: low, ...unit }, denominator: { value: high } } };
  return undefined;
}

function several(concepts: readonly Concept[]): Concept {
  const texts = concepts.flatMap(({ text, coding }) => text ?? coding?.[0]?.display ?? coding?.[0]?.code ?? []);
  return { coding: some(concepts.flatMap(({ coding = [] }) => coding)), text: texts.join(', ') };
}

const RANGE = /^\s*([+-]?\d*\.?\d+)\s*-\s*([+-]?\d*\.?\d+)\s*$/;
const BOUND = /^\s*(<=|>=|<|>)\s*([+-]?\d*\.?\d+)\s*$/;

/** OBX-7: always in the sender's words; with numbers where these are without doubt. */
export function rangesOf(obx: Segment, mapping: Mapping): object[] | undefined {
  const text = obx.first(7)?.text;
  if (text === undefined) return undefined;
  const unit = unitOf(obx, mapping);
  const bound = (number: string | undefined) => {
    const value = decimalOf(number);
    return value === undefined ? undefined : { value, ...unit };
  };
  const [, low, high] = RANGE.exec(text) ?? [];
  const [, side, limit] = BOUND.exec(text) ?? [];
  return [
    {
      low: bound(low ?? (side?.startsWith('>') ? limit : undefined)),
      high: bound(high ?? (side?.startsWith('<') ? limit : undefined)),
      text,
    },
  ];
}
