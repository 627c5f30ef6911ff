import { Injectable } from '@nestjs/common';
import type { Ctx } from '../../platform/access/context.js';
import type { RecordKey } from './import-candidates.js';

type Work = Pick<Ctx, 'db'>;

/** A record of which something has come that it was waiting for. */
export interface WaitingRecord extends RecordKey {
  recordId: string;
  patientId: string | null;
  /** The chart that its sender named. */
  namedPatientId: string | null;
  version: number;
  /** Where it stood in what was delivered. */
  line: number;
  category: string[];
  resource: string;
}

/** A version whose owner, and with that whose key, was not known when it came. */
export interface OwnerlessVersion {
  recordId: string;
  version: number;
  resource: string;
}

export interface Settled {
  recordId: string;
  /** Of an earlier version; null: the current one. */
  version: number | null;
  patientId: string | null;
  namedPatientId: string | null;
  resource: string;
  gist: string;
  /** Of the current version: its visit, and where it comes from. */
  encounterId: string | null;
  departments: readonly string[];
  /** Codes that are mentioned in it beside those that it had. */
  mentions: readonly string[];
}

/** What a feed's records wait for: references to what has not come yet, by `Type/id` or `Type?system|value`. */
@Injectable()
export class AwaitedRepository {
  /** What these records wait for from now on, in place of what they waited for before. */
  async expect(
    { db }: Work,
    source: string,
    records: readonly { recordId: string; isNew: boolean; keys: readonly string[] }[],
  ): Promise<void> {
    const changed = records.filter(({ isNew }) => !isNew).map(({ recordId }) => recordId);
    if (changed.length > 0) await db.query('DELETE FROM records.awaited WHERE record_id = ANY($1::uuid[])', [changed]);
    const rows = records.flatMap(({ recordId, keys }) => keys.map((key) => ({ recordId, key })));
    if (rows.length === 0) return;
    await db.query(
      `INSERT INTO records.awaited (record_id, source, key) SELECT x.record_id, $3, x.key FROM unnest($1::uuid[], $2::text[]) AS x(record_id, key) ON CONFLICT DO NOTHING`,
      [rows.map((row) => row.recordId), rows.map((row) => row.key), source],
    );
  }

  /** Says what has come; whoever waits for it is looked at when the import's own work is done. */
  async arrived({ db }: Work, source: string, keys: readonly string[]): Promise<void> {
    if (keys.length === 0) return;
    await db.query(
      'UPDATE records.awaited SET is_here = true WHERE source = $1 AND key = ANY($2::text[]) AND NOT is_here',
      [source, keys],
    );
  }

  /** Some of the records of which something has come. Deleted ones have nothing to resolve. */
  async due({ db }: Work, source: string, limit: number): Promise<WaitingRecord[]> {
    return db.query<WaitingRecord>(
      `SELECT r.record_id AS "recordId", r.type, r.source_id AS "sourceId", r.patient_id AS "patientId", r.named_patient_id AS "namedPatientId", r.version, coalesce(r.import_line, 0) AS line, r.category, r.resource
         FROM records.record r JOIN (SELECT DISTINCT record_id FROM records.awaited WHERE source = $1 AND is_here ORDER BY record_id LIMIT $2) w USING (record_id)
        ORDER BY r.record_id`,
      [source, limit],
    );
  }

  async keysOf({ db }: Work, recordIds: readonly string[]): Promise<Map<string, string[]>> {
    const rows = await db.query<{ recordId: string; key: string }>(
      'SELECT record_id AS "recordId", key FROM records.awaited WHERE record_id = ANY($1::uuid[])',
      [recordIds],
    );
    const keys = new Map<string, string[]>();
    for (const { recordId, key } of rows) keys.set(recordId, [...(keys.get(recordId) ?? []), key]);
    return keys;
  }

  /** Provenance names its targets; those that were found already by their ids here. */
  async patientsOf({ db }: Work, recordIds: readonly string[]): Promise<Map<string, string | null>> {
    if (recordIds.length === 0) return new Map();
    const rows = await db.query<{ recordId: string; patientId: string | null }>(
      'SELECT record_id AS "recordId", named_patient_id AS "patientId" FROM records.record WHERE record_id = ANY($1::uuid[])',
      [recordIds],
    );
    return new Map(rows.map(({ recordId, patientId }) => [recordId, patientId]));
  }

  async ownerless({ db }: Work, recordIds: readonly string[]): Promise<OwnerlessVersion[]> {
    if (recordIds.length === 0) return [];
    return db.query<OwnerlessVersion>(
      `SELECT record_id AS "recordId", version, resource FROM records.record_version
        WHERE record_id = ANY($1::uuid[]) AND patient_id IS NULL ORDER BY record_id, version`,
      [recordIds],
    );
  }

  /** The same versions with what they name, whose they are and under whose key they lie. */
  async settle({ db }: Work, settled: readonly Settled[]): Promise<void> {
    const current = settled.filter(({ version }) => version === null);
    const earlier = settled.filter(({ version }) => version !== null);
    if (current.length > 0)
      await db.query(
        `UPDATE records.record r SET patient_id = x.patient_id, named_patient_id = x.named, resource = sealed.resource, gist = x.gist,
           encounter_id = x.encounter_id, departments = x.departments,
           codes = r.codes || x.mentions FROM ${ROWS} WHERE r.record_id = x.record_id`,
        rowsOf(current),
      );
    if (earlier.length > 0)
      await db.query(
        `UPDATE records.record_version r SET patient_id = x.patient_id, named_patient_id = x.named, resource = sealed.resource, gist = x.gist
           FROM ${ROWS} WHERE r.record_id = x.record_id AND r.version = x.version`,
        rowsOf(earlier),
      );
  }
}

const ROWS = `json_to_recordset($1::json) AS x(record_id uuid, version integer, patient_id uuid, named uuid, gist text, encounter_id uuid, departments text[], mentions text[], n integer)
  JOIN unnest(string_to_array($2, ',')) WITH ORDINALITY AS sealed (resource, n) USING (n)`;

const rowsOf = (settled: readonly Settled[]): [string, string] => [
  JSON.stringify(
    settled.map((one, index) => ({
      record_id: one.recordId,
      version: one.version,
      patient_id: one.patientId,
      named: one.namedPatientId,
      gist: one.gist,
      encounter_id: one.encounterId,
      departments: one.departments,
      mentions: one.mentions,
      n: index + 1,
    })),
  ),
  settled.map(({ resource }) => resource).join(','),
];
