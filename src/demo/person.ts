import { NAMES, parseName, type Name } from './codes/names.js';
import { PROBLEMS } from './codes/problems.js';
import { addDays, addMinutes, latest, startOfDay, yearsBefore, yearsBetween } from './core/dates.js';
import type { Random } from './core/random.js';
import type { Clinician, SpecialtyName } from './people.js';
import { ROSTER, type Slot } from './roster.js';

export interface TeamMember {
  clinician: Clinician;
  start: Date;
  end?: Date;
}

/** A patient as the chart writers see one. */
export interface Person {
  index: number;
  slot: Slot;
  mrn: string;
  family: Name;
  given: Name;
  birth: Date;
  deceased?: Date;
  /** Nothing in the chart happens at or after this: the day of the demonstration, or death. */
  end: Date;
  team: TeamMember[];
  guardian?: Person;
}

const TEAM_YEARS = 6;

export function makePersons(random: Random, today: Date, clinicians: readonly Clinician[]): Person[] {
  const persons: Person[] = [];
  // Guardians are made first, since their wards take the surname.
  const order = ROSTER.map((_, index) => index).sort((a, b) => wards(a) - wards(b) || a - b);
  const taken = new Set<string>();
  for (const index of order) {
    const slot = slotAt(index);
    const guardian = slot.guardian && persons[slot.guardian[0]];
    persons[index] = makePerson({ index, slot, guardian, random, today, clinicians, taken });
  }
  return persons;
}

export const ageAt = (person: Person, at: Date): number => yearsBetween(person.birth, at);

/** Whose mental health is on the problem list: what touches it is marked. */
export const isSensitive = ({ slot }: Person): boolean =>
  (slot.problems ?? []).some((key) => 'sensitive' in PROBLEMS[key]);

/** The one who keeps the chart, and the specialist who follows what lasts. */
export const primaryOf = (person: Person): Clinician => currentTeam(person)[0] ?? fail(person);
export const specialistOf = (person: Person): Clinician => currentTeam(person).at(-1) ?? fail(person);

const currentTeam = (person: Person): Clinician[] =>
  person.team.filter((member) => !member.end || person.deceased).map((member) => member.clinician);

function fail(person: Person): never {
  throw new Error(`${person.mrn} has no clinician`);
}

const wards = (index: number): number => (slotAt(index).guardian ? 1 : 0);

function slotAt(index: number): Slot {
  const slot = ROSTER[index];
  if (!slot) throw new RangeError(`no slot ${index}`);
  return slot;
}

interface Making {
  index: number;
  slot: Slot;
  guardian: Person | undefined;
  random: Random;
  today: Date;
  clinicians: readonly Clinician[];
  taken: Set<string>;
}

function makePerson({ index, slot, guardian, random, today, clinicians, taken }: Making): Person {
  const draw = random.fork(`person/${index}`);
  const { family, given } = drawName(slot, guardian, draw, taken);
  // A twin's birthday comes from the same stream as that of the slot before.
  const birthdays = random.fork(`birthday/${slot.birthOrder === 2 ? index - 1 : index}`);
  const birth = birthday(slot, birthdays, today);
  const deceased = slot.diedDaysAgo == null ? undefined : addMinutes(addDays(today, -slot.diedDaysAgo), 4 * 60 + 10);
  const mrn = `${draw.int(100000, 999999)}${String(index + 10)}`;
  const end = deceased ?? today;
  const team = makeTeam(index, slot, latest(birth, yearsBefore(end, TEAM_YEARS)), deceased, clinicians);
  return { index, slot, mrn, family, given, birth, deceased, end, team, guardian };
}

function birthday(slot: Slot, draw: Random, today: Date): Date {
  const exact = yearsBefore(today, slot.age);
  // Some days either way would take a newborn out of its age.
  return startOfDay(slot.age < 1 ? exact : addDays(exact, draw.int(-40, 40)));
}

function drawName(slot: Slot, guardian: Person | undefined, draw: Random, taken: Set<string>) {
  const list = NAMES[slot.origin];
  const givenNames: readonly string[] =
    slot.sex === 'female' ? list.female : slot.sex === 'male' ? list.male : [...list.female, ...list.male];
  for (;;) {
    const family = guardian?.family ?? parseName(slot.name?.[0] ?? draw.pick<string>(list.family));
    const given = parseName(slot.name?.[1] ?? draw.pick(givenNames));
    const full = `${given.latin}.${family.latin}`;
    if (taken.has(full)) continue;
    taken.add(full);
    return { family, given };
  }
}

function makeTeam(
  index: number,
  slot: Slot,
  start: Date,
  deceased: Date | undefined,
  clinicians: readonly Clinician[],
): TeamMember[] {
  const bySpecialty = (name: SpecialtyName): Clinician => {
    const found = clinicians.find((clinician) => clinician.practitioner.specialty === name);
    if (!found) throw new Error(`nobody practises ${name}`);
    return found;
  };
  const now = specialtiesFor(index, slot).map((name) => ({ clinician: bySpecialty(name), start, end: deceased }));
  return index % 4 === 0 && slot.age > 10
    ? [...now, { clinician: bySpecialty(formerPrimary(index)), start: yearsBefore(start, 4), end: start }]
    : now;
}

const PRIMARY = ['Family medicine', 'Internal medicine'] as const;

const formerPrimary = (index: number): SpecialtyName => PRIMARY[(index + 1) % 2] ?? PRIMARY[0];

function specialtiesFor(index: number, slot: Slot): SpecialtyName[] {
  if (slot.age < 18) return slot.problems ? ['Paediatrics', 'Nurse practitioner'] : ['Paediatrics'];
  const has = (...keys: string[]): boolean => (slot.problems ?? []).some((key) => keys.includes(key));
  return [
    PRIMARY[index % 2] ?? PRIMARY[0],
    ...(has('asthma', 'copd', 'depression', 'dementia') ? (['Nurse practitioner'] as const) : []),
    ...(has('diabetes1', 'diabetes2', 'hypothyroid') ? (['Endocrinology'] as const) : []),
    ...(has('coronary', 'heartFailure', 'fibrillation') ? (['Cardiology'] as const) : []),
  ];
}
