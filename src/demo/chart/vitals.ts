import { hl7, quantity, SYSTEM, concept, type Coding } from '../core/fhir.js';
import { localTime } from '../core/dates.js';
import { Decimal, type JsonObject } from '../core/json.js';
import type { Body } from './body.js';
import type { Chart, Reference } from './chart.js';
import { ageAt } from '../person.js';

export interface VitalsAt {
  at: Date;
  encounter: Reference;
  performer: JsonObject;
  fever?: boolean;
  /** Oxygen is measured when the chest is the question. */
  chest?: boolean;
  /** Height and all that follows from it: yearly, and at every visit of a child. */
  full: boolean;
}

/** What a note quotes. */
export interface Measured {
  weight: Decimal;
  pressure?: string;
  temperature?: Decimal;
}

const CATEGORY = [hl7('observation-category', 'vital-signs', 'Vital Signs')];

const loinc = (code: string, display: string): Coding => [SYSTEM.loinc, code, display];

/** Writes one visit's vital signs; what is measured depends on age as it does at a nurse's desk. */
export function recordVitals(chart: Chart, body: Body, visit: VitalsAt): Measured {
  const age = ageAt(chart.person, visit.at);
  const one = (profile: string, codes: readonly Coding[], value: Decimal, unit: string, ucum = unit): void => {
    observe(chart, visit, profile, { code: concept(codes), valueQuantity: quantity(value, unit, ucum) });
  };
  const weight = Decimal.of(body.weightKg(visit.at), 2);
  one('body-weight', [loinc('29463-7', 'Body weight')], weight, 'kg');
  if (visit.full) {
    const height = Decimal.of(body.heightCm(visit.at), 1);
    one('body-height', [loinc('8302-2', 'Body height')], height, 'cm');
    if (age >= 2) {
      const bmi = Decimal.of(weight.value / (height.value / 100) ** 2, 2);
      one('bmi', [loinc('39156-5', 'Body mass index (BMI) [Ratio]')], bmi, 'kg/m2');
    } else {
      const head = Decimal.of(body.headCm(visit.at), 1);
      one('head-circumference', [loinc('9843-4', 'Head Occipital-frontal circumference')], head, 'cm');
    }
  }
  if (visit.full || visit.fever || visit.chest) {
    const rate = Decimal.of(body.heartRate(visit.at) + (visit.fever ? 14 : 0), 0);
    one('heart-rate', [loinc('8867-4', 'Heart rate')], rate, '/min');
  }
  if (age < 3 || visit.chest) {
    const breathing = Decimal.of(body.breathing(visit.at) + (visit.chest ? 4 : 0), 0);
    one('respiratory-rate', [loinc('9279-1', 'Respiratory rate')], breathing, '/min');
  }
  const temperature = temperatureAt(chart, visit, age);
  if (temperature) one('body-temperature', [loinc('8310-5', 'Body temperature')], temperature, 'Cel');
  if (visit.chest) {
    const codes = [
      loinc('59408-5', 'Oxygen saturation in Arterial blood by Pulse oximetry'),
      loinc('2708-6', 'Oxygen saturation in Arterial blood'),
    ];
    one('pulse-oximetry', codes, Decimal.of(chart.random.int(91, 96), 0), '%');
  }
  return { weight, temperature, pressure: age >= 3 ? recordPressure(chart, body, visit) : undefined };
}

function temperatureAt(chart: Chart, { fever }: VitalsAt, age: number): Decimal | undefined {
  if (fever) return Decimal.of(chart.random.near(38.6, 0.25), 1);
  return age < 1 ? Decimal.of(chart.random.near(36.9, 0.15), 1) : undefined;
}

function recordPressure(chart: Chart, body: Body, visit: VitalsAt): string {
  const systolic = Decimal.of(body.systolic(visit.at), 0);
  const diastolic = Decimal.of(chart.random.near(systolic.value * 0.62, 3), 0);
  const component = (code: string, display: string, value: Decimal): JsonObject => ({
    code: concept([loinc(code, display)]),
    valueQuantity: quantity(value, 'mmHg', 'mm[Hg]'),
  });
  observe(chart, visit, 'blood-pressure', {
    code: concept([loinc('85354-9', 'Blood pressure panel with all children optional')], 'Blood pressure'),
    component: [
      component('8480-6', 'Systolic blood pressure', systolic),
      component('8462-4', 'Diastolic blood pressure', diastolic),
    ],
  });
  return `${systolic.text}/${diastolic.text} mmHg`;
}

function observe(chart: Chart, visit: VitalsAt, profile: string, body: JsonObject): void {
  chart.add({
    type: 'Observation',
    at: visit.at,
    profile,
    body: {
      status: 'final',
      category: CATEGORY,
      subject: chart.subject,
      encounter: visit.encounter,
      effectiveDateTime: localTime(visit.at),
      performer: [visit.performer],
      ...body,
    },
  });
}
