import { Injectable } from '@nestjs/common';
import type { SignedIn } from '../../platform/access/context.js';

/** A version that a person has written, sealed. Times are ISO text. */
export interface WrittenVersion {
  recordId: string;
  patientId: string;
  type: string;
  version: number;
  category: readonly string[];
  codeSystem: string;
  code: string;
  status: string;
  effectiveAt: string | null;
  sortAt: string;
  day: string;
  codes: readonly string[];
  words: readonly number[];
  senderLabels: readonly string[];
  contentMac: Buffer;
  resource: string;
  gist: string;
}

/** What a person may be about to change. */
export interface OwnRow {
  origin: 'feed' | 'clinician' | 'patient';
  acceptance: string;
  status: string;
  version: number;
}

/** The source of what is written here. */
export const PORTAL = 'urn:portico:portal';

const FACTS =
  'category, code_system, code, status, effective_at, sort_at, source_updated_at, day, codes, words, sender_labels, content_mac, resource, gist, received_at, written_by';
const HISTORY = `${FACTS}, named_patient_id, source, departments, encounter_id, is_deleted, flags, import_line, import_id, import_file, message_id, origin`;

const factsOf = (one: WrittenVersion, { now, actor }: SignedIn): unknown[] => [
  ...[one.category, one.codeSystem, one.code, one.status, one.effectiveAt, one.sortAt, now, one.day, one.codes],
  ...[one.words, one.senderLabels, one.contentMac, one.resource, one.gist, now, actor.id],
];

const places = (from: number, count: number): string =>
  Array.from({ length: count }, (_, at) => `$${from + at}`).join(', ');

/** Records that people write in the portal; row policies allow each author their own kind. */
@Injectable()
export class WritingRepository {
  async insert(ctx: SignedIn, one: WrittenVersion, origin: 'clinician' | 'patient'): Promise<void> {
    const facts = factsOf(one, ctx);
    await ctx.db.query(
      `INSERT INTO records.record (record_id, source_id, patient_id, named_patient_id, type, version, source, origin, acceptance, ${FACTS})
       VALUES ($1::uuid, $1::uuid::text, $2, $2, $3, $4, $5, $6, $7, ${places(8, facts.length)})`,
      [
        ...[one.recordId, one.patientId, one.type, one.version, PORTAL, origin],
        ...[origin === 'patient' ? 'pending' : '', ...facts],
      ],
    );
  }

  /** Locks the record, if the actor may change it at all: of several who change it at once, the second sees the first's version. */
  async lock({ db }: SignedIn, recordId: string): Promise<OwnRow | null> {
    const [row] = await db.query<OwnRow>(
      'SELECT origin, acceptance, status, version FROM records.record WHERE record_id = $1 FOR UPDATE',
      [recordId],
    );
    return row ?? null;
  }

  /** The next version; the one before goes into the history, sealed bytes as they are. */
  async replace(ctx: SignedIn, one: WrittenVersion): Promise<void> {
    await ctx.db.query(
      `INSERT INTO records.record_version (record_id, version, patient_id, ${HISTORY}) SELECT record_id, version, patient_id, ${HISTORY} FROM records.record WHERE record_id = $1`,
      [one.recordId],
    );
    const facts = factsOf(one, ctx);
    await ctx.db.query(
      `UPDATE records.record SET (version, ${FACTS}) = ROW ($2, ${places(3, facts.length)}) WHERE record_id = $1`,
      [one.recordId, one.version, ...facts],
    );
  }

  /** Whether the team goes by what the patient supplied. */
  async decide({ db }: SignedIn, recordId: string, acceptance: 'accepted' | 'declined'): Promise<void> {
    await db.query('UPDATE records.record SET acceptance = $2 WHERE record_id = $1', [recordId, acceptance]);
  }
}
