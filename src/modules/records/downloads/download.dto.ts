import { PageQuery } from '../../../platform/http/cursors.js';
import { Day, Email, Instant, Nested, OneOf, SomeOf, Text, Texts, Uuid, Whole } from '../../../platform/http/fields.js';

export const FORMATS = ['fhir', 'ips', 'html', 'pdf'] as const;
export type Format = (typeof FORMATS)[number];

const STATUSES = ['queued', 'running', 'ready', 'failed', 'ended', 'expired'] as const;
export type DownloadStatus = (typeof STATUSES)[number];

/** Names are ours, so that nothing of a chart stands in an address, a log or the list of a ZIP. */
export const FILE_NAME = /^(?:health-record\.(?:json|html|pdf)|patient-summary\.json|attachment-\d{1,4}\.[a-z]{2,5})$/;

const TYPE = /^[A-Z][A-Za-z]+$/;

export class DownloadParams {
  @Uuid({ description: 'Download.' })
  id: string;
}

export class DownloadFileParams extends DownloadParams {
  @Text({ max: 64, pattern: FILE_NAME, description: 'File of the download.' })
  name: string;
}

export class CreateDownload {
  @Day({ optional: true, description: 'Nothing of before this day (UTC).' })
  from?: string;

  @Day({ optional: true, description: 'Nothing of after this day (UTC).' })
  to?: string;

  @Texts({
    optional: true,
    max: 64,
    many: 50,
    unique: true,
    description: 'FHIR types, such as `Observation`; left out: all.',
  })
  types?: string[];

  @SomeOf(FORMATS, {
    optional: true,
    min: 1,
    description:
      'A FHIR Bundle, an International Patient Summary, a page to read, a PDF with pictures; left out: all four. Attachments come along.',
  })
  formats?: Format[];
}

export class DownloadsQuery extends PageQuery {}

export class DownloadedFileView {
  @Text({ max: 64, description: 'Name.' })
  name: string;

  @Text({ description: 'Media type.' })
  mediaType: string;

  @Whole({ description: 'Size in bytes.' })
  bytes: number;

  @Text({ description: 'SHA-256, hexadecimal.' })
  sha256: string;
}

export class DownloadProgressView {
  @Whole({ description: 'Records written so far, all formats together.' })
  records: number;

  @Whole({ nullable: true, description: 'How many there are to write; null until that is known.' })
  total: number | null;
}

export class DownloadView {
  @Uuid({ description: 'Download.' })
  id: string;

  @Uuid({ description: 'Whose chart it is of.' })
  patientId: string;

  @OneOf(STATUSES, {
    description:
      'How far it is. `ended`: given up by whoever asked; `expired`: its days are over. Then the files are gone.',
  })
  status: DownloadStatus;

  @Text({ nullable: true, description: '`access-ended`: the chart is no longer open to whoever asked; `internal`.' })
  failure: string | null;

  @Day({ nullable: true, description: 'As asked for.' })
  from: string | null;

  @Day({ nullable: true, description: 'As asked for.' })
  to: string | null;

  @Texts({ description: 'As asked for; none: all types.' })
  types: string[];

  @SomeOf(FORMATS, { description: 'As asked for.' })
  formats: string[];

  @Instant({ description: 'When it was asked for.' })
  createdAt: string;

  @Instant({ nullable: true, description: 'When it was ready, or failed.' })
  finishedAt: string | null;

  @Instant({ description: 'When its files are deleted.' })
  expiresAt: string;

  @Nested(() => DownloadProgressView, { description: 'How far the work is.' })
  progress: DownloadProgressView;

  @Nested(() => DownloadedFileView, { many: 10_000, description: 'Files, once it is ready.' })
  files: DownloadedFileView[];
}

export class CreateTransmission {
  @Email({ description: 'Any address that the patient names.' })
  to: string;

  @Texts({
    optional: true,
    max: 64,
    many: 200,
    unique: true,
    description: 'Names of the files to send; left out: all of the download.',
  })
  files?: string[];
}

const TRANSMISSION_STATES = ['waiting', 'handed-over', 'failed'] as const;
export type TransmissionState = (typeof TRANSMISSION_STATES)[number];

export class TransmissionView {
  @Uuid({ description: 'Transmission.' })
  id: string;

  @Uuid({ description: 'The download that was sent.' })
  downloadId: string;

  @Text({ max: 254, description: 'To whom.' })
  to: string;

  @Texts({ many: 10_000, description: 'Files in the ZIP.' })
  files: string[];

  @Whole({ description: 'Size of the ZIP in bytes.' })
  bytes: number;

  @Text({ description: 'SHA-256 of the ZIP, hexadecimal.' })
  sha256: string;

  @Instant({ description: 'When it was handed over for sending.' })
  sentAt: string;

  @Uuid({ description: 'Account that sent it.' })
  accountId: string;

  @OneOf(TRANSMISSION_STATES, {
    description:
      '`waiting`: it is sent soon, and tried again for hours where the mail server is away; `handed-over`: the mail server has it; `failed`: it was given up, nobody has got it.',
  })
  status: TransmissionState;

  @Text({ nullable: true, max: 500, description: 'What to do where it failed.' })
  advice: string | null;
}

export class SentTransmissionView extends TransmissionView {
  @Text({
    description:
      'What opens the ZIP (AES-256). Shown this once, stored nowhere and never mailed: tell it to the recipient by another way.',
  })
  passphrase: string;
}

export const isType = (text: string): boolean => TYPE.test(text);
