import { randomUUID } from 'node:crypto';
import { exported } from '../harness/exports.js';
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

/** The beginning of the first tile, or one far beyond the log, however long the walk has made it; the name stands in the path as it is. */
export async function tile(world: World, relation: Relation): Promise<Sent> {
  await sealedLog(world);
  return { params: { '*': relation === 'none' ? '999' : '000.p/1' }, subjects: nobody };
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

const made = new WeakMap<Portal, Promise<string>>();

/** An export that is ready, one that is not yet, or none. */
async function exportId({ portal, people }: World, relation: Relation): Promise<string> {
  if (relation === 'none') return NOBODY;
  const officer = await people.compliance_officer.signedIn(portal);
  if (!made.has(portal))
    made.set(
      portal,
      exported(officer, { filter: { toSeq: 3 } }).then(({ id }) => id),
    );
  const ready = await made.get(portal)!;
  if (relation === 'other') return ready;
  const id = NOBODY.replace(/0$/, '1');
  await portal.owner.query(
    `INSERT INTO audit.export (export_id, account_id, request_id, filter, formats, reason, is_disclosing, base_url, own_events, created_at, next_at)
     VALUES ($1, $2, $2, '{}', '{ndjson}', 'to come', false, '', 1, now(), 'infinity') ON CONFLICT DO NOTHING`,
    [id, people.compliance_officer.id],
  );
  return id;
}

export const exportRow = async (world: World, relation: Relation): Promise<Sent> => ({
  params: { id: await exportId(world, relation) },
  subjects: nobody,
});

/** An export to give up, one that was given up, or none. */
export async function endable({ portal, people }: World, relation: Relation): Promise<Sent> {
  if (relation === 'none') return { params: { id: NOBODY }, subjects: nobody };
  const id = randomUUID();
  await portal.owner.query(
    `INSERT INTO audit.export (export_id, account_id, request_id, filter, formats, reason, is_disclosing, base_url, own_events, created_at, next_at, state, finished_at)
     VALUES ($1, $2, $2, '{}', '{ndjson}', 'to end', false, '', 1, now(), 'infinity', CASE WHEN $3 THEN 'ended' ELSE 'queued' END, CASE WHEN $3 THEN now() END)`,
    [id, people.compliance_officer.id, relation === 'closed'],
  );
  return { params: { id }, subjects: nobody };
}

/** A download leaves an event when it begins and one when it has ended. */
export const download = async (world: World, relation: Relation): Promise<Sent> => ({
  params: { id: await exportId(world, relation), name: 'events.ndjson' },
  subjects: () => [null, null],
});

export const PERIOD = 'from=2026-01-01T00:00:00Z&to=2026-01-02T00:00:00Z';
export const COMPARED = `${PERIOD}&withFrom=2025-12-31T00:00:00Z&withTo=2026-01-01T00:00:00Z`;

/** A session of which the trail has something, or none. */
export async function auditSession({ portal, people }: World, relation: Relation): Promise<Sent> {
  if (relation === 'none') return { params: { id: NOBODY }, subjects: nobody };
  const officer = await people.compliance_officer.signedIn(portal);
  await officer.get('/v1/me').expect(200);
  await seal(portal);
  return { params: { id: officer.tokens.session.id }, subjects: nobody };
}

/** A saved query: the officer's own, shared by another, another's own, or none. */
export async function savedQuery({ portal, people }: World, relation: Relation, body?: object): Promise<Sent> {
  const sent: Sent = { body, ifMatch: 1, subjects: nobody };
  if (relation === 'none') return { ...sent, params: { id: NOBODY } };
  const owner = relation === 'own' ? people.compliance_officer.id : people.admin.id;
  const { rows } = await portal.owner.query<{ id: string }>(
    `INSERT INTO audit.saved_query (query_id, account_id, name, is_shared, filter, created_at, updated_at)
     VALUES (gen_random_uuid(), $1, gen_random_uuid(), $2, '{}', now(), now()) RETURNING query_id AS id`,
    [owner, relation === 'team'],
  );
  return { ...sent, params: { id: rows[0]!.id } };
}

/** A legal hold of its own for each request: in force, released, or none. */
export async function legalHold({ portal, people }: World, relation: Relation, body?: object): Promise<Sent> {
  if (relation === 'none') return { params: { id: NOBODY }, body, subjects: nobody };
  const id = randomUUID();
  const by = people.compliance_officer.id;
  await portal.owner.query(`SELECT audit.place_hold($1, NULL, NULL, 'walk', $2, now())`, [id, by]);
  if (relation === 'closed') await portal.owner.query(`SELECT audit.release_hold($1, 'walk', $2, now())`, [id, by]);
  return { params: { id }, body, subjects: nobody };
}
