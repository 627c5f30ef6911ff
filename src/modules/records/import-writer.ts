import { newId } from '../../platform/ids.js';
import type { DataKey } from '../../platform/crypto/index.js';
import type { Vault } from '../../platform/database/vault.js';
import { ATTACHMENT_FINDINGS } from './attachment-check.js';
import type { AttachmentStore } from './attachment.store.js';
import { AttachmentTaker, type Taken } from './attachment-taker.js';
import type { Spills } from './attachment-spills.js';
import type { AwaitedRepository } from './awaited.repository.js';
import type { FeedRepository, SealedVersion, StoredRecord } from './feed.repository.js';
import { keyOf, type Candidate } from './import-candidates.js';
import type { Delivery, ImportCtx } from './import-job.js';
import type { Decision, Incoming } from './import-plan.js';
import { tokenKey } from './import-references.js';
import type { ImportReport } from './import-report.js';
import { auditCategory, dayOf, packRecord, scopeOf, sealRecord } from './record-text.js';
import type { RecordWords } from './record-words.js';

/** A candidate with its place in the chart, and what is to become of it. */
export interface Decided extends Incoming {
  candidate: Candidate;
  known: StoredRecord | undefined;
  recordId: string;
  /** The chart that the sender named; `patientId` is where it is shown. */
  namedPatientId: string | null;
  text: string;
  /** The visit that it belongs to, and where it comes from, by their ids here. */
  encounterId: string | null;
  departments: readonly string[];
  /** Codes of what it refers to that it is as sensitive as. */
  mentions: readonly string[];
  /** Of a Provenance: the records that it speaks about, as far as they have come. */
  targets: readonly string[];
  /** What its references mean that has not come yet. */
  awaited: readonly string[];
  /** Of these, what says whose it is. */
  owners: readonly string[];
  /** How its sender names what an address in it means. */
  canonical: (reference: string) => string | undefined;
  decision: Decision;
}

// Rows and sealed bytes of one statement.
const FLUSH_BYTES = 2_000_000;
const FLUSH_ROWS = 1_000;

/** Keys that data are sealed under, each looked up once a unit of work. */
export class ScopeKeys {
  private readonly keys = new Map<string, DataKey>();

  constructor(
    private readonly ctx: ImportCtx,
    private readonly vault: Vault,
  ) {}

  async of(scope: string): Promise<DataKey> {
    const known = this.keys.get(scope);
    if (known) return known;
    const key = await this.vault.keyFor(this.ctx, scope);
    this.keys.set(scope, key);
    return key;
  }
}

export interface WriterTools {
  feed: FeedRepository;
  awaited: AwaitedRepository;
  attachments: AttachmentStore;
  words: RecordWords;
  vault: Vault;
}

/** Seals what was decided and writes it, set by set, in the caller's transaction. Lives for one import. */
export class ImportWriter {
  private readonly keys: ScopeKeys;
  private readonly taker: AttachmentTaker;
  private readonly feed: FeedRepository;
  private readonly awaited: AwaitedRepository;
  /** Records with an attachment whose content is a Binary. */
  private readonly waiting = new Set<string>();

  constructor(
    private readonly ctx: ImportCtx,
    private readonly delivery: Delivery,
    private readonly report: ImportReport,
    private readonly tools: WriterTools,
    spills: Spills,
  ) {
    this.keys = new ScopeKeys(ctx, tools.vault);
    this.taker = new AttachmentTaker(tools.attachments.maxBytes, spills);
    this.feed = tools.feed;
    this.awaited = tools.awaited;
  }

