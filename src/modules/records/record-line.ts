import { authorize, type SignedIn } from '../../platform/access/context.js';
import type { Vault } from '../../platform/database/vault.js';
import type { LineView, RecordView } from './record.dto.js';
import { RawJson } from '../../platform/http/presenter.js';
import { deletedRecord } from './records.errors.js';
import { auditCategory, codeToken, gistPlaceOf, placeOf, unpackRecord, type RecordHead } from './record-text.js';
import { isTreating } from './visibility.js';
import { statusWords } from './status-words.js';

/** A record as lists need it: all of its row but the resource. Times as PostgreSQL writes them in UTC. */
export interface LineRow {
  record_id: string;
  patient_id: string;
  type: string;
  category: string[];
  code_system: string;
  code: string;
  status: string;
  effective_at: string | null;
  sort_at: string;
  version: number;
  source: string;
  source_updated_at: string | null;
  received_at: string;
  origin: 'feed' | 'clinician' | 'patient';
  acceptance: '' | 'pending' | 'accepted' | 'declined';
  labels: string[];
  flags: string[];
  held_until: string | null;
  /** Base64 of the sealed head; '' of records stored before there was one. */
  gist: string;
}

export interface RecordRow extends Omit<LineRow, 'gist'> {
  is_deleted: boolean;
  /** Base64 of the sealed bytes. */
  resource: string;
}

// Text of times: making Dates of them with pg is what a page would wait for.
const utc = (name: string): string => `(r.${name} AT TIME ZONE 'UTC')::text AS ${name}`;

const FACTS = `r.record_id, r.patient_id, r.type, r.category, r.code_system, r.code, r.status, ${utc('effective_at')}, r.sort_at::text, r.version,
  r.source, ${utc('source_updated_at')}, ${utc('received_at')}, r.origin, r.labels, r.flags`;
const OF_NOW = `r.acceptance, ${`CASE WHEN r.held_until > '-infinity' THEN (r.held_until AT TIME ZONE 'UTC')::text END`} AS held_until`;

export const LINE_COLUMNS = `${FACTS}, ${OF_NOW}, r.gist`;
export const RECORD_COLUMNS = `${FACTS}, ${OF_NOW}, r.is_deleted, r.resource`;
/** Of an earlier version, whose row is called `r` here. */
export const VERSION_COLUMNS = `${FACTS}, '' AS acceptance, NULL::text AS held_until, r.is_deleted, r.resource`;

/** In every list: neither what was withdrawn nor what is gone. */
export const LISTED = `r.status <> 'entered-in-error' AND NOT r.is_deleted`;

/** PostgreSQL's time in UTC of the years that have four digits, with its fraction of a second. */
const TIME = /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d{1,6})?$/;

/**
 * ISO 8601 with milliseconds of PostgreSQL's `YYYY-MM-DD hh:mm:ss[.f]` in UTC. By its letters, because making Dates was a
 * twelfth of a page's time; anything else goes through Date (not as it is: JavaScript takes its year 0001 for 2001).
 */
export const isoOf = (text: string): string =>
  TIME.test(text)
    ? `${text.slice(0, 10)}T${text.slice(11, 19)}.${text.slice(20, 23).padEnd(3, '0')}Z`
    : new Date(`${text.replace(' ', 'T')}Z`).toISOString();
const isoOrNull = (text: string | null): string | null => (text === null ? null : isoOf(text));

const EMPTY: RecordHead = { display: '' };

function lineOf(ctx: SignedIn, row: Omit<LineRow, 'gist'>, head: RecordHead): LineView {
  const asOf = isoOf(row.source_updated_at ?? row.received_at);
  return {
    id: row.record_id,
    type: row.type,
    category: row.category,
    code: codeToken(row.code_system, row.code),
    display: head.display,
    effectiveAt: isoOrNull(row.effective_at),
    effectiveText: head.effectiveText ?? null,
    status: row.status === '' ? null : row.status,
    statusText: statusWords(row.status),
    value: head.value ?? null,
    parts: head.parts ?? [],
    details: head.details ?? {},
    version: row.version,
    source: row.source,
    sourceText: `from ${row.source} as of ${asOf}`,
    asOf,
    receivedAt: isoOf(row.received_at),
    origin: row.origin,
    acceptance: row.acceptance === '' ? null : row.acceptance,
    labels: row.labels,
    flags: row.flags,
    heldUntil: isTreating(ctx, row.patient_id) && isHeld(ctx, row) ? isoOrNull(row.held_until) : null,
  };
}

