import { Injectable } from '@nestjs/common';
import type { Ctx } from '../../platform/access/context.js';
import type { RecordKey } from './import-candidates.js';
import type { Delivery } from './import-job.js';
import type { KnownRecord, KnownVersion } from './import-plan.js';
import type { Token } from './import-references.js';

type Work = Pick<Ctx, 'db' | 'now'>;

/** What reading lists, filters and limits by: see record-text and record-words. */
export interface Reading {
  /** Its line in lists, sealed; base64. */
  gist: string;
  day: string;
  codes: readonly string[];
  words: readonly number[];
  departments: readonly string[];
  encounterId: string | null;
  senderLabels: readonly string[];
}

/** One version of a record, sealed. Times are ISO text. */
export interface SealedVersion extends RecordKey {
  recordId: string;
  /** The chart where it is shown, and the one that the sender named. */
  patientId: string | null;
  namedPatientId: string | null;
  version: number;
  category: readonly string[];
  codeSystem: string;
  code: string;
  status: string;
  effectiveAt: string | null;
  sortAt: string;
  sourceUpdatedAt: string | null;
  contentMac: Buffer;
  isDeleted: boolean;
  flags: readonly string[];
  /** What reading lists, filters and limits by. */
  reading: Reading;
  /** Entry or line. */
  line: number;
  /** Base64 of the sealed bytes; empty for a tombstone. */
  resource: string;
}

export type StoredRecord = RecordKey & KnownRecord;

// Longest of one statement, of waiting for another import of the feed, and of thinking between statements, in milliseconds.
const PATIENCE = { statement_timeout: 60_000, lock_timeout: 30_000, idle_in_transaction_session_timeout: 60_000 };

/** What a tombstone keeps of the record that it stands for. */
const FACTS = [
  ...['category', 'code_system', 'code', 'effective_at', 'sort_at'],
  ...['day', 'codes', 'words', 'departments', 'encounter_id', 'sender_labels'],
];
const COLUMNS = [...FACTS, 'status', 'source_updated_at', 'is_deleted', 'flags', 'import_line', 'gist'];
const ROWS = `json_to_recordset($1::json) AS x(record_id uuid, patient_id uuid, named_patient_id uuid, type text, source_id text, version integer, category text[],
  code_system text, code text, status text, effective_at timestamptz, sort_at timestamptz, source_updated_at timestamptz, content_mac text, is_deleted boolean,
  flags text[], import_line integer, gist text, day date, codes text[], words bigint[], departments text[], encounter_id uuid, sender_labels text[], n integer)
  JOIN unnest(string_to_array($2, ',')) WITH ORDINALITY AS sealed (resource, n) USING (n)`;
const MAC = "decode(x.content_mac, 'hex')";
const RESOURCE = "CASE WHEN x.is_deleted THEN '' ELSE sealed.resource END";
/** Joined texts of which one is empty are not told from none. */
const NO_TEXT = '-';

/** Rows as JSON and their sealed texts in one piece: JSON would be read letter by letter. */
function rowsOf(versions: readonly SealedVersion[]): [string, string] {
  const rows = versions.map((one, index) => ({
    record_id: one.recordId,
    patient_id: one.patientId,
    named_patient_id: one.namedPatientId,
    type: one.type,
    source_id: one.sourceId,
    version: one.version,
    category: one.category,
    code_system: one.codeSystem,
    code: one.code,
    status: one.status,
    effective_at: one.effectiveAt,
    sort_at: one.sortAt,
    source_updated_at: one.sourceUpdatedAt,
    content_mac: one.contentMac.toString('hex'),
    is_deleted: one.isDeleted,
    flags: one.flags,
    import_line: one.line,
    gist: one.reading.gist,
    day: one.reading.day,
    codes: one.reading.codes,
    words: one.reading.words,
    departments: one.reading.departments,
    encounter_id: one.reading.encounterId,
    sender_labels: one.reading.senderLabels,
    n: index + 1,
  }));
  return [JSON.stringify(rows), versions.map((one) => (one.isDeleted ? NO_TEXT : one.resource)).join(',')];
}

const of = (alias: string, columns: readonly string[] = COLUMNS): string =>
  columns.map((name) => `${alias}.${name}`).join(', ');

