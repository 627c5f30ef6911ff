import { Inject, Injectable } from '@nestjs/common';
import { CONFIG, type Config } from '../../platform/config/config.js';
import { ContentChunks } from '../../platform/content/index.js';
import { Database } from '../../platform/database/database.js';
import { Vault } from '../../platform/database/vault.js';
import { judge } from './attachment-check.js';
import { headPlaceOf, parseHead, sealHead, type AttachmentHead, type AttachmentKey } from './attachment-head.js';
import type { TakenAttachment } from './attachment-taker.js';
import type { ImportCtx } from './import-job.js';
import type { ScopeKeys } from './import-writer.js';
import { scopeOf } from './record-text.js';

const CHUNKS = 'records.attachment_chunk';
/** Binaries and what they come with, in one step. */
const AT_ONCE = 200;

interface HeadRow extends AttachmentKey {
  namedPatientId: string | null;
  head: string;
}

interface Match extends HeadRow {
  binary: HeadRow;
}

const KEY = (alias: string): string =>
  `${alias}.attachment_id AS "id", ${alias}.record_id AS "recordId", ${alias}.version, ${alias}.ordinal, ${alias}.head`;

/** Attachments as imports bring them in: rows, chunks, and the Binary that each of them may wait for. */
@Injectable()
export class AttachmentStore {
  readonly maxBytes: number;
  readonly chunks: ContentChunks;

  constructor(
    @Inject(CONFIG) config: Config,
    database: Database,
    private readonly vault: Vault,
  ) {
    this.maxBytes = config.attachments.maxBytes;
    this.chunks = new ContentChunks(database, CHUNKS);
  }

  async insert(ctx: ImportCtx, source: string, taken: readonly TakenAttachment[]): Promise<void> {
    if (taken.length === 0) return;
    await ctx.db.query(
      `INSERT INTO records.attachment (attachment_id, record_id, version, ordinal, wants, content_id, literal_id, head, source, received_at)
       SELECT x.*, $9, $10 FROM unnest($1::uuid[], $2::uuid[], $3::integer[], $4::integer[], $5::text[], $6::uuid[], $7::uuid[], $8::text[]) AS x`,
      [
        ...[taken.map(({ id }) => id), taken.map(({ recordId }) => recordId), taken.map(({ version }) => version)],
        ...[taken.map(({ ordinal }) => ordinal), taken.map(({ wants }) => wants)],
        ...[taken.map(({ contentId }) => contentId), taken.map(({ literalId }) => literalId)],
        ...[taken.map(({ head }) => head), source, ctx.now],
      ],
    );
    await this.chunks.put(
      ctx,
      source,
      taken.flatMap(({ chunks }) => chunks),
    );
  }

  /**
   * Gives attachments the content of the Binary that they name: those of these records, and those that waited for these Binaries. A
   * Binary that says whose it is (R4 Binary.securityContext) is nobody else's attachment.
   */
  async link(ctx: ImportCtx, source: string, keys: ScopeKeys, recordIds: readonly string[]): Promise<void> {
    for (let rows: Match[] = []; ;) {
      rows = await this.matches(ctx, source, recordIds);
      const settled: (AttachmentKey & { contentId: string | null; literalId: string | null; head: string })[] = [];
      for (const row of rows) {
        const own = await this.open(ctx, row);
        const head = linked(own, await this.open(ctx, row.binary), isOfAnother(row));
        const key = await keys.of(scopeOf(row.namedPatientId, source));
        const { content, literal } = head;
        settled.push({
          ...row,
          contentId: content?.id ?? null,
          literalId: literal?.id ?? null,
          head: sealHead(key, row, head),
        });
      }
      if (rows.length > 0)
        await ctx.db.query(
          `UPDATE records.attachment a SET content_id = x.content_id, literal_id = x.literal_id, head = x.head, of_binary = x.of_binary
             FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::uuid[]) AS x(id, content_id, literal_id, head, of_binary) WHERE a.attachment_id = x.id`,
          [
            ...[settled.map(({ id }) => id), settled.map(({ contentId }) => contentId)],
            ...[settled.map(({ literalId }) => literalId), settled.map(({ head }) => head)],
            rows.map(({ binary }) => binary.id),
          ],
        );
      if (rows.length < AT_ONCE) return;
    }
  }

