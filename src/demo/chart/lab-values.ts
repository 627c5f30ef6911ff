import { ANALYTES, type Analyte, type AnalyteKey, type PanelKey, PANELS } from '../codes/labs.js';
import { ILLNESSES, PROBLEMS, type IllnessKey, type Problem } from '../codes/problems.js';
import { yearsBetween } from '../core/dates.js';
import type { Random } from '../core/random.js';
import { ageAt, type Person } from '../person.js';

export interface ExpectedRange {
  low?: number;
  high?: number;
}

export function rangeFor(key: AnalyteKey, person: Person, at: Date): ExpectedRange {
  const analyte: Analyte = ANALYTES[key];
  const { low, high } = variant(analyte, person, at);
  return { low, high };
}

/** One sample's values, coherent with each other: what is calculated in a laboratory is calculated here. */
export function sample(
  panel: PanelKey,
  person: Person,
  at: Date,
  random: Random,
  illness?: IllnessKey,
): Map<AnalyteKey, number> {
  const values = new Map<AnalyteKey, number>();
  for (const key of PANELS[panel].analytes) values.set(key, measure(key, person, at, random, illness));
  derive(values, person, at);
  return values;
}

function measure(key: AnalyteKey, person: Person, at: Date, random: Random, illness?: IllnessKey): number {
  const analyte: Analyte = ANALYTES[key];
  const { mean } = variant(analyte, person, at);
  const target = (illness && shiftOf(ILLNESSES[illness], key)) ?? chronicTarget(key, mean, person, at) ?? mean;
  return Math.max(analyte.mean * 0.1, random.near(target, analyte.spread * (target / mean)));
}

const shiftOf = (problem: Problem, key: AnalyteKey): number | undefined => problem.shifts?.[key];

/** Treatment works slowly: the further back, the further from normal. */
function chronicTarget(key: AnalyteKey, mean: number, person: Person, at: Date): number | undefined {
  const shift = (person.slot.problems ?? []).map((problem) => shiftOf(PROBLEMS[problem], key)).find((x) => x != null);
  return shift == null ? undefined : mean + (shift - mean) * (1 + 0.07 * yearsBetween(at, person.end));
}

function derive(values: Map<AnalyteKey, number>, person: Person, at: Date): void {
  const get = (key: AnalyteKey): number => round(values.get(key) ?? 0, ANALYTES[key].digits);
  if (values.has('ldl')) values.set('ldl', get('cholesterol') - get('hdl') - get('triglyceride') / 5);
  if (values.has('egfr'))
    values.set('egfr', ckdEpi2021(get('creatinine'), ageAt(person, at), person.slot.sex === 'female'));
  if (values.has('rbc')) {
    values.set('hematocrit', get('hemoglobin') * 2.96);
    values.set('rbc', (get('hematocrit') * 10) / get('mcv'));
    values.set('mch', (get('hemoglobin') * 10) / get('rbc'));
  }
}

// CKD-EPI creatinine equation of 2021 (no race term), doi:10.1056/NEJMoa2102953.
function ckdEpi2021(creatinine: number, age: number, female: boolean): number {
  const ratio = creatinine / (female ? 0.7 : 0.9);
  const low = Math.min(ratio, 1) ** (female ? -0.241 : -0.302);
  return 142 * low * Math.max(ratio, 1) ** -1.2 * 0.9938 ** age * (female ? 1.012 : 1);
}

const round = (value: number, digits: number): number => Number(value.toFixed(digits));

function variant(analyte: Analyte, person: Person, at: Date) {
  if (analyte.child && ageAt(person, at) < 13) return analyte.child;
  return person.slot.sex === 'female' && analyte.female ? analyte.female : analyte;
}
