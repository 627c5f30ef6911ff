import type { Content } from '../../platform/content/index.js';
import { seal, type DataKey, type Place } from '../../platform/crypto/index.js';
import type { AttachmentFinding, Found } from './attachment-check.js';

/** What is known of an attachment: clinical words, and what opens its content. Sealed under the key of its record. */
export interface AttachmentHead {
  title?: string;
  language?: string;
  creation?: string;
  /** As its sender says. */
  contentType?: string;
  size?: number;
  hash?: string;
  /** Where its sender keeps it; never fetched. */
  address?: string;
  /** What was found of the content; null: it has not come, or is elsewhere, or was not kept. */
  found: Found | null;
  /** What it is handed out as; null: as bytes. */
  type: string | null;
  findings: AttachmentFinding[];
  content: Content | null;
  /** Its base64 as its sender wrote it, where that is not the one way to write the content. */
  literal: Content | null;
  /** The member that stands in the record's text in its place, and the one that its sender wrote: up to the quote where the content begins, or whole. */
  shown: string | null;
  sent: string;
  isData: boolean;
}

/** A version of a record, and which of its attachments. */
export interface AttachmentKey {
  id: string;
  recordId: string;
  version: number;
  ordinal: number;
}

/** A row that is moved to another record, version or place does not open. */
export const headPlaceOf = ({ id, recordId, version, ordinal }: AttachmentKey): Place => ({
  table: 'attachment',
  row: `${id}/${recordId}/${version}/${ordinal}`,
  column: 'head',
});

export const sealHead = (key: DataKey, at: AttachmentKey, head: AttachmentHead): string =>
  seal(key, headPlaceOf(at), JSON.stringify(head)).toString('base64');

export const parseHead = (plain: Buffer): AttachmentHead => JSON.parse(plain.toString('utf8')) as AttachmentHead;

export const pathOf = (id: string): string => `/v1/attachments/${id}`;