  /** Whose these records are is known now: what opens their contents goes under that key. */
  async settle(ctx: ImportCtx, source: string, keys: ScopeKeys, owners: ReadonlyMap<string, string>): Promise<void> {
    if (owners.size === 0) return;
    const rows = await ctx.db.query<HeadRow>(
      `SELECT ${KEY('a')} FROM records.attachment a WHERE a.record_id = ANY($1::uuid[])`,
      [[...owners.keys()]],
    );
    if (rows.length === 0) return;
    const sealed: string[] = [];
    for (const row of rows) {
      const key = await keys.of(scopeOf(owners.get(row.recordId)!, source));
      sealed.push(sealHead(key, row, await this.open(ctx, row)));
    }
    await ctx.db.query(
      `UPDATE records.attachment a SET head = x.head FROM unnest($1::uuid[], $2::text[]) AS x(id, head) WHERE a.attachment_id = x.id`,
      [rows.map(({ id }) => id), sealed],
    );
  }

  private async open(ctx: ImportCtx, row: HeadRow): Promise<AttachmentHead> {
    return parseHead(await this.vault.open(ctx, headPlaceOf(row), Buffer.from(row.head, 'base64')));
  }

  private async matches(ctx: ImportCtx, source: string, recordIds: readonly string[]): Promise<Match[]> {
    const rows = await ctx.db.query<HeadRow & { binary: HeadRow }>(
      `SELECT ${KEY('a')}, r.named_patient_id AS "namedPatientId",
              json_build_object('id', b.attachment_id, 'recordId', b.record_id, 'version', b.version, 'ordinal', b.ordinal, 'head', b.head,
                'namedPatientId', n.named_patient_id) AS binary
         FROM records.attachment a
         JOIN records.record r ON r.record_id = a.record_id AND r.version = a.version
         JOIN records.record n ON n.source = a.source AND n.type = 'Binary' AND n.source_id = substr(a.wants, 8) AND NOT n.is_deleted
         JOIN records.attachment b ON b.record_id = n.record_id AND b.version = n.version
        WHERE a.source = $1 AND a.wants IS NOT NULL AND a.of_binary IS DISTINCT FROM b.attachment_id
          -- Not before it is known whose the Binary is, where it says that it is somebody's, and whose the record.
          AND NOT EXISTS (SELECT 1 FROM records.awaited w WHERE w.record_id = n.record_id)
          AND (n.named_patient_id IS NULL OR r.named_patient_id IS NOT NULL)
          AND (a.record_id = ANY($2::uuid[]) OR n.record_id = ANY($2::uuid[]))
        ORDER BY a.attachment_id LIMIT ${AT_ONCE}`,
      [source, recordIds],
    );
    return rows;
  }
}

const isOfAnother = ({ namedPatientId, binary }: Match): boolean =>
  binary.namedPatientId !== null && binary.namedPatientId !== namedPatientId;

/** An attachment that names a Binary, with the content of that. */
function linked(own: AttachmentHead, binary: AttachmentHead, isAnothers: boolean): AttachmentHead {
  const none = { ...own, found: null, type: null, content: null, literal: null };
  if (isAnothers) return { ...none, findings: ['attachment-of-another'] };
  if (!binary.found) return { ...none, findings: binary.findings };
  const contentType = own.contentType ?? binary.contentType;
  const { type, findings } = judge(binary.found, { contentType, size: own.size, hash: own.hash });
  const { found, content } = binary;
  // How the Binary's sender wrote it belongs to the Binary.
  return { ...own, contentType, found, type, findings, content, literal: null };
}
