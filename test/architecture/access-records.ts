import { Relabelling } from '../../src/modules/records/relabelling.js';
import { signInAs } from '../harness/people.js';
import type { Person, Relation } from './access-matrix.js';
import type { Sent } from './access-requests.js';
import type { World } from './access-world.js';

const nobody = (): null[] => [null];
const ofChart =
  ({ charts }: World, relation: Relation) =>
  () => [charts[relation]!];

/** A list about the record's patient, whose items do not name them. */
export const versions =
  (more: Record<string, string> = {}) =>
  (world: World, _: Person, relation: Relation): Sent => ({
    params: { id: world.records[relation]!, ...more },
    subjects: ofChart(world, relation),
  });

/** A long answer leaves two events: before its first byte, and before its last. */
export const streamed =
  (of: 'records' | 'attachments') =>
  (world: World, _: Person, relation: Relation): Sent => ({
    params: { id: world[of][relation]! },
    subjects: () => [world.charts[relation]!, world.charts[relation]!],
  });

export const timeline = (world: World, _: Person, relation: Relation): Sent => ({
  params: { id: world.charts[relation]! },
  subjects: ofChart(world, relation),
});

const note = { kind: 'note', title: 'Table', text: 'Walk' };
const measurement = { kind: 'measurement', measure: 'body-weight', value: '70.0' };

/** Clinicians write notes, patients supply measurements. */
export const write = ({ charts }: World, person: Person, relation: Relation): Sent => ({
  params: { id: charts[relation]! },
  body: person === 'clinician' ? note : measurement,
});

/** A fresh note of the clinician in the chart that they treat. */
async function freshNote({ portal, people, charts }: World): Promise<string> {
  const clinician = await people.clinician.signedIn(portal);
  const { body } = await clinician.post(`/v1/patients/${charts.team}/records`, note).expect(201);
  return (body as { id: string }).id;
}

/** What the patient of a chart has just supplied. */
async function freshlySupplied({ portal, people, anna, charts }: World, relation: 'own' | 'team'): Promise<string> {
  const patient = relation === 'own' ? await people.patient.signedIn(portal) : await signInAs(portal, anna.credentials);
  const { body } = await patient.post(`/v1/patients/${charts[relation]}/records`, measurement).expect(201);
  return (body as { id: string }).id;
}

/** For whoever may: a record that it can be done to. For everybody else any record of that chart. */
const target =
  (fresh: (world: World, person: Person, relation: Relation) => Promise<string> | undefined, sent: Partial<Sent>) =>
  async (world: World, person: Person, relation: Relation): Promise<Sent> => ({
    params: { id: (await fresh(world, person, relation)) ?? world.records[relation]! },
    subjects: ofChart(world, relation),
    ...sent,
  });

const notes = (world: World, person: Person, relation: Relation): Promise<string> | undefined =>
  person === 'clinician' && relation === 'team' ? freshNote(world) : undefined;

export const correct = target(notes, { ifMatch: 1, body: { title: 'Table', text: 'Walked' } });
export const retract = target(
  (world, person, relation) =>
    person === 'patient' && relation === 'own' ? freshlySupplied(world, 'own') : notes(world, person, relation),
  { ifMatch: 1, body: { reason: 'Because of the table.' } },
);
export const decide = target(
  (world, person, relation) =>
    person === 'clinician' && relation === 'team' ? freshlySupplied(world, 'team') : undefined,
  { ifMatch: 1 },
);
export const review = target(notes, { ifMatch: 1 });

const hold = ({ portal }: World) => ({
  reason: 'privacy',
  explanation: 'Because of the table.',
  until: new Date(portal.clock.now().getTime() + 3_600_000).toISOString(),
});

export const holdBack = async (world: World, person: Person, relation: Relation): Promise<Sent> => ({
  ...(await target(notes, {})(world, person, relation)),
  body: hold(world),
});

/** A note that was held back: to be let go, and to look at its holds; of another chart's record there is nothing to see. */
export const lift = target(async (world, person, relation) => {
  const id = await notes(world, person, relation);
  const clinician = await world.people.clinician.signedIn(world.portal);
  if (id !== undefined) await clinician.post(`/v1/records/${id}/hold`, hold(world)).expect(201);
  return id ?? world.records[relation]!;
}, {});

export const settings = ({ charts }: World, _: Person, relation: Relation): Sent => ({
  params: { id: charts[relation]! },
  body: { resultsAfterReview: false },
});

export async function rules({ portal }: World): Promise<Sent> {
  const { rows } = await portal.owner.query<{ version: number }>(
    'SELECT COALESCE(max(version), 0) AS version FROM records.sensitivity_rule_set',
  );
  return {
    ifMatch: rows[0]!.version,
    body: { reason: 'Because of the table.', rules: [{ label: 'SUD', code: 'urn:walk|1' }] },
    subjects: nobody,
    // Labelling anew goes on by itself and would change what is compared.
    after: () => portal.app.get(Relabelling).drain(),
  };
}
