import { newId } from '../../platform/ids.js';
import type { SignedIn } from '../../platform/access/context.js';
import { seal, type DataKey } from '../../platform/crypto/index.js';
import type { Vault } from '../../platform/database/vault.js';
import type { Delivery, FeedRepository, SealedVersion, StoredRecord } from './feed.repository.js';
import type { Candidate } from './import-candidates.js';
import type { Decision, Incoming } from './import-plan.js';
import { auditCategory, packRecord, placeOf, scopeOf } from './record-text.js';

/** A candidate with its place in the chart, and what is to become of it. */
export interface Decided extends Incoming {
  candidate: Candidate;
  known: StoredRecord | undefined;
  recordId: string;
  text: string;
  decision: Decision;
}

// Rows and sealed bytes of one statement.
const FLUSH_BYTES = 2_000_000;
const FLUSH_ROWS = 1_000;

/** Seals what was decided and writes it, set by set, in the caller's transaction. Lives for one import. */
export class ImportWriter {
  private readonly keys = new Map<string, DataKey>();

  constructor(
    private readonly ctx: SignedIn,
    private readonly delivery: Delivery,
    private readonly feed: FeedRepository,
    private readonly vault: Vault,
  ) {}

  async write(items: readonly Decided[]): Promise<void> {
    const { ctx, delivery, feed } = this;
    const of = (action: Decision['action']) => items.filter(({ decision }) => decision.action === action);
    const [created, updated] = [await this.create(of('create')), of('update')];
    await this.eachChunk(updated, (versions) => feed.replace(ctx, delivery, versions));
    const late = of('late');
    await this.eachChunk(late, (versions) => feed.file(ctx, delivery, versions));
    const current = [...created, ...updated];
    const directory = current.filter(({ isShared }) => isShared);
    await feed.identify(
      ctx,
      delivery.source,
      directory.map(({ recordId, candidate }) => ({ recordId, tokens: tokensOf(candidate) })),
    );
    for (const item of [...current, ...late]) this.touch(item);
  }

  /** The items with the ids that they got: a Patient's is its chart's, unless another feed's Patient has it already. */
  private async create(items: readonly Decided[]): Promise<readonly Decided[]> {
    const inserted = new Set<string>();
    const insert = async (versions: SealedVersion[]): Promise<void> => {
      for (const id of await this.feed.insert(this.ctx, this.delivery, versions)) inserted.add(id);
    };
    await this.eachChunk(items, insert);
    const settled = items.map((item) => (inserted.has(item.recordId) ? item : { ...item, recordId: newId() }));
    await this.eachChunk(
      settled.filter(({ recordId }) => !inserted.has(recordId)),
      insert,
    );
    return settled;
  }

  private async eachChunk(
    items: readonly Decided[],
    flush: (versions: SealedVersion[]) => Promise<void>,
  ): Promise<void> {
    let chunk: SealedVersion[] = [];
    let bytes = 0;
    for (const item of items) {
      const sealed = await this.sealed(item);
      chunk.push(sealed);
      bytes += sealed.resource.length;
      if (bytes < FLUSH_BYTES && chunk.length < FLUSH_ROWS) continue;
      await flush(chunk);
      chunk = [];
      bytes = 0;
    }
    if (chunk.length > 0) await flush(chunk);
  }

  private async sealed(item: Decided): Promise<SealedVersion> {
    const { recordId, patientId, text } = item;
    const { type, sourceId, facts } = item.candidate;
    const version = versionOf(item);
    const key = await this.keyOf(scopeOf(patientId, this.delivery.source));
    return {
      recordId,
      patientId,
      type,
      sourceId,
      version,
      category: facts.category,
      codeSystem: facts.code?.system ?? '',
      code: facts.code?.code ?? '',
      status: facts.status ?? '',
      effectiveAt: facts.effectiveAt ?? null,
      sortAt: facts.effectiveAt ?? facts.lastUpdated ?? this.ctx.now.toISOString(),
      sourceUpdatedAt: facts.lastUpdated ?? null,
      contentMac: item.macs[0]!,
      resource: seal(key, placeOf(recordId, version), packRecord(facts, text)).toString('base64'),
    };
  }

  private async keyOf(scope: string): Promise<DataKey> {
    const known = this.keys.get(scope);
    if (known) return known;
    const key = await this.vault.keyFor(this.ctx, scope);
    this.keys.set(scope, key);
    return key;
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

const versionOf = ({ decision }: Decided): number => ('version' in decision ? decision.version : 1);

const tokensOf = ({ type, identifiers }: Candidate) =>
  identifiers.flatMap(({ system, value }) => (system === undefined ? [] : [{ type, system, value }]));
