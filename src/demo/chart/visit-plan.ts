import type { PanelKey } from '../codes/labs.js';
import { ILLNESSES, PROBLEMS, type Illness, type IllnessKey, type Problem } from '../codes/problems.js';
import { addDays, addMinutes, daysBetween, startOfDay, workday, yearsBefore } from '../core/dates.js';
import type { Random } from '../core/random.js';
import { ageAt, type Person } from '../person.js';

export type VisitKind = 'wellChild' | 'checkup' | 'followUp' | 'acute' | 'emergency' | 'inpatient';

export interface VisitPlan {
  kind: VisitKind;
  at: Date;
  panels: readonly PanelKey[];
  illness?: IllnessKey;
  /** Results of it are not final yet, or were replaced. */
  pending?: boolean;
  corrected?: boolean;
  screened?: boolean;
}

/** The days a newborn, an infant, a toddler is seen on; after that, birthdays. */
const WELL_CHILD_DAYS = [3, 14, 61, 122, 183, 274, 366, 549, 731, 1096];
const CHECKUPS = 3;
const HISTORY_YEARS = 4;

/** Every visit of the last years, oldest first. */
export function planVisits(person: Person, random: Random): VisitPlan[] {
  const routine = ageAt(person, person.end) < 18 ? wellChild(person, random) : adult(person, random);
  const visits = [...routine, ...sickness(person, random)]
    .filter(({ at }) => at > addDays(person.birth, 1) && at < addMinutes(person.end, -60))
    .sort((a, b) => a.at.getTime() - b.at.getTime());
  markLabs(person, visits);
  return visits;
}

/** Somewhere in a working day. */
const clinicHours = (date: Date, random: Random): Date =>
  addMinutes(startOfDay(workday(date)), 13 * 60 + random.int(0, 27) * 15);

function wellChild(person: Person, random: Random): VisitPlan[] {
  const ages = [...WELL_CHILD_DAYS];
  for (let year = 4; year < 18; year++) ages.push(Math.round(year * 365.25) + 20);
  return ages
    .map((ageDays) => ({ ageDays, at: clinicHours(addDays(person.birth, ageDays), random) }))
    .filter(({ at }) => at > yearsBefore(person.end, HISTORY_YEARS))
    .map(({ ageDays, at }) => ({ kind: 'wellChild', at, panels: childPanels(ageDays), screened: ageDays > 12 * 365 }));
}

function checkupPanels(person: Person, yearsBack: number): PanelKey[] {
  if (yearsBack === 0) return ['metabolic', 'lipid', ...problemPanels(person, 'yearly')];
  if (yearsBack === 1) return ['cbc'];
  return person.slot.age < 50 ? [] : ['metabolic'];
}

const childPanels = (ageDays: number): PanelKey[] => {
  if (ageDays === 366) return ['cbc', 'lead'];
  if (ageDays === 731) return ['lead'];
  return ageDays > 15 * 365 && ageDays < 17 * 365 ? ['cbc'] : [];
};

function adult(person: Person, random: Random): VisitPlan[] {
  const { slot, end } = person;
  const monitored = problemPanels(person, 'panels');
  const visits: VisitPlan[] = [];
  for (let back = 0; back < CHECKUPS; back++) {
    const at = clinicHours(addDays(yearsBefore(end, back), -random.int(35, 75)), random);
    const panels = checkupPanels(person, back);
    visits.push({ kind: 'checkup', at, panels, screened: back < 2 });
  }
  const followUps = Math.min(3, (slot.problems ?? []).length + (monitored.length > 0 ? 1 : 0));
  for (let back = 0; back < followUps; back++) {
    const at = clinicHours(addDays(end, -(120 + back * 115 + random.int(0, 18))), random);
    visits.push({ kind: 'followUp', at, panels: monitored });
  }
  if (slot.resultPending)
    visits.push({ kind: 'followUp', at: addMinutes(workday(addDays(end, -4)), 14 * 60 + 30), panels: monitored });
  return visits;
}

const problemPanels = (person: Person, which: 'panels' | 'yearly'): PanelKey[] => [
  ...new Set((person.slot.problems ?? []).flatMap((key) => (PROBLEMS[key] as Problem)[which] ?? [])),
];

function sickness(person: Person, random: Random): VisitPlan[] {
  return (person.slot.illnesses ?? []).map((illness, index) => {
    const description: Illness = ILLNESSES[illness];
    const at = clinicHours(sickDay(person, illness, index, random), random);
    return { kind: sickKind(illness, description, person), at, panels: description.panels ?? [], illness };
  });
}

function sickDay(person: Person, illness: IllnessKey, index: number, random: Random): Date {
  if (illness === 'jaundice') return addDays(person.birth, 2);
  if (illness === 'decompensation') return addDays(person.end, -12);
  const longest = Math.min(1100, daysBetween(person.birth, person.end) * 0.7);
  return addDays(person.end, -random.between(longest * 0.1 * (index + 1), longest * (0.4 + 0.25 * index)));
}

function sickKind(key: IllnessKey, illness: Illness, person: Person): VisitKind {
  if (key === 'decompensation' || (key === 'pneumonia' && person.slot.age > 64)) return 'inpatient';
  return illness.emergency ? 'emergency' : 'acute';
}

function markLabs(person: Person, visits: VisitPlan[]): void {
  const withLabs = visits.filter(({ panels }) => panels.length > 0);
  const newest = withLabs.at(-1);
  const older = withLabs.at(-4);
  if (person.slot.resultPending && newest) newest.pending = true;
  if (person.slot.resultCorrected && older) older.corrected = true;
}