  async write(items: readonly Decided[]): Promise<void> {
    const { ctx, delivery, feed, awaited } = this;
    const of = (action: Decision['action']) => items.filter(({ decision }) => decision.action === action);
    const [created, updated] = [await this.create(of('create')), of('update')];
    const all = (): true => true;
    await this.eachChunk(updated, (versions) => feed.replace(ctx, delivery, versions).then(() => all));
    const late = of('late');
    await this.eachChunk(late, (versions) => feed.file(ctx, delivery, versions).then(() => all));
    const adopted = late.filter(({ known, patientId }) => known?.patientId === null && patientId !== null);
    await feed.adopt(
      ctx,
      adopted.filter(({ known }) => known!.isDeleted),
    );
    const current = [...created, ...updated];
    const directory = current.filter(({ isShared }) => isShared);
    await feed.identify(
      ctx,
      delivery.source,
      directory.map(({ recordId, candidate }) => ({ recordId, tokens: tokensOf(candidate) })),
    );
    await feed.link(
      ctx,
      current.filter(({ candidate }) => candidate.type === 'Provenance'),
    );
    await awaited.expect(
      ctx,
      delivery.source,
      current
        .filter((item) => !isOwnerlessTombstone(item))
        .map(({ recordId, known, awaited: keys }) => ({ recordId, isNew: !known, keys })),
    );
    // A tombstone waits with the versions that it stands for: they will say whose it is.
    await awaited.expect(
      ctx,
      delivery.source,
      late
        .filter(({ known, patientId }) => known!.isDeleted && known!.patientId === null && patientId === null)
        .map(({ recordId, owners }) => ({ recordId, isNew: true, keys: owners })),
    );
    await awaited.arrived(ctx, delivery.source, [...arrivalsOf(current), ...arrivalsOf(adopted)]);
    await this.link([...current, ...late]);
    for (const item of [...current, ...late]) this.touch(item);
  }

  /** The items with the ids that they got: a Patient's is its chart's, unless another feed's Patient has it already. */
  private async create(items: readonly Decided[]): Promise<readonly Decided[]> {
    const inserted = new Set<string>();
    const insert = async (versions: SealedVersion[]): Promise<(id: string) => boolean> => {
      for (const id of await this.feed.insert(this.ctx, this.delivery, versions)) inserted.add(id);
      return (id) => inserted.has(id);
    };
    await this.eachChunk(items, insert);
    const settled = items.map((item) => (inserted.has(item.recordId) ? item : { ...item, recordId: newId() }));
    await this.eachChunk(
      settled.filter(({ recordId }) => !inserted.has(recordId)),
      insert,
    );
    return settled;
  }

  /** `write` answers which of the records were written: the attachments of the others are not. */
  private async eachChunk(
    items: readonly Decided[],
    write: (versions: SealedVersion[]) => Promise<(id: string) => boolean>,
  ): Promise<void> {
    let chunk: Sealed[] = [];
    let bytes = 0;
    const flush = async (): Promise<void> => {
      const isWritten = await write(chunk.map(({ version }) => version));
      await this.attach(chunk.filter(({ version }) => isWritten(version.recordId)));
      chunk = [];
      bytes = 0;
    };
    for (const item of items) {
      const sealed = await this.sealed(item);
      chunk.push(sealed);
      bytes += weightOf(sealed);
      if (bytes >= FLUSH_BYTES || chunk.length >= FLUSH_ROWS) await flush();
    }
    if (chunk.length > 0) await flush();
  }

  private async attach(written: readonly Sealed[]): Promise<void> {
    const rows = written.flatMap(({ taken }) => taken?.attachments ?? []);
    await this.tools.attachments.insert(this.ctx, this.delivery.source, rows);
    for (const { item, taken } of written)
      for (const { ordinal, finding } of taken?.warnings ?? [])
        this.report.warn(item.candidate, finding, `Attachment[${ordinal}]`, ATTACHMENT_FINDINGS[finding]);
  }

  /** Binaries and those that name them, whichever came first. */
  private async link(items: readonly Decided[]): Promise<void> {
    const { ctx, delivery, keys } = this;
    const ids = items.filter((item) => item.candidate.type === 'Binary' || this.waiting.has(item.recordId));
    if (ids.length > 0)
      await this.tools.attachments.link(
        ctx,
        delivery.source,
        keys,
        ids.map(({ recordId }) => recordId),
      );
  }