const HISTORY = [...COLUMNS, 'content_mac', 'resource', 'import_id', 'import_file', 'message_id', 'received_at'].join(
  ', ',
);
const KNOWN = `r.source_id AS "sourceId", r.record_id AS "recordId", r.patient_id AS "patientId", r.named_patient_id AS "namedPatientId", r.version,
  r.content_mac AS "contentMac", to_char(r.source_updated_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS "sourceUpdatedAt", r.status, r.is_deleted AS "isDeleted", r.codes`;

/** A feed's own records, as its imports find and write them; row security shows it no other feed's. */
@Injectable()
export class FeedRepository {
  /** Takes the feed's turn until the end of the transaction: two imports at once would both find nothing and both create. */
  async begin({ db }: Work, source: string): Promise<void> {
    const settings = Object.entries(PATIENCE).map(([name, ms]) => `set_config('${name}', '${ms}', true)`);
    await db.query(`SELECT ${settings.join(', ')}`);
    await db.query("SELECT pg_advisory_xact_lock(hashtext('records.import'), hashtext($1))", [source]);
  }

  /** A point to come back to when it turns out that entries cannot be taken. */
  async mark({ db }: Work): Promise<void> {
    await db.query('SAVEPOINT taken');
  }

  async back({ db }: Work): Promise<void> {
    await db.query('ROLLBACK TO SAVEPOINT taken');
  }

  async known({ db }: Work, source: string, keys: readonly RecordKey[]): Promise<StoredRecord[]> {
    if (keys.length === 0) return [];
    return db.query<StoredRecord>(
      `SELECT r.type, ${KNOWN} FROM unnest($2::text[], $3::text[]) AS k(type, source_id)
         JOIN records.record r ON r.source = $1 AND r.type = k.type AND r.source_id = k.source_id`,
      [source, keys.map(({ type }) => type), keys.map(({ sourceId }) => sourceId)],
    );
  }

  /** Directory entries by business identifier, each with the record that it is. */
  async identified({ db }: Work, source: string, tokens: readonly Token[]): Promise<(Token & StoredRecord)[]> {
    if (tokens.length === 0) return [];
    return db.query<Token & StoredRecord>(
      `SELECT d.type, d.system, d.value, ${KNOWN} FROM unnest($2::text[], $3::text[], $4::text[]) AS k(type, system, value)
         JOIN records.directory_identifier d ON d.source = $1 AND d.type = k.type AND d.value = k.value AND d.system = k.system
         JOIN records.record r ON r.record_id = d.record_id`,
      [source, tokens.map(({ type }) => type), tokens.map(({ system }) => system), tokens.map(({ value }) => value)],
    );
  }

  /** Earlier versions by record. */
  async history({ db }: Work, recordIds: readonly string[]): Promise<Map<string, KnownVersion[]>> {
    if (recordIds.length === 0) return new Map();
    const rows = await db.query<KnownVersion & { recordId: string }>(
      `SELECT record_id AS "recordId", version, content_mac AS "contentMac" FROM records.record_version WHERE record_id = ANY($1::uuid[])`,
      [recordIds],
    );
    return Map.groupBy(rows, ({ recordId }) => recordId);
  }

  /** Resolves with the ids that were free: a Patient's is its chart's, and another feed may have taken it. */
  async insert({ db, now }: Work, delivery: Delivery, versions: readonly SealedVersion[]): Promise<Set<string>> {
    const rows = await db.query<{ record_id: string }>(
      `INSERT INTO records.record (record_id, patient_id, named_patient_id, type, source_id, version, ${COLUMNS.join(', ')}, content_mac, resource,
         source, import_id, import_file, message_id, received_at)
       SELECT x.record_id, x.patient_id, x.named_patient_id, x.type, x.source_id, x.version, ${of('x')}, ${MAC}, ${RESOURCE}, $3, $4, $5, $6, $7 FROM ${ROWS}
       ON CONFLICT (record_id) DO NOTHING RETURNING record_id`,
      [...rowsOf(versions), delivery.source, delivery.importId, delivery.fileId, delivery.messageId, now],
    );
    return new Set(rows.map((row) => row.record_id));
  }

