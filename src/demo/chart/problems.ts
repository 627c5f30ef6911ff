import { MEDICATIONS, ROUTES, type Medication, type MedicationKey } from '../codes/medications.js';
import { ILLNESSES, PROBLEMS, type IllnessKey, type Problem } from '../codes/problems.js';
import { addDays, addMinutes, day, daysBetween, localTime, month, yearsBefore } from '../core/dates.js';
import { coding, concept, hl7, narrative, quantity, RESTRICTED_PSYCHIATRY, snomed, SYSTEM } from '../core/fhir.js';
import { Decimal, type JsonObject } from '../core/json.js';
import { practitionerRef } from '../directory.js';
import { ageAt, isSensitive, primaryOf, specialistOf } from '../person.js';
import type { Chart, Reference } from './chart.js';

/** The problem list with what is done about it: medicines, a goal and a plan. */
export function recordProblems(chart: Chart): void {
  const { person } = chart;
  const conditions: Reference[] = [];
  const goals: Reference[] = [];
  const taken = new Set<MedicationKey>();
  for (const key of person.slot.problems ?? []) {
    const problem: Problem = PROBLEMS[key];
    const onset = onsetOf(chart);
    const condition = recordProblem(chart, problem, onset);
    conditions.push(condition);
    for (const medication of problem.medications ?? []) {
      if (!taken.has(medication)) prescribeLasting(chart, medication, condition, onset, problem);
      taken.add(medication);
    }
    if (problem.goal) goals.push(recordGoal(chart, problem, problem.goal, condition));
  }
  if (goals.length > 0) recordPlan(chart, conditions, goals);
}

/** The diagnosis of one visit, and the medicine given for it. */
export function recordIllness(
  chart: Chart,
  key: IllnessKey,
  at: Date,
  encounter: Reference,
  prescriber: JsonObject,
): void {
  const illness = ILLNESSES[key];
  const days = chart.random.int(6, 21);
  const resolved = daysBetween(at, chart.person.end) > days;
  const condition = chart.add({
    type: 'Condition',
    at,
    profile: 'condition-encounter-diagnosis',
    body: {
      clinicalStatus: resolved
        ? hl7('condition-clinical', 'resolved', 'Resolved')
        : hl7('condition-clinical', 'active', 'Active'),
      verificationStatus: hl7('condition-ver-status', 'confirmed', 'Confirmed'),
      category: [hl7('condition-category', 'encounter-diagnosis', 'Encounter Diagnosis')],
      ...diagnosis(illness),
      subject: chart.subject,
      encounter,
      onsetDateTime: day(addDays(at, -2) > chart.person.birth ? addDays(at, -2) : at),
      abatementDateTime: resolved ? day(addDays(at, days)) : undefined,
      recordedDate: localTime(at),
    },
  });
  const medications: readonly MedicationKey[] = (illness as Problem).medications ?? [];
  for (const medication of medications)
    prescribe(chart, { key: medication, at, encounter, reason: condition, prescriber });
}

const onsetOf = (chart: Chart): Date => {
  const { person } = chart;
  const age = ageAt(person, person.end);
  return addMinutes(
    yearsBefore(person.end, chart.random.between(Math.min(2.2, age * 0.2), Math.min(9, age * 0.45))),
    900,
  );
};

const diagnosis = ({ snomed: code, icd10, text }: Problem): JsonObject => ({
  code: concept([
    [SYSTEM.snomed, code, text],
    [SYSTEM.icd10, icd10, text],
  ]),
});

const securityOf = (problem: Problem): JsonObject[] | undefined =>
  problem.sensitive ? RESTRICTED_PSYCHIATRY : undefined;

function recordProblem(chart: Chart, problem: Problem, onset: Date): Reference {
  return chart.add({
    type: 'Condition',
    at: onset,
    profile: 'condition-problems-health-concerns',
    security: securityOf(problem),
    body: {
      clinicalStatus: hl7('condition-clinical', 'active', 'Active'),
      verificationStatus: hl7('condition-ver-status', 'confirmed', 'Confirmed'),
      category: [hl7('condition-category', 'problem-list-item', 'Problem List Item')],
      ...diagnosis(problem),
      subject: chart.subject,
      // Patients remember the month; a day would be made up.
      onsetDateTime: month(onset),
      recordedDate: localTime(onset),
      recorder: practitionerRef(primaryOf(chart.person)),
    },
  });
}

