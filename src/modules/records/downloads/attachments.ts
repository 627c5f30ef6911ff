import type { RawJson } from '../../../platform/http/presenter.js';
import { pathOf } from '../attachment-head.js';
import type { StoredAttachment } from '../attachment.service.js';
import type { RecordView } from '../record.dto.js';
import type { Printed } from './printed.js';

export interface Attachment {
  extension: string;
  mediaType: string;
  bytes: AsyncIterable<Uint8Array>;
}

/** Types that a reader may open; anything else is bytes, whatever it says of itself: a page with a script must not be one click away. */
const EXTENSIONS: Readonly<Record<string, string>> = {
  'application/pdf': 'pdf',
  'image/jpeg': 'jpg',
  'image/png': 'png',
  'image/gif': 'gif',
  'image/tiff': 'tiff',
  'text/plain': 'txt',
};
const NOTHING_TO_OPEN = 'application/octet-stream';
const OF_TYPES: ReadonlySet<string> = new Set(['DocumentReference', 'DiagnosticReport', 'Media', 'Binary', 'Consent']);

interface Inline {
  contentType?: unknown;
  data?: unknown;
}

const APART = pathOf('');

/** Contents that lie apart from the record; where its text names none, nobody is asked. */
export function storedOf(view: RecordView, { stored }: Pick<Printed, 'stored'>): Promise<StoredAttachment[]> {
  return (view.resource as RawJson).bytes.includes(APART) ? stored(view) : Promise.resolve([]);
}

/** The attachments of a record, as files beside the record itself: those that lie apart from it, and those whose bytes stand in it. */
export async function* attachmentsOf(view: RecordView, printed: Pick<Printed, 'stored'>): AsyncGenerator<Attachment> {
  const { type, resource } = view;
  for (const { extension, mediaType, bytes } of await storedOf(view, printed))
    yield { extension, mediaType, bytes: bytes() };
  if (!OF_TYPES.has(type)) return;
  const parsed = JSON.parse((resource as RawJson).bytes.toString('utf8')) as unknown;
  for (const { contentType, data } of inlineIn(parsed)) {
    const said = typeof contentType === 'string' ? contentType.split(';')[0]!.trim().toLowerCase() : '';
    const extension = Object.hasOwn(EXTENSIONS, said) ? EXTENSIONS[said] : undefined;
    yield {
      extension: extension ?? 'bin',
      mediaType: extension ? said : NOTHING_TO_OPEN,
      bytes: once(Buffer.from(data as string, 'base64')),
    };
  }
}

async function* once(bytes: Buffer): AsyncGenerator<Buffer> {
  yield await Promise.resolve(bytes);
}

/** Objects with base64 `data` and a content type, wherever they stand: Attachment and Binary. */
function* inlineIn(value: unknown): Generator<Inline> {
  if (typeof value !== 'object' || value === null) return;
  const { contentType, data } = value as Inline;
  if (typeof data === 'string' && data !== '' && contentType !== undefined) yield { contentType, data };
  for (const inner of Object.values(value)) yield* inlineIn(inner);
}
