import { NOBODY } from '../harness/hospital.js';
import type { Portal } from '../harness/portal.js';
import { seal } from '../harness/seals.js';
import type { Relation } from './access-matrix.js';
import type { Sent } from './access-requests.js';
import type { World } from './access-world.js';

const sealed = new WeakMap<Portal, Promise<number>>();
const nobody = (): null[] => [null];

/** Once there is a signed checkpoint. */
async function sealedLog({ portal }: World): Promise<void> {
  if (!sealed.has(portal)) sealed.set(portal, seal(portal));
  await sealed.get(portal);
}

/** A request for proofs, once there is something that is proved. */
export const proof =
  (sent: Sent = {}) =>
  async (world: World): Promise<Sent> => {
    await sealedLog(world);
    return { subjects: nobody, ...sent };
  };

/** Of the first event, or of one that is not there. */
export async function inclusion(world: World, relation: Relation): Promise<Sent> {
  await sealedLog(world);
  return { query: relation === 'none' ? `eventId=${NOBODY}` : 'index=0', subjects: nobody };
}

/** A tile's name stands in the path as it is. */
export async function tile(world: World, relation: Relation): Promise<Sent> {
  await sealedLog(world);
  return { params: { '*': relation === 'none' ? '000' : '000.p/1' }, subjects: nobody };
}

/** The receipt of an event about the patient's own chart, about another's, or of none. */
export async function receipt(world: World, relation: Relation): Promise<Sent> {
  await sealedLog(world);
  if (relation === 'none') return { params: { seq: '999999999' }, subjects: nobody };
  const { rows } = await world.portal.owner.query<{ seq: string }>(
    'SELECT min(idx) AS seq FROM audit.entry WHERE subject = $1',
    [relation === 'own' ? world.charts.own : world.charts.team],
  );
  return { params: { seq: rows[0]!.seq }, subjects: nobody };
}
