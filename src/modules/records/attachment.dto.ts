import { Instant, Nested, OneOf, Text, Uuid, Whole } from '../../platform/http/fields.js';
import { PageQuery } from '../../platform/http/cursors.js';

export class AttachmentParams {
  @Uuid({ description: 'The attachment.' })
  id: string;
}

export class AttachmentsQuery extends PageQuery {}

export const ATTACHMENT_STATES = ['stored', 'refused', 'awaited', 'elsewhere'] as const;
export type AttachmentState = (typeof ATTACHMENT_STATES)[number];

export class AttachmentFindingView {
  @Text({ description: 'Code.', example: 'attachment-hash' })
  code: string;

  @Text({ description: 'The same in words.' })
  text: string;
}

export class AttachmentView {
  @Uuid({ description: 'The attachment.' })
  id: string;

  @Uuid({ description: 'The record that it is part of.' })
  recordId: string;

  @Whole({ description: 'Version of the record.' })
  version: number;

  @OneOf(ATTACHMENT_STATES, {
    description:
      'stored: it can be fetched at `url`; refused: it is handed out to nobody, for the reasons in `findings`; awaited: the Binary that it is has not come; elsewhere: it is kept at `address`, where nothing is fetched from.',
  })
  state: AttachmentState;

  @Text({ nullable: true, max: 500, description: 'Title.' })
  title: string | null;

  @Text({ nullable: true, max: 500, description: 'What its sender says that it is.', example: 'application/pdf' })
  contentType: string | null;

  @Text({ nullable: true, max: 200, description: 'What it is by its content.', example: 'application/pdf' })
  type: string | null;

  @Whole({ nullable: true, description: 'Bytes; null where it is not here.' })
  size: number | null;

  @Text({ nullable: true, description: 'SHA-256 of the bytes, hexadecimal.' })
  sha256: string | null;

  @Text({ nullable: true, max: 500, description: 'Language, as its sender says.', example: 'en-US' })
  language: string | null;

  @Text({ nullable: true, max: 500, description: 'When it was made, as its sender says.' })
  creation: string | null;

  @Text({ nullable: true, description: 'Where its bytes are fetched; null where there is nothing to fetch.' })
  url: string | null;

  @Text({ nullable: true, max: 20_000, description: 'Where its sender keeps it on the web, as sent.' })
  address: string | null;

  @Nested(() => AttachmentFindingView, { many: 10, description: 'What is wrong with it.' })
  findings: AttachmentFindingView[];

  @Instant({ description: 'When it came.' })
  receivedAt: string;
}
