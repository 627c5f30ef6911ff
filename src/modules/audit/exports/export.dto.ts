import { Flag, Instant, Json, Nested, OneOf, SomeOf, Text, Uuid, Whole } from '../../../platform/http/fields.js';
import { PageQuery } from '../../../platform/http/cursors.js';
import { EventsFilter } from '../audit.dto.js';
import { FILE_NAMES } from './export-files.js';
import type { ExportState } from './export.repository.js';

export const FORMATS = ['ndjson', 'csv', 'fhir'] as const;

/** As in the search of events. */
export class ExportFilterInput extends EventsFilter {
  @Instant({ optional: true, description: 'Not before.' })
  from?: string;

  @Instant({ optional: true, description: 'Before.' })
  to?: string;

  @Text({
    optional: true,
    max: 45,
    pattern: /^[0-9A-Fa-f:.]+$/,
    description: 'Address that it came from. Erasing addresses ends the export, and takes this out of its record.',
  })
  ip?: string;

  @Whole({ optional: true, description: 'First place in the log.' })
  fromSeq?: number;

  @Whole({ optional: true, description: 'Last place in the log; left out: up to the event of the export itself.' })
  toSeq?: number;
}

export class CreateExport {
  @Nested(() => ExportFilterInput, { optional: true, description: 'Which events; left out: the whole log.' })
  filter?: ExportFilterInput;

  @SomeOf(FORMATS, {
    optional: true,
    min: 1,
    description: 'Files with the events. The exact lines (`ndjson`) are always among them: they are the evidence.',
  })
  formats?: string[];

  @Text({ min: 3, max: 500, description: 'What it is for; kept with the export for ever. No clinical content.' })
  reason: string;

  @Flag({
    optional: true,
    description: 'With the addresses and user agents that the lines only commit to, where they were not erased.',
  })
  disclosures?: boolean;
}

export class ExportParams {
  @Uuid({ description: 'Export.' })
  id: string;
}

export class ExportFileParams extends ExportParams {
  @OneOf(FILE_NAMES, { description: 'File of the bundle.' })
  name: string;
}

export class ExportsQuery extends PageQuery {}

export class ExportProgressView {
  @Whole({ description: 'Places of the log that have been looked at.' })
  position: number;

  @Whole({ nullable: true, description: 'How many there are to look at; null until it is settled.' })
  end: number | null;

  @Whole({ description: 'Events found so far.' })
  lines: number;
}

export class ExportedFileView {
  @OneOf(FILE_NAMES, { description: 'Name.' })
  name: string;

  @Whole({ description: 'Size in bytes.' })
  bytes: number;

  @Text({ description: 'SHA-256, hexadecimal.' })
  sha256: string;
}

export class ExportBundleView {
  @Whole({ description: 'Size of the ZIP in bytes.' })
  bytes: number;

  @Text({ description: 'SHA-256, hexadecimal.' })
  sha256: string;
}

export class ExportView {
  @Uuid({ description: 'Export.' })
  id: string;

  @OneOf(['queued', 'waiting-for-checkpoint', 'preparing', 'ready', 'failed', 'ended'] satisfies ExportState[], {
    description: 'How far it is. It ends with its own event, and waits until a checkpoint covers that.',
  })
  state: ExportState;

  @Text({
    nullable: true,
    description:
      '`log-gap`: entries are missing. `values-erased`: ask for a new one. `events-deleted`: their retention has ended. `outdated`: made by an earlier version.',
  })
  failure: string | null;

  @Json({ description: 'Which events.' })
  filter: object;

  @SomeOf(FORMATS, { description: 'Files with the events.' })
  formats: string[];

  @Text({ max: 500, description: 'What it is for.' })
  reason: string;

  @Flag({ description: 'With opened addresses and user agents.' })
  disclosures: boolean;

  @Uuid({ description: 'Account that asked for it.' })
  accountId: string;

  @Instant({ description: 'When it was asked for.' })
  createdAt: string;

  @Instant({ nullable: true, description: 'When it was ready, or failed.' })
  finishedAt: string | null;

  @Nested(() => ExportProgressView, { description: 'How far the work is.' })
  progress: ExportProgressView;

  @Whole({ nullable: true, description: 'Place of the event of the export itself.' })
  seq: number | null;

  @Whole({ nullable: true, description: 'Size of the tree that its proofs are of.' })
  treeSize: number | null;

  @Whole({
    nullable: true,
    description: 'First event that does not fit what the tree holds, or the counter of its patient: verify the log.',
  })
  mismatchAt: number | null;

  @Instant({ nullable: true, description: 'Until when it can be fetched.' })
  expiresAt: string | null;

  @Nested(() => ExportBundleView, { nullable: true, description: 'The ZIP with all files, once it is ready.' })
  bundle: ExportBundleView | null;

  @Nested(() => ExportedFileView, { many: 20, description: 'Files, once it is ready; tiles not counted.' })
  files: ExportedFileView[];
}
