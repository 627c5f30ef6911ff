import { ILLNESSES, PROBLEMS, type Illness } from '../codes/problems.js';
import { addDays, addMinutes, earliest, localTime } from '../core/dates.js';
import { coding, hl7, RESTRICTED_PSYCHIATRY, snomed, SYSTEM, concept } from '../core/fhir.js';
import type { JsonObject } from '../core/json.js';
import { locationRef, organizationRef, practitionerRef, type LocationKey } from '../directory.js';
import type { Clinician } from '../people.js';
import { ageAt, isSensitive, primaryOf, specialistOf } from '../person.js';
import type { Body } from './body.js';
import type { Chart, Reference } from './chart.js';
import { recordChestFilm, recordNote, type NoteType } from './documents.js';
import { recordPanel, type LabStatus } from './labs.js';
import { recordIllness } from './problems.js';
import { recordProvenance } from './registration.js';
import { recordPhq2 } from './screening.js';
import { planVisits, type VisitKind, type VisitPlan } from './visit-plan.js';
import { recordVitals, type Measured } from './vitals.js';

interface Kind {
  encounter: readonly [code: string, display: string];
  class: readonly [code: string, display: string];
  location: LocationKey;
  note: NoteType;
}

const AMBULATORY = ['AMB', 'ambulatory'] as const;

const KINDS: Record<VisitKind, Kind> = {
  wellChild: { encounter: ['410620009', 'Well child visit'], class: AMBULATORY, location: 'clinic', note: 'history' },
  checkup: {
    encounter: ['185349003', 'Encounter for check up'],
    class: AMBULATORY,
    location: 'clinic',
    note: 'history',
  },
  followUp: {
    encounter: ['390906007', 'Follow-up encounter'],
    class: AMBULATORY,
    location: 'clinic',
    note: 'progress',
  },
  acute: { encounter: ['185345009', 'Encounter for symptom'], class: AMBULATORY, location: 'clinic', note: 'progress' },
  emergency: {
    encounter: ['50849002', 'Emergency room admission'],
    class: ['EMER', 'emergency'],
    location: 'emergency',
    note: 'emergency',
  },
  inpatient: {
    encounter: ['32485007', 'Hospital admission'],
    class: ['IMP', 'inpatient encounter'],
    location: 'ward',
    note: 'discharge',
  },
};

interface Visit extends VisitPlan {
  clinician: Clinician;
  end: Date;
  encounter: Reference;
  illnessText?: Illness;
}

export function recordVisits(chart: Chart, body: Body): void {
  for (const plan of planVisits(chart.person, chart.random)) recordVisit(chart, body, plan);
}

function recordVisit(chart: Chart, body: Body, plan: VisitPlan): void {
  const visit = openVisit(chart, plan);
  const { encounter, at, illness } = visit;
  const requester = practitionerRef(visit.clinician);
  const measured = recordVitals(chart, body, {
    at: addMinutes(at, 6),
    encounter,
    performer: requester,
    fever: visit.illnessText?.fever,
    chest: visit.illnessText?.xray,
    full: visit.kind === 'checkup' || visit.kind === 'wellChild',
  });
  if (illness) recordIllness(chart, illness, addMinutes(at, 15), encounter, requester);
  if (visit.illnessText?.xray) recordChestFilm(chart, addMinutes(at, 40), encounter, requester, chestFinding(visit));
  recordLabs(chart, visit, requester);
  const score = visit.screened ? recordPhq2(chart, addMinutes(at, 10), encounter) : undefined;
  writeNote(chart, visit, measured, score);
}

function openVisit(chart: Chart, plan: VisitPlan): Visit {
  const { person } = chart;
  const clinician = plan.kind === 'followUp' ? specialistOf(person) : primaryOf(person);
  const length = plan.kind === 'inpatient' ? chart.random.int(3, 6) * 1440 + 95 : chart.random.int(20, 45);
  const end = earliest(addMinutes(plan.at, length), addMinutes(person.end, -30));
  const illnessText = plan.illness && ILLNESSES[plan.illness];
  const encounter = chart.add({
    type: 'Encounter',
    at: end,
    profile: 'encounter',
    body: encounterBody(chart, plan, clinician, end, illnessText),
  });
  return { ...plan, clinician, end, encounter, illnessText };
}

