import { downloaded, prepared } from '../harness/downloads.js';
import { NOBODY } from '../harness/hospital.js';
import { signInAs, type Caller } from '../harness/people.js';
import type { Portal } from '../harness/portal.js';
import type { Person, Relation } from './access-matrix.js';
import type { Sent } from './access-requests.js';
import type { World } from './access-world.js';

const ready = new WeakMap<Portal, Map<string, Promise<string>>>();

/** A small one that is ready; `fresh`: one of its own for each request. */
async function madeBy({ portal }: World, caller: Caller, patientId: string, isFresh: boolean): Promise<string> {
  const make = async () => (await downloaded(caller, patientId, { formats: ['fhir'] })).id;
  if (isFresh) return make();
  const known = ready.get(portal) ?? new Map<string, Promise<string>>();
  ready.set(portal, known);
  const key = `${caller.credentials.username} ${patientId}`;
  if (!known.has(key)) known.set(key, make());
  return known.get(key)!;
}

/** The caller's own (`closed`: given up before), another patient's, or none. */
async function idFor(world: World, person: Person, relation: Relation, isFresh = false): Promise<string> {
  const { portal, people, charts, anna } = world;
  if (relation === 'none') return NOBODY;
  if (relation === 'other') return madeBy(world, await signInAs(portal, anna.credentials), charts.team!, false);
  const caller = await people[person === 'proxy' ? 'proxy' : 'patient'].signedIn(portal);
  const id = await madeBy(world, caller, charts.own!, isFresh || relation === 'closed');
  if (relation === 'closed') await caller.post(`/v1/downloads/${id}/end`).expect(200);
  return id;
}

const ofOwn = ({ charts }: World) => ({ subjects: () => [charts.own!] });

export const ask = ({ portal, charts }: World, _: Person, relation: Relation): Sent => ({
  params: { id: charts[relation]! },
  body: { formats: ['fhir'] },
  after: () => prepared(portal),
});

/** A list about the chart. */
export const ofChart = ({ charts }: World, _: Person, relation: Relation): Sent => ({
  params: { id: charts[relation]! },
  subjects: () => [charts[relation]!],
});

export const one = async (world: World, person: Person, relation: Relation): Promise<Sent> => ({
  params: { id: await idFor(world, person, relation) },
  ...ofOwn(world),
});

export const giveUp = async (world: World, person: Person, relation: Relation): Promise<Sent> => ({
  params: { id: await idFor(world, person, relation, person === 'patient' || person === 'proxy') },
  ...ofOwn(world),
});

/** A streamed answer leaves an event when it begins and one when it has ended. */
export const fetch = async (world: World, person: Person, relation: Relation): Promise<Sent> => ({
  params: { id: await idFor(world, person, relation), name: 'health-record.json' },
  subjects: () => [world.charts.own!, world.charts.own!],
});

export const transmit = async (world: World, person: Person, relation: Relation): Promise<Sent> => ({
  params: { id: await idFor(world, person, relation) },
  body: { to: 'doctor@elsewhere.test' },
  ...ofOwn(world),
});
