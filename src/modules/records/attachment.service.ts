import { Readable } from 'node:stream';
import { Injectable } from '@nestjs/common';
import { AuditSink } from '../../platform/access/audit-sink.js';
import { authorize, type SignedIn } from '../../platform/access/context.js';
import { Clock } from '../../platform/clock.js';
import { ContentTampered, inBase64, openContent, type Content } from '../../platform/content/index.js';
import { CipherError } from '../../platform/crypto/index.js';
import { Database } from '../../platform/database/database.js';
import { Vault } from '../../platform/database/vault.js';
import type { ByteRange } from '../../platform/http/byte-range.js';
import { Cursors, limitOf } from '../../platform/http/cursors.js';
import type { Page } from '../../platform/http/presenter.js';
import { notFound } from '../../platform/http/problem.js';
import { Logger } from '../../platform/logging/logger.js';
import { ATTACHMENT_FINDINGS, isRefused, servedAs } from './attachment-check.js';
import { headPlaceOf, parseHead, pathOf, type AttachmentHead, type AttachmentKey } from './attachment-head.js';
import type { AttachmentsQuery, AttachmentState, AttachmentView } from './attachment.dto.js';
import { AttachmentRepository, type AttachmentRow } from './attachment.repository.js';
import { AttachmentStore } from './attachment.store.js';
import {
  attachmentAwaited,
  attachmentElsewhere,
  attachmentRefused,
  attachmentTampered,
  notKept,
} from './reading.errors.js';
import { isoOf, WITHDRAWN } from './record-line.js';
import { auditCategory, placeOf, unpackRecord } from './record-text.js';
import { RecordRepository } from './record.repository.js';
import { deletedRecord } from './records.errors.js';

/** What is sent of an attachment. */
export interface Download {
  mediaType: string;
  title: string;
  extension: string;
  size: number;
  /** Strong: by the bytes. */
  etag: string;
  open: (range: ByteRange | null) => Promise<Readable>;
}

/** A content that is there, for whoever takes a chart along. */
export interface StoredAttachment {
  id: string;
  /** What it is, whatever it is handed out as. */
  contentType: string;
  mediaType: string;
  extension: string;
  /** Each time anew, from its beginning; on connections of its own. */
  bytes: () => AsyncGenerator<Buffer, void, undefined>;
}

interface OpenedAttachment {
  row: AttachmentRow;
  head: AttachmentHead;
}

const stateOf = ({ wants }: AttachmentRow, head: AttachmentHead): AttachmentState => {
  if (isRefused(head.findings)) return 'refused';
  if (head.content) return 'stored';
  return wants === null ? 'elsewhere' : 'awaited';
};

/** Attachments of records, for whoever may read the record: the list, their bytes, and the record as its sender wrote it. */
@Injectable()
export class AttachmentService {
  constructor(
    private readonly attachments: AttachmentRepository,
    private readonly records: RecordRepository,
    private readonly store: AttachmentStore,
    private readonly vault: Vault,
    private readonly cursors: Cursors,
    private readonly database: Database,
    private readonly sink: AuditSink,
    private readonly clock: Clock,
    private readonly logger: Logger,
  ) {}

  async list(ctx: SignedIn, recordId: string, query: AttachmentsQuery): Promise<Page<AttachmentView>> {
    const record = await this.records.find(ctx, recordId);
    if (!record) throw notFound();
    const { patient_id: patientId, type, category, version } = record;
    authorize(ctx, 'list', 'Attachment', { patientId });
    if (record.is_deleted) throw deletedRecord();
    ctx.touch({ patientId, type, id: recordId, category: auditCategory(category), version });
    // Of what was entered in error nobody is shown more than that it was.
    if (record.status === WITHDRAWN) return { items: [], next: null };
    const list = `attachments:${recordId}:${version}`;
    const [after = null] = this.cursors.open<[number]>(ctx, list, query) ?? [];
    const rows = await this.attachments.list(ctx, { recordId, version, after, limit: limitOf(query) + 1 });
    const page = this.cursors.page(
      ctx,
      list,
      query,
      rows,
      ({ ordinal }) => [ordinal],
      (row) => row,
    );
    const items: AttachmentView[] = [];
    for (const row of page.items) items.push(this.view(ctx, await this.opened(ctx, row)));
    return { items, next: page.next };
  }