function encounterBody(
  chart: Chart,
  plan: VisitPlan,
  clinician: Clinician,
  end: Date,
  illness: Illness | undefined,
): JsonObject {
  const kind = KINDS[plan.kind];
  const period = { start: localTime(plan.at), end: localTime(end) };
  return {
    status: 'finished',
    class: coding([SYSTEM.act, ...kind.class]),
    type: [snomed(...kind.encounter)],
    subject: chart.subject,
    participant: [
      {
        type: [hl7('v3-ParticipationType', 'PPRF', 'primary performer')],
        period,
        individual: practitionerRef(clinician),
      },
    ],
    period,
    reasonCode: illness && [concept([[SYSTEM.snomed, illness.snomed, illness.text]])],
    hospitalization:
      plan.kind === 'inpatient' ? { dischargeDisposition: hl7('discharge-disposition', 'home', 'Home') } : undefined,
    location: [{ location: locationRef(kind.location), status: 'completed' }],
    serviceProvider: organizationRef('hospital'),
  };
}

function recordLabs(chart: Chart, visit: Visit, requester: JsonObject): void {
  const status: LabStatus = visit.pending ? 'preliminary' : visit.corrected ? 'corrected' : 'final';
  visit.panels.forEach((panel, index) => {
    recordPanel(chart, {
      panel,
      at: addMinutes(visit.at, 25),
      encounter: visit.encounter,
      requester,
      // Of several panels the first is the one still open or replaced.
      status: index === 0 ? status : 'final',
      ordered: index === 0 && visit.kind !== 'inpatient',
      illness: visit.illness,
    });
  });
}

const chestFinding = ({ illness }: Visit): string =>
  illness === 'pneumonia'
    ? 'Consolidation in the right lower lobe, in keeping with pneumonia.'
    : illness === 'decompensation'
      ? 'Enlarged heart, small effusions on both sides, congested vessels.'
      : 'Clear lungs, normal heart size, no effusion.';

function writeNote(chart: Chart, visit: Visit, measured: Measured, score: number | undefined): void {
  const note = recordNote(chart, {
    type: KINDS[visit.kind].note,
    at: earliest(addMinutes(visit.end, 30), addMinutes(chart.person.end, -10)),
    start: visit.at,
    encounter: visit.encounter,
    author: visit.clinician,
    lines: noteLines(chart, visit, measured, score),
    security: isSensitive(chart.person) ? RESTRICTED_PSYCHIATRY : undefined,
  });
  if (visit.kind === 'inpatient' || visit.kind === 'emergency')
    recordProvenance(chart, visit.end, [note, visit.encounter]);
}

function noteLines(chart: Chart, visit: Visit, measured: Measured, score: number | undefined): string[] {
  const { person } = chart;
  const problems = (person.slot.problems ?? []).map((key) => PROBLEMS[key].text);
  const vitals = [
    `weight ${measured.weight.text} kg`,
    measured.pressure && `blood pressure ${measured.pressure}`,
    measured.temperature && `temperature ${measured.temperature.text} °C`,
  ];
  return [
    `${person.given.text} ${person.family.text}, ${ageInWords(ageAt(person, visit.at))}, MRN ${person.mrn}.`,
    `Reason: ${visit.illnessText?.complaint ?? KINDS[visit.kind].encounter[1].toLowerCase()}.`,
    `Known problems: ${problems.length > 0 ? problems.join('; ') : 'none'}.`,
    `Found: ${vitals.filter(Boolean).join(', ')}.`,
    ...(score == null ? [] : [`PHQ-2 score ${score} of 6.`]),
    `Assessment: ${visit.illnessText?.text ?? 'stable, no new findings'}.`,
    `Plan: ${planOf(visit)}`,
  ];
}

const PLANS: Record<VisitKind, string> = {
  wellChild: 'Growth and development as expected for age. Vaccinations reviewed. Next visit by schedule.',
  checkup: 'Results will be in the portal. Back in twelve months, sooner if anything changes.',
  followUp: 'Continue the present treatment. Laboratory as ordered. Review in four to five months.',
  acute: 'Rest and fluids. Come back if it is not better in a week, at once if breathing becomes hard.',
  emergency: 'Cold, rest and elevation. See the clinic in one week.',
  inpatient: 'Discharged home in stable condition. Medicines reviewed. Clinic visit within seven days.',
};

const planOf = ({ kind, end }: Visit): string =>
  kind === 'inpatient' ? `${PLANS[kind]} Not later than ${localTime(addDays(end, 7)).slice(0, 10)}.` : PLANS[kind];

function ageInWords(years: number): string {
  if (years < 0.17) return `${Math.floor(years * 365.25)} days old`;
  return years < 2 ? `${Math.floor(years * 12)} months old` : `${Math.floor(years)} years old`;
}
