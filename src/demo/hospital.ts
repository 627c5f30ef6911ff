import { makeBody } from './chart/body.js';
import { recordBackground } from './chart/background.js';
import { Chart } from './chart/chart.js';
import { recordProblems } from './chart/problems.js';
import { emailOf, recordRegistration, usernameOf } from './chart/registration.js';
import { recordVisits } from './chart/visits.js';
import { transaction } from './core/bundle.js';
import { day, instant, startOfDay } from './core/dates.js';
import { Random } from './core/random.js';
import { makeDirectory } from './directory.js';
import { integration, makeClinicians, makeOffice } from './people.js';
import { makePersons, type Person } from './person.js';
import type { DemoHospital, DemoPatient } from './types.js';

export type * from './types.js';

/**
 * A small hospital that never was. The same seed and the same day (UTC) give the same bytes; another day moves every
 * date along with it, ids stay.
 */
export function makeHospital({ seed, today }: { seed: number; today: Date }): DemoHospital {
  const random = new Random(String(seed));
  const midnight = startOfDay(today);
  const clinicians = makeClinicians();
  return {
    people: [...clinicians, ...makeOffice()],
    integration: { ...integration },
    patients: makePersons(random, midnight, clinicians).map((person) => makePatient(person, random, midnight)),
    directoryBundle: makeDirectory(clinicians),
  };
}

function makePatient(person: Person, random: Random, midnight: Date): DemoPatient {
  return {
    mrn: person.mrn,
    family: person.family.text,
    given: person.given.text,
    birthDate: day(person.birth),
    sex: person.slot.sex,
    deceasedAt: person.deceased && instant(person.deceased),
    username: usernameOf(person),
    email: emailOf(person),
    careTeam: person.team.map(({ clinician, start, end }) => ({
      username: clinician.username,
      start: day(start),
      end: end && day(end),
    })),
    guardians: guardiansOf(person),
    bundle: makeBundle(person, random.fork(`chart/${person.index}`), midnight),
  };
}

function guardiansOf({ guardian, slot }: Person) {
  const username = guardian && usernameOf(guardian);
  return username && slot.guardian ? [{ username, relationship: slot.guardian[1] }] : [];
}

function makeBundle(person: Person, random: Random, midnight: Date): string {
  const chart = new Chart(person, random, midnight);
  recordRegistration(chart);
  recordBackground(chart);
  recordProblems(chart);
  recordVisits(chart, makeBody(person, random.fork('body')));
  return transaction(chart.resources);
}