  /** The bytes, exactly as they came. What was found to be no good is handed out to nobody. */
  async download(ctx: SignedIn, id: string): Promise<Download> {
    const row = await this.attachments.find(ctx, id);
    if (!row || row.status === WITHDRAWN) throw notFound();
    authorize(ctx, 'download', 'Attachment', { patientId: row.patient_id });
    if (row.is_deleted) throw deletedRecord();
    const { head } = await this.opened(ctx, row);
    this.touch(ctx, row);
    if (isRefused(head.findings)) throw attachmentRefused(ATTACHMENT_FINDINGS[head.findings[0]!]);
    const { content, found } = head;
    if (!content || !found) throw row.wants === null ? attachmentElsewhere() : attachmentAwaited();
    const { mediaType, extension } = servedAs(head.type, found.isUtf8);
    return {
      ...{ mediaType, extension, title: head.title ?? '', size: content.bytes, etag: `"${found.sha256}"` },
      open: (range) => this.stream(ctx, row, content, range),
    };
  }

  /** A record with the contents of its attachments where its sender had them, in every byte but the names of records. */
  async original(ctx: SignedIn, recordId: string): Promise<Readable> {
    const record = await this.records.find(ctx, recordId);
    if (!record || record.status === WITHDRAWN) throw notFound();
    const { patient_id: patientId, type, category, version } = record;
    authorize(ctx, 'download', 'Record', { patientId });
    if (record.is_deleted) throw deletedRecord();
    ctx.touch({ patientId, type, id: recordId, category: auditCategory(category), version });
    const sealed = Buffer.from(record.resource, 'base64');
    const { resource } = unpackRecord(await this.vault.open(ctx, placeOf(recordId, version), sealed));
    const taken = (await this.all(ctx, recordId, version)).filter(({ head }) => head.shown !== null);
    // Told before the first byte: half a resource would be none.
    if (taken.some(({ head }) => head.isData && !head.content)) throw notKept();
    for (const { row } of taken) this.touch(ctx, row);
    return Readable.from(this.written(ctx, resource, taken), { objectMode: false });
  }

  /** The contents of a record's attachments that are there and no cause for doubt. */
  async stored(ctx: SignedIn, recordId: string, version: number): Promise<StoredAttachment[]> {
    const all = await this.all(ctx, recordId, version);
    return all.flatMap(({ row, head }) => {
      const { content, found, type } = head;
      if (stateOf(row, head) !== 'stored' || !content || !found) return [];
      const contentType = type ?? head.contentType ?? 'application/octet-stream';
      this.touch(ctx, row);
      return [
        { ...servedAs(type, found.isUtf8), id: row.id, contentType, bytes: () => this.bytes(ctx, row, content, null) },
      ];
    });
  }

  private async *written(
    ctx: SignedIn,
    resource: Buffer,
    taken: readonly OpenedAttachment[],
  ): AsyncGenerator<Buffer, void, undefined> {
    let at = 0;
    for (const { row, head } of taken) {
      const shown = Buffer.from(head.shown!, 'utf8');
      const start = resource.indexOf(shown, at);
      if (start < 0) throw await this.tampered(ctx, row, 'text');
      yield resource.subarray(at, start);
      yield Buffer.from(head.sent, 'utf8');
      if (head.literal) yield* this.bytes(ctx, row, head.literal, null);
      else if (head.isData) yield* inBase64(this.bytes(ctx, row, head.content!, null));
      if (head.isData) yield Buffer.from('"');
      at = start + shown.length;
    }
    yield resource.subarray(at);
  }