  private async sealed(item: Decided): Promise<Sealed> {
    const { recordId, patientId, namedPatientId, decision } = item;
    const { type, sourceId, facts, deletion, isFlagged, isCorrected, index } = item.candidate;
    const now = this.ctx.now.toISOString();
    // A deletion without a clock is as old as its message: nothing that the sender wrote before can be newer.
    const updatedAt = item.lastUpdated ?? (deletion ? now : null);
    const isSameClock = decision.action === 'update' && decision.sameClock;
    const sortAt = facts.effectiveAt ?? facts.lastUpdated ?? now;
    const taken = deletion ? null : await this.take(item);
    const { resource, gist } = taken ? await this.textsOf(item, taken.text) : { resource: '', gist: '' };
    const version: SealedVersion = {
      ...{ recordId, patientId, namedPatientId, type, sourceId, version: versionOf(item) },
      category: facts.category,
      codeSystem: facts.code?.system ?? '',
      code: facts.code?.code ?? '',
      status: facts.status ?? '',
      effectiveAt: facts.effectiveAt ?? null,
      sortAt,
      sourceUpdatedAt: updatedAt,
      contentMac: item.macs[0]!,
      isDeleted: deletion !== null,
      flags: [
        ...(isFlagged ? ['profile'] : []),
        ...(isCorrected ? ['corrected'] : []),
        ...(isSameClock ? ['same-clock'] : []),
      ],
      line: index,
      reading: {
        gist,
        day: dayOf(facts, sortAt),
        codes: [...facts.marks.codes, ...item.mentions],
        words: deletion ? [] : this.tools.words.of(facts.display),
        departments: [...facts.marks.departments, ...item.departments],
        encounterId: item.encounterId,
        senderLabels: facts.marks.senderLabels,
      },
      resource,
    };
    return { item, version, taken };
  }

  private async take(item: Decided): Promise<Taken> {
    const { recordId, text, canonical } = item;
    const key = await this.keyOf(item);
    const taken = await this.taker.take({ recordId, version: versionOf(item), text, key, canonical });
    if (taken.attachments.some(({ wants }) => wants !== null)) this.waiting.add(recordId);
    return taken;
  }

  private keyOf({ namedPatientId }: Decided): Promise<DataKey> {
    return this.keys.of(scopeOf(namedPatientId, this.delivery.source));
  }

  private async textsOf(item: Decided, text: string): Promise<{ resource: string; gist: string }> {
    const key = await this.keyOf(item);
    const packed = packRecord(item.candidate.facts, text);
    return sealRecord(key, { recordId: item.recordId, version: versionOf(item), packed });
  }

  private touch(item: Decided): void {
    const { recordId: id, patientId, known, candidate, decision } = item;
    const { type, facts } = candidate;
    const touch = {
      type,
      id,
      category: auditCategory(facts.category),
      version: versionOf(item),
      previousVersion: decision.action === 'update' ? known?.version : undefined,
    };
    this.ctx.touch({ patientId, ...touch });
    // Whoever's chart it leaves is told as well.
    if (known && known.patientId !== patientId) this.ctx.touch({ patientId: known.patientId, ...touch });
  }
}

interface Sealed {
  item: Decided;
  version: SealedVersion;
  /** Null of a tombstone. */
  taken: Taken | null;
}

const weightOf = ({ version, taken }: Sealed): number =>
  (taken?.attachments ?? []).reduce(
    (sum, { chunks }) => chunks.reduce((all, { body }) => all + body.length, sum),
    version.resource.length,
  );

const isOwnerlessTombstone = ({ candidate, known, patientId }: Decided): boolean =>
  candidate.deletion !== null && known !== undefined && patientId === null;

const versionOf = ({ decision }: Decided): number => ('version' in decision ? decision.version : 1);

const tokensOf = ({ type, identifiers }: Candidate) =>
  identifiers.flatMap(({ system, value }) => (system === undefined ? [] : [{ type, system, value }]));

/** What others may have waited for: a record that is new, or whose patient is known only now; identifiers of directory entries. */
function arrivalsOf(items: readonly Decided[]): string[] {
  return items.flatMap(({ candidate, known, patientId, isShared }) => [
    ...(!known || (known.patientId === null && patientId !== null) ? [keyOf(candidate)] : []),
    ...(isShared ? tokensOf(candidate).map(tokenKey) : []),
  ]);
}
