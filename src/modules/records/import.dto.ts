import { PageQuery } from '../../platform/http/cursors.js';
import { Instant, Json, OneOf, Text, Uuid, Whole } from '../../platform/http/fields.js';

export const IMPORT_STATUSES = [
  'open',
  'queued',
  'running',
  'completed',
  'completed-with-issues',
  'failed',
  'cancelled',
] as const;
export type ImportStatus = (typeof IMPORT_STATUSES)[number];

const STATUS =
  'open: more files may come; queued; running; completed; completed-with-issues: some entries are in quarantine or were rejected; ' +
  'failed: a transaction of which nothing was stored, or what `failure` says; cancelled.';

export class ImportParams {
  @Uuid({ description: 'The import.' })
  id: string;
}

export class ImportAccepted {
  @Uuid({ description: 'The import: see GET /v1/imports/{id}.' })
  id: string;

  @OneOf(IMPORT_STATUSES, { description: STATUS })
  status: ImportStatus;
}

/** Begins an import of several files. */
export class OpenImport {
  @Instant({
    optional: true,
    description:
      "The manifest's transactionTime: the state of which instant the export is. It is the clock of its deletions.",
  })
  transactionTime?: string;
}

export class FileQuery {
  @Text({
    optional: true,
    max: 200,
    description: 'What the file is called, for people.',
    example: 'Patient.000.ndjson',
  })
  name?: string;
}

export class ImportFileView {
  @Uuid({ description: 'The file: issues name it.' })
  id: string;

  @Text({ nullable: true, description: 'What it is called.' })
  name: string | null;

  @Whole({ description: 'Bytes that came.' })
  bytes: number;
}

export class ImportsQuery extends PageQuery {
  @OneOf(IMPORT_STATUSES, { optional: true, description: 'Only these.' })
  status?: ImportStatus;
}

export class ImportView extends ImportAccepted {
  @Text({
    nullable: true,
    description:
      'Why it ended: transaction-refused (see its issues), feed-withdrawn, never-completed (for a week), internal, or an error code.',
  })
  failure: string | null;

  @Text({
    description: 'Type of the Bundle; ndjson: files of lines; hl7-v2: a message; quarantine: one record once more.',
    example: 'transaction',
  })
  bundleType: string;

  @Text({ max: 2000, description: 'The feed (a URI).' })
  source: string;

  @Whole({ description: 'Entries or lines that are done.' })
  entries: number;

  @Whole({ description: 'Records that are new.' })
  created: number;

  @Whole({ description: 'Records that got a new version.' })
  updated: number;

  @Whole({ description: 'Entries that changed no current record: known already, or older than what is known.' })
  unchanged: number;

  @Whole({ description: 'Records that were deleted: they answer 410, and their history stays.' })
  deleted: number;

  @Whole({
    description: 'Entries that are no good R4: they wait, apart from the charts, until somebody puts them right.',
  })
  quarantined: number;

  @Whole({ description: 'Entries that were not taken; each has an issue of severity error.' })
  rejected: number;

  @Whole({ description: 'Records that were stored though they do not meet a profile that they claim.' })
  flagged: number;

  @Whole({
    description: 'Records of earlier imports that got into their charts because what they waited for has come.',
  })
  released: number;

  @Whole({ description: 'Bytes of all its files.' })
  bytesTotal: number;

  @Whole({ description: 'Bytes that are done.' })
  bytesDone: number;

  @Whole({ nullable: true, description: 'Entries or lines a second, since the work began.' })
  perSecond: number | null;

  @Json({
    description:
      'The same counts by FHIR type: `{"Observation": {"entries": 3, "created": 2, "updated": 0, "unchanged": 1, "rejected": 0}}`.',
  })
  byType: object;

  @Instant({ description: 'When it came in.' })
  receivedAt: string;

  @Instant({ nullable: true, description: 'When the work began.' })
  startedAt: string | null;

  @Instant({ nullable: true, description: 'When it was over.' })
  finishedAt: string | null;
}

export class IssuesQuery extends PageQuery {
  @OneOf(['error', 'warning'], { optional: true, description: 'Only these.' })
  severity?: 'error' | 'warning';
}

export class ImportIssueView {
  @Whole({ nullable: true, description: 'Entry of the Bundle, from 0; null: a line, or the import as a whole.' })
  entry: number | null;

  @Uuid({ nullable: true, description: 'The file.' })
  file: string | null;

  @Whole({ nullable: true, description: 'Line of the file, from 1.' })
  line: number | null;

  @Text({ nullable: true, max: 500, description: "The entry's fullUrl." })
  fullUrl: string | null;

  @OneOf(['error', 'warning'], { description: 'error: the entry was not taken.' })
  severity: string;

  @Text({ description: 'What kind of fault it is.', example: 'unresolved-reference' })
  code: string;

  @Text({ max: 1000, description: 'FHIRPath or JSON pointer of the element; empty: the entry itself.' })
  path: string;

  @Text({ max: 1000, description: 'What is wrong, without any value of the record.' })
  detail: string;

  @Json({ description: 'The same as a FHIR OperationOutcome.' })
  operationOutcome: object;
}