const isHeld = (ctx: SignedIn, { held_until }: Pick<LineRow, 'held_until'>): boolean =>
  held_until !== null && Date.parse(isoOf(held_until)) > ctx.now.getTime();

/** Notes for the audit trail that this record is part of the answer. */
export function touchRecord(
  ctx: SignedIn,
  row: Pick<LineRow, 'record_id' | 'patient_id' | 'type' | 'category' | 'version'>,
): void {
  const { record_id: id, patient_id: patientId, type, category, version } = row;
  ctx.touch({ patientId, type, id, category: auditCategory(category), version });
}

/** Lines of lists, opened one by one, each noted. */
export async function linesOf(ctx: SignedIn, vault: Vault, rows: readonly LineRow[]): Promise<LineView[]> {
  const sealed = rows.filter(({ gist }) => gist !== '');
  const opened = await vault.openAll(
    ctx,
    sealed.map((row) => ({ place: gistPlaceOf(row.record_id, row.version), sealed: Buffer.from(row.gist, 'base64') })),
  );
  const heads = new Map(sealed.map((row, at) => [row, JSON.parse(opened[at]!.toString('utf8')) as RecordHead]));
  return rows.map((row) => {
    touchRecord(ctx, row);
    return lineOf(ctx, row, heads.get(row) ?? EMPTY);
  });
}

/** Whole records. One that was withdrawn is its id and status and nothing else; one that is gone is refused with 410. */
export async function recordsOf(ctx: SignedIn, vault: Vault, rows: readonly RecordRow[]): Promise<RecordView[]> {
  if (rows.some((row) => row.is_deleted)) throw deletedRecord();
  const opened = await vault.openAll(
    ctx,
    rows.map((row) => ({ place: placeOf(row.record_id, row.version), sealed: Buffer.from(row.resource, 'base64') })),
  );
  return rows.map((row, at) => {
    authorize(ctx, 'read', 'Record', { patientId: row.patient_id });
    touchRecord(ctx, row);
    const { head, resource } = unpackRecord(opened[at]!);
    if (row.status === WITHDRAWN) return withdrawn(ctx, row, head);
    return { patientId: row.patient_id, ...lineOf(ctx, row, head), resource: new RawJson(resource) };
  });
}

export const WITHDRAWN = 'entered-in-error';
/** Types that say it in verificationStatus (https://hl7.org/fhir/R4/condition.html, allergyintolerance.html). */
const VERIFIED: Readonly<Record<string, string>> = {
  Condition: 'http://terminology.hl7.org/CodeSystem/condition-ver-status',
  AllergyIntolerance: 'http://terminology.hl7.org/CodeSystem/allergyintolerance-verification',
};

/** US Core, general guidance: a patient-facing server should give id and status of such a record, and no more. */
export function withdrawnText(type: string, id: string): string {
  const system = VERIFIED[type];
  const status = system ? { verificationStatus: { coding: [{ system, code: WITHDRAWN }] } } : { status: WITHDRAWN };
  return JSON.stringify({ resourceType: type, id, ...status });
}

/** Why it was withdrawn, where that was said here, is for those who treat the patient. */
function withdrawn(ctx: SignedIn, row: RecordRow, { details }: RecordHead): RecordView {
  const { record_id: id, type } = row;
  const bare = { ...row, category: [], code_system: '', code: '', effective_at: null, labels: [], flags: [] };
  const reason = isTreating(ctx, row.patient_id) && row.origin !== 'feed' ? details?.reason : undefined;
  return {
    patientId: row.patient_id,
    ...lineOf(ctx, bare, reason === undefined ? EMPTY : { ...EMPTY, details: { reason } }),
    resource: new RawJson(Buffer.from(withdrawnText(type, id))),
  };
}