  private async all(ctx: SignedIn, recordId: string, version: number): Promise<OpenedAttachment[]> {
    const all: OpenedAttachment[] = [];
    for (let after: number | null = null; ;) {
      const rows: AttachmentRow[] = await this.attachments.list(ctx, { recordId, version, after, limit: 200 });
      for (const row of rows) all.push(await this.opened(ctx, row));
      if (rows.length < 200) return all;
      after = rows.at(-1)!.ordinal;
    }
  }

  private view(ctx: SignedIn, { row, head }: OpenedAttachment): AttachmentView {
    this.touch(ctx, row);
    const state = stateOf(row, head);
    return {
      ...{ id: row.id, recordId: row.recordId, version: row.version, state, type: head.type },
      title: head.title ?? null,
      contentType: head.contentType ?? null,
      size: head.found?.bytes ?? null,
      sha256: head.found?.sha256 ?? null,
      language: head.language ?? null,
      creation: head.creation ?? null,
      url: state === 'stored' ? pathOf(row.id) : null,
      address: webAddress(head.address),
      findings: head.findings.map((code) => ({ code, text: ATTACHMENT_FINDINGS[code] })),
      receivedAt: isoOf(row.received_at),
    };
  }

  private touch(ctx: SignedIn, { patient_id: patientId, id, category }: AttachmentRow): void {
    ctx.touch({ patientId, type: 'Attachment', id, category: auditCategory(category) });
  }

  private async opened(ctx: SignedIn, row: AttachmentRow): Promise<OpenedAttachment> {
    try {
      const head = parseHead(await this.vault.open(ctx, headPlaceOf(row), Buffer.from(row.head, 'base64')));
      // The columns say who may read the chunks; the head says which they are.
      const isSame = (head.content?.id ?? null) === row.content_id && (head.literal?.id ?? null) === row.literal_id;
      if (isSame) return { row, head };
    } catch (error) {
      if (!(error instanceof CipherError)) throw error;
    }
    throw await this.tampered(ctx, row, 'head');
  }

  /** The first bytes are opened before anything is answered: what is broken from its beginning on is refused. */
  private async stream(
    ctx: SignedIn,
    row: AttachmentRow,
    content: Content,
    range: ByteRange | null,
  ): Promise<Readable> {
    const bytes = this.bytes(ctx, row, content, range);
    const first = await bytes.next();
    async function* all(): AsyncGenerator<Buffer, void, undefined> {
      if (first.done) return;
      yield first.value;
      yield* bytes;
    }
    return Readable.from(all(), { objectMode: false });
  }

  private async *bytes(
    ctx: SignedIn,
    row: AttachmentRow,
    content: Content,
    range: ByteRange | null,
  ): AsyncGenerator<Buffer, void, undefined> {
    try {
      yield* openContent(content, (ordinal) => this.store.chunks.read(ctx.actor.id, content.id, ordinal), range);
    } catch (error) {
      if (!(error instanceof ContentTampered)) throw error;
      throw await this.tampered(ctx, row, `${error.contentId}/${error.ordinal}`);
    }
  }

  /** Somebody had a hand in the database, or the disk is failing: either is for people to look at. Names the row and nothing of a person. */
  private async tampered(ctx: SignedIn, { id, recordId, version }: AttachmentKey, part: string): Promise<Error> {
    const at = this.clock.now();
    this.logger.error('an attachment is not what was stored', attachmentTampered(), { requestId: ctx.requestId });
    await this.database.write(null, (db) =>
      this.sink.system(db, {
        ...{ code: 'Attachment.tampered', act: 'E', accountId: '', sessionId: null, at, outcome: 8 },
        ...{ reason: 'records.attachment-tampered', detail: { attachment: id, record: recordId, version, part } },
      }),
    );
    return attachmentTampered();
  }
}

/** A sender's word may be anything, and a client makes a link of it: only an address that is asked for over HTTP is one. */
function webAddress(sent: string | undefined): string | null {
  return sent !== undefined && /^https?:\/\//i.test(sent) && URL.canParse(sent) ? sent : null;
}