function prescribeLasting(chart: Chart, key: MedicationKey, reason: Reference, onset: Date, problem: Problem): void {
  const { person } = chart;
  const prescriber = practitionerRef(specialistOf(person));
  const security = securityOf(problem);
  const first = addDays(onset, chart.random.int(0, 20));
  const renewal = addMinutes(addDays(person.end, -chart.random.int(8, MEDICATIONS[key].days - 5)), 15 * 60 + 25);
  for (const at of [first, renewal]) {
    if (at < person.end) prescribe(chart, { key, at, reason, prescriber, security });
  }
}

interface Prescription {
  key: MedicationKey;
  at: Date;
  reason: Reference;
  prescriber: JsonObject;
  encounter?: Reference;
  security?: JsonObject[];
}

function prescribe(chart: Chart, { key, at, reason, prescriber, encounter, security }: Prescription): void {
  const medication: Medication = MEDICATIONS[key];
  const running = !chart.person.deceased && daysBetween(at, chart.person.end) < medication.days;
  chart.add({
    type: 'MedicationRequest',
    at,
    profile: 'medicationrequest',
    security,
    body: {
      status: running ? 'active' : 'completed',
      intent: 'order',
      category: [hl7('medicationrequest-category', 'community', 'Community')],
      reportedBoolean: false,
      medicationCodeableConcept: concept([[SYSTEM.rxnorm, medication.rxnorm, medication.display]]),
      subject: chart.subject,
      encounter,
      authoredOn: localTime(at),
      requester: prescriber,
      reasonReference: [reason],
      dosageInstruction: [dosage(medication, ageAt(chart.person, at))],
      dispenseRequest: {
        numberOfRepeatsAllowed: medication.days >= 90 ? 3 : 0,
        expectedSupplyDuration: quantity(new Decimal(String(medication.days)), 'days', 'd'),
      },
    },
  });
}

function dosage(medication: Medication, age: number): JsonObject {
  const [times, hours] = medication.every;
  const [adultDose, unit, ucum] = medication.dose;
  const dose = age < 12 ? (medication.childDose ?? adultDose) : adultDose;
  return {
    text: medication.sig,
    timing: {
      repeat: {
        frequency: times,
        period: new Decimal(hours === 24 ? '1' : String(hours)),
        periodUnit: hours === 24 ? 'd' : 'h',
      },
    },
    asNeededBoolean: medication.asNeeded,
    route: snomed(...ROUTES[medication.route]),
    doseAndRate: [{ doseQuantity: quantity(new Decimal(dose), unit, ucum) }],
  };
}

function recordGoal(chart: Chart, problem: Problem, text: string, condition: Reference): Reference {
  const { person } = chart;
  const at = addMinutes(addDays(person.end, -chart.random.int(60, 200)), 16 * 60);
  return chart.add({
    type: 'Goal',
    at,
    profile: 'goal',
    security: securityOf(problem),
    body: {
      lifecycleStatus: person.deceased ? 'cancelled' : 'active',
      achievementStatus: person.deceased ? undefined : hl7('goal-achievement', 'in-progress', 'In Progress'),
      description: { text },
      subject: chart.subject,
      startDate: day(at),
      target: [{ dueDate: day(addDays(at, 365)) }],
      addresses: [condition],
    },
  });
}

function recordPlan(chart: Chart, addresses: Reference[], goal: Reference[]): void {
  const { person } = chart;
  const at = addMinutes(addDays(person.end, -chart.random.int(20, 50)), 16 * 60);
  const aims = (person.slot.problems ?? []).map((key) => (PROBLEMS[key] as Problem).goal).filter((aim) => aim != null);
  chart.add({
    type: 'CarePlan',
    at,
    profile: 'careplan',
    security: isSensitive(person) ? RESTRICTED_PSYCHIATRY : undefined,
    body: {
      text: narrative(`Plan of care. ${aims.join('. ')}.`),
      status: person.deceased ? 'revoked' : 'active',
      intent: 'plan',
      category: [
        {
          coding: [
            coding([
              'http://hl7.org/fhir/us/core/CodeSystem/careplan-category',
              'assess-plan',
              'Assessment and Plan of Treatment',
            ]),
          ],
        },
      ],
      title: 'Plan of care',
      subject: chart.subject,
      period: { start: day(at), end: person.deceased ? day(person.deceased) : day(addDays(at, 365)) },
      created: localTime(at),
      author: practitionerRef(primaryOf(person)),
      addresses,
      goal,
    },
  });
}
