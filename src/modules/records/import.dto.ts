import { PageQuery } from '../../platform/http/cursors.js';
import { Instant, Json, OneOf, Text, Uuid, Whole } from '../../platform/http/fields.js';

export const IMPORT_STATUSES = ['completed', 'completed-with-issues', 'failed'] as const;
export type ImportStatus = (typeof IMPORT_STATUSES)[number];

const STATUS =
  'completed; completed-with-issues: some entries were rejected; failed: a transaction of which nothing was stored.';

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

export class ImportView extends ImportAccepted {
  @Text({ description: 'Type of the Bundle.', example: 'transaction' })
  bundleType: string;

  @Text({ max: 2000, description: 'The feed (a URI).' })
  source: string;

  @Whole({ description: 'Entries of the Bundle.' })
  entries: number;

  @Whole({ description: 'Records that are new.' })
  created: number;

  @Whole({ description: 'Records that got a new version.' })
  updated: number;

  @Whole({ description: 'Entries that changed no current record: known already, or older than what is known.' })
  unchanged: number;

  @Whole({ description: 'Entries that were not taken; each has an issue of severity error.' })
  rejected: number;

  @Json({
    description:
      'The same counts by FHIR type: `{"Observation": {"entries": 3, "created": 2, "updated": 0, "unchanged": 1, "rejected": 0}}`.',
  })
  byType: object;

  @Instant({ description: 'When it came in.' })
  receivedAt: string;

  @Instant({ description: 'When it was done.' })
  finishedAt: string;
}

export class IssuesQuery extends PageQuery {
  @OneOf(['error', 'warning'], { optional: true, description: 'Only these.' })
  severity?: 'error' | 'warning';
}

export class ImportIssueView {
  @Whole({ nullable: true, description: 'Entry of the Bundle, from 0; null: the import as a whole.' })
  entry: number | null;

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
}
