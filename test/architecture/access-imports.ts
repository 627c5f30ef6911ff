import { randomUUID } from 'node:crypto';
import { Vault } from '../../src/platform/database/vault.js';
import { quarantinePlace } from '../../src/modules/records/quarantine.store.js';
import { weightText, worked } from '../harness/feed.js';
import { admission } from '../harness/hl7.js';
import { NOBODY } from '../harness/hospital.js';
import type { Relation } from './access-matrix.js';
import type { Sent } from './access-requests.js';
import type { World } from './access-world.js';

const nobody = (): null[] => [null];

/** An import that takes files still: the feed's own, or another one's that it does not see. */
export const openImport =
  (sent: Sent = {}) =>
  async ({ portal, imports }: World, _: unknown, relation: Relation): Promise<Sent> => {
    if (relation !== 'own') return { params: { id: imports[relation]! }, subjects: nobody, ...sent };
    const id = randomUUID();
    await portal.owner.query(
      `INSERT INTO records.import (import_id, account_id, source, bundle_type, status, entries, created, updated, unchanged, rejected, by_type, received_at, request_id)
       SELECT $1, account_id, source, 'ndjson', 'open', 0, 0, 0, 0, 0, '{}', received_at, $1 FROM records.import WHERE import_id = $2`,
      [id, imports.own],
    );
    return { params: { id }, subjects: nobody, after: () => worked(portal), ...sent };
  };

/** A message about somebody new: events of the import and of their chart. */
export function admitted({ portal }: World): Sent {
  const mrn = randomUUID();
  const chart = async (): Promise<(string | null)[]> => {
    const { rows } = await portal.owner.query<{ id: string }>(
      'SELECT patient_id AS id FROM users.patient WHERE mrn = $1',
      [mrn],
    );
    return [null, ...rows.map(({ id }) => id)];
  };
  return { message: admission({ mrn }), subjects: chart };
}

/** A record in quarantine, of the feed's own import or another's. */
export const quarantined =
  (sent: Sent = {}) =>
  async ({ portal, imports }: World, _: unknown, relation: Relation): Promise<Sent> => {
    if (relation === 'none') return { params: { id: NOBODY }, ifMatch: 1, ...sent };
    const id = randomUUID();
    const db = { query: async (text: string, values: unknown[]) => (await portal.owner.query(text, values)).rows };
    const work = { db, afterCommit: () => undefined } as never;
    const text = weightText('broken', 'Patient/p', '1');
    const sealed = await portal.app.get(Vault).seal(work, 'quarantine:world', quarantinePlace(id, 'resource'), text);
    const isOver = relation === 'closed';
    await portal.owner.query(
      `INSERT INTO records.quarantine (quarantine_id, account_id, source, import_id, import_line, type, source_id, content_mac, resource, findings, names, state, received_at,
         changed_at, changed_by, reason)
       SELECT $1, account_id, source, import_id, 1, 'Observation', 'broken', $3, $4, '[]', '{}', $5, received_at, received_at, $6, $7 FROM records.import WHERE import_id = $2`,
      [
        id,
        imports[relation === 'other' ? 'other' : 'own'],
        Buffer.from(id),
        sealed.toString('base64'),
        isOver ? 'discarded' : 'open',
      ].concat((isOver ? [id, 'over'] : [null, null]) as never),
    );
    return { params: { id }, subjects: nobody, ifMatch: 1, after: () => worked(portal), ...sent };
  };

/** A merge of two charts that are none, so that it changes nothing for the others of this world. */
export const merge =
  (sent: Sent = {}) =>
  async ({ portal }: World, _: unknown, relation: Relation): Promise<Sent> => {
    if (relation === 'none') return { params: { id: NOBODY }, ...sent };
    const [id, from, into] = [randomUUID(), randomUUID(), randomUUID()];
    await portal.owner.query(
      `INSERT INTO records.chart_merge (merge_id, from_patient_id, into_patient_id, source, kind, import_id, merged_at, state)
       VALUES ($1, $2, $3, 'https://ehr.example/main', 'hl7-a40', $1, now(), 'review')`,
      [id, from, into],
    );
    return { params: { id }, subjects: () => [from, into], ...sent };
  };
