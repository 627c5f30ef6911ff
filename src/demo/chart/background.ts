import { CHILDHOOD, VACCINES, type VaccineKey } from '../codes/vaccines.js';
import { ALLERGIES, DEVICES, PROCEDURES } from '../codes/procedures.js';
import { addDays, addMinutes, day, daysBetween, earliest, localTime, workday, yearsBefore } from '../core/dates.js';
import { concept, hl7, quantity, snomed, SYSTEM } from '../core/fhir.js';
import { Decimal, type JsonObject } from '../core/json.js';
import { locationRef, organizationRef, practitionerRef } from '../directory.js';
import { ageAt, primaryOf } from '../person.js';
import type { Chart } from './chart.js';

/** What a patient brings along: allergies, vaccinations, operations and what was implanted. */
export function recordBackground(chart: Chart): void {
  recordAllergy(chart);
  recordVaccinations(chart);
  recordProcedures(chart);
  recordSmoking(chart);
}

function recordAllergy(chart: Chart): void {
  const { person } = chart;
  const at = addMinutes(yearsBefore(person.end, Math.min(4, ageAt(person, person.end) * 0.4)), 15 * 60);
  const allergy = person.slot.allergy && ALLERGIES[person.slot.allergy];
  const status = {
    clinicalStatus: hl7('allergyintolerance-clinical', 'active', 'Active'),
    verificationStatus: hl7('allergyintolerance-verification', 'confirmed', 'Confirmed'),
  };
  const known = allergy && {
    type: 'allergy',
    category: [allergy.category],
    criticality: allergy.criticality,
    code: concept([[SYSTEM[allergy.system], allergy.code, allergy.display]]),
    reaction: [{ manifestation: [snomed(...allergy.reaction)], severity: allergy.severity }],
  };
  chart.add({
    type: 'AllergyIntolerance',
    at,
    profile: 'allergyintolerance',
    body: {
      ...status,
      ...(known ?? { code: snomed('716186003', 'No known allergy') }),
      patient: chart.subject,
      recordedDate: localTime(at),
      recorder: practitionerRef(primaryOf(person)),
    },
  });
}

function recordVaccinations(chart: Chart): void {
  const { person } = chart;
  const age = ageAt(person, person.end);
  if (age < 20) {
    for (const [ageDays, vaccines] of CHILDHOOD) {
      const at = atNoon(addDays(person.birth, ageDays));
      if (daysBetween(at, person.end) > 0) vaccines.forEach((vaccine) => recordVaccination(chart, vaccine, at));
    }
  }
  if (age >= 20)
    recordVaccination(chart, age < 60 ? 'tdap' : 'td', atNoon(yearsBefore(person.end, chart.random.between(3, 9))));
  if (age >= 65)
    recordVaccination(chart, 'ppv23', atNoon(yearsBefore(person.end, chart.random.between(0.5, (age - 65) / 2 + 0.6))));
  if (age >= 52) [700, 560].forEach((days) => recordVaccination(chart, 'zoster', atNoon(addDays(person.end, -days))));
  for (let year = 0; year < 3; year++) {
    const season = autumnBefore(person.end, year);
    if (daysBetween(person.birth, season) > 200 && chart.random.chance(0.75))
      recordVaccination(chart, 'influenza', workday(season));
  }
}

const atNoon = (date: Date): Date => addMinutes(workday(date), 17 * 60);

function autumnBefore(end: Date, yearsBack: number): Date {
  const thisYear = new Date(Date.UTC(end.getUTCFullYear(), 9, 12, 15, 20));
  const last = thisYear < end ? end.getUTCFullYear() : end.getUTCFullYear() - 1;
  return new Date(Date.UTC(last - yearsBack, 9, 12, 15, 20));
}

function recordVaccination(chart: Chart, key: VaccineKey, when: Date): void {
  const { person } = chart;
  // "Yesterday noon" of someone seen at dawn would lie after the end of the chart.
  const at = earliest(when, addMinutes(person.end, -60));
  const { cvx, display } = VACCINES[key];
  const outside = daysBetween(at, person.end) > 6 * 365;
  chart.add({
    type: 'Immunization',
    at,
    profile: 'immunization',
    body: {
      status: 'completed',
      vaccineCode: concept([[SYSTEM.cvx, cvx, display]]),
      patient: chart.subject,
      occurrenceDateTime: outside ? day(at) : localTime(at),
      primarySource: !outside,
      reportOrigin: outside ? hl7('immunization-origin', 'record', 'Written Record') : undefined,
      location: outside ? undefined : locationRef('clinic'),
      lotNumber: outside ? undefined : `D${chart.random.int(1000, 9999)}`,
      doseQuantity: outside ? undefined : quantity(new Decimal('0.50'), 'mL'),
    },
  });
}

function recordProcedures(chart: Chart): void {
  const { person } = chart;
  for (const [key, yearsAgo] of person.slot.procedures ?? []) {
    const at = addMinutes(addDays(yearsBefore(person.end, yearsAgo), chart.random.int(-9, 9)), 15 * 60);
    const { display, snomed: code, category } = PROCEDURES[key];
    const end = addMinutes(at, chart.random.int(20, 110));
    chart.add({
      type: 'Procedure',
      at: end,
      profile: 'procedure',
      body: {
        status: 'completed',
        category: snomed(...category),
        code: snomed(code, display),
        subject: chart.subject,
        performedPeriod: { start: localTime(at), end: localTime(end) },
        performer: [{ actor: organizationRef('hospital') }],
        location: locationRef('ward'),
      },
    });
    if (person.slot.device === key) recordDevice(chart, at);
  }
}

function recordDevice(chart: Chart, implanted: Date): void {
  const { device } = chart.person.slot;
  if (!device) return;
  const { snomed: code, display, maker, model } = DEVICES[device];
  const made = addDays(implanted, -200);
  const serial = `SN${chart.random.int(100000, 999999)}`;
  // Shaped like a GS1 number, but no registered device.
  const identifier = `00999999${String(chart.random.int(100000, 999999))}`;
  const stamp = day(made).slice(2).replaceAll('-', '');
  chart.add({
    type: 'Device',
    at: implanted,
    profile: 'implantable-device',
    body: {
      udiCarrier: [{ deviceIdentifier: identifier, carrierHRF: `(01)${identifier}(11)${stamp}(21)${serial}` }],
      status: 'active',
      manufacturer: maker,
      manufactureDate: day(made),
      expirationDate: day(addDays(made, 1460)),
      serialNumber: serial,
      deviceName: [{ name: display, type: 'user-friendly-name' }],
      modelNumber: model,
      type: snomed(code, display),
      patient: chart.subject,
    },
  });
}

const SMOKING = {
  never: snomed('266919005', 'Never smoked tobacco'),
  former: snomed('8517006', 'Ex-smoker'),
  daily: snomed('449868002', 'Smokes tobacco daily'),
} as const satisfies Record<string, JsonObject>;

function recordSmoking(chart: Chart): void {
  const { person } = chart;
  if (ageAt(person, person.end) < 13) return;
  for (const yearsAgo of [2.4, 0.4]) {
    const at = addMinutes(yearsBefore(person.end, yearsAgo), 15 * 60);
    chart.add({
      type: 'Observation',
      at,
      profile: 'smokingstatus',
      body: {
        status: 'final',
        category: [hl7('observation-category', 'social-history', 'Social History')],
        code: concept([[SYSTEM.loinc, '72166-2', 'Tobacco smoking status']]),
        subject: chart.subject,
        effectiveDateTime: localTime(at),
        valueCodeableConcept: SMOKING[person.slot.smoking ?? 'never'],
      },
    });
  }
}