  /** New current versions; what was current goes into the history, sealed bytes as they are. A tombstone keeps what it stands for. */
  async replace({ db, now }: Work, delivery: Delivery, versions: readonly SealedVersion[]): Promise<void> {
    await db.query(
      `INSERT INTO records.record_version (record_id, version, patient_id, named_patient_id, source, ${HISTORY})
       SELECT record_id, version, patient_id, named_patient_id, source, ${HISTORY} FROM records.record WHERE record_id = ANY($1::uuid[])`,
      [versions.map(({ recordId }) => recordId)],
    );
    const values = COLUMNS.map((name) =>
      FACTS.includes(name) ? `CASE WHEN x.is_deleted THEN r.${name} ELSE x.${name} END` : `x.${name}`,
    );
    await db.query(
      `UPDATE records.record r SET (patient_id, named_patient_id, version, ${COLUMNS.join(', ')}, content_mac, resource, import_id, import_file, message_id, received_at) =
         (x.patient_id, x.named_patient_id, x.version, ${values.join(', ')}, ${MAC}, ${RESOURCE}, $3::uuid, $4::uuid, $5::text, $6::timestamptz) FROM ${ROWS} WHERE r.record_id = x.record_id`,
      [...rowsOf(versions), delivery.importId, delivery.fileId, delivery.messageId, now],
    );
  }

  /** Versions that came late: history only. */
  async file({ db, now }: Work, delivery: Delivery, versions: readonly SealedVersion[]): Promise<void> {
    await db.query(
      `INSERT INTO records.record_version (record_id, version, patient_id, named_patient_id, source, ${COLUMNS.join(', ')}, content_mac, resource, import_id, import_file, message_id, received_at)
       SELECT x.record_id, x.version, x.patient_id, x.named_patient_id, $3, ${of('x')}, ${MAC}, ${RESOURCE}, $4, $5, $6, $7 FROM ${ROWS}`,
      [...rowsOf(versions), delivery.source, delivery.importId, delivery.fileId, delivery.messageId, now],
    );
  }

  /** Tombstones of records that had never come: a late version says whose they were. */
  async adopt(
    { db }: Work,
    orphans: readonly { recordId: string; patientId: string | null; namedPatientId: string | null }[],
  ): Promise<void> {
    if (orphans.length === 0) return;
    await db.query(
      `UPDATE records.record r SET patient_id = x.patient_id, named_patient_id = x.named
         FROM unnest($1::uuid[], $2::uuid[], $3::uuid[]) AS x(record_id, patient_id, named) WHERE r.record_id = x.record_id`,
      [
        orphans.map((one) => one.recordId),
        orphans.map((one) => one.patientId),
        orphans.map((one) => one.namedPatientId),
      ],
    );
  }

  /** What Provenance records speak about, as they do now. */
  async link({ db }: Work, provenances: readonly { recordId: string; targets: readonly string[] }[]): Promise<void> {
    if (provenances.length === 0) return;
    await db.query('DELETE FROM records.provenance_target WHERE record_id = ANY($1::uuid[])', [
      provenances.map(({ recordId }) => recordId),
    ]);
    const links = provenances.flatMap(({ recordId, targets }) => targets.map((target) => ({ recordId, target })));
    await db.query(
      `INSERT INTO records.provenance_target (record_id, target_id)
       SELECT x.record_id, x.target_id FROM unnest($1::uuid[], $2::uuid[]) AS x(record_id, target_id) ON CONFLICT DO NOTHING`,
      [links.map(({ recordId }) => recordId), links.map(({ target }) => target)],
    );
  }

  /** The business identifiers that directory entries have now. */
  async identify(
    { db }: Work,
    source: string,
    entries: readonly { recordId: string; tokens: readonly Token[] }[],
  ): Promise<void> {
    if (entries.length === 0) return;
    await db.query('DELETE FROM records.directory_identifier WHERE record_id = ANY($1::uuid[])', [
      entries.map(({ recordId }) => recordId),
    ]);
    const rows = entries.flatMap(({ recordId, tokens }) => tokens.map((token) => ({ recordId, ...token })));
    await db.query(
      `INSERT INTO records.directory_identifier (record_id, source, type, system, value)
       SELECT x.record_id, $5, x.type, x.system, x.value
         FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[]) AS x(record_id, type, system, value) ON CONFLICT DO NOTHING`,
      [
        rows.map((row) => row.recordId),
        rows.map((row) => row.type),
        rows.map((row) => row.system),
        rows.map((row) => row.value),
        source,
      ],
    );
  }
}
