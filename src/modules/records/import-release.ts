import {
  asMentioned,
  factsOf,
  isSharedType,
  parseReference,
  patientLinksOf,
  patientReferenceOf,
  provenanceTargetsOf,
  rewriteReferences,
} from '../../fhir/index.js';
import type { Settled, WaitingRecord } from './awaited.repository.js';
import { keyOf } from './import-candidates.js';
import type { Delivery, ImportCtx } from './import-job.js';
import { patientNamedBy, patientOfTargets } from './import-places.js';
import { ReferenceBook, wantedOf, type Target } from './import-references.js';
import type { Tools } from './import-run.js';
import type { StoredRecord } from './feed.repository.js';
import { ScopeKeys } from './import-writer.js';
import { auditCategory, placeOf, scopeOf, sealRecord } from './record-text.js';

/** Records of one step: what they and their histories weigh is in memory once. */
const AT_ONCE = 200;
const NEWLINE = 0x0a;

interface Resolved {
  record: WaitingRecord;
  plain: Buffer;
  namedPatientId: string | null;
  encounterId: string | null;
  departments: string[];
  /** Codes of its medicine, when that has come. */
  mentions: string[];
  /** Of a Provenance: what it speaks about. */
  targets: string[];
  /** What it still waits for. */
  keys: string[];
}

/**
 * Records that waited for something that has come: their references mean it from now on, and whoever was held for want of a
 * patient gets into the chart, earlier versions too. No version is made of it: the sender said nothing new.
 */
export class ImportRelease {
  private readonly keys: ScopeKeys;

  constructor(
    private readonly ctx: ImportCtx,
    private readonly delivery: Delivery,
    private readonly tools: Tools,
  ) {
    this.keys = new ScopeKeys(ctx, tools.vault);
  }

  /** One step in the caller's transaction; resolves with how many got into a chart, and whether there is more. */
  async step(): Promise<{ released: number; isDone: boolean }> {
    const { ctx, delivery, tools } = this;
    const { source } = delivery;
    await tools.feed.begin(ctx, source);
    const all = await tools.awaited.due(ctx, source, AT_ONCE);
    if (all.length === 0) return { released: 0, isDone: true };
    const due = all.filter(({ resource }) => resource !== '');
    const keys = await tools.awaited.keysOf(
      ctx,
      all.map(({ recordId }) => recordId),
    );
    const book = await this.bookOf(new Set([...keys.values()].flat()));
    const plains = await tools.vault.openAll(
      ctx,
      due.map((record) => ({
        place: placeOf(record.recordId, record.version),
        sealed: Buffer.from(record.resource, 'base64'),
      })),
    );
    const resolved: Resolved[] = [];
    for (const [n, record] of due.entries())
      resolved.push(await this.resolved(record, plains[n]!, new Set(keys.get(record.recordId)), book));
    const released = resolved.filter(
      ({ record, namedPatientId: now }) => record.namedPatientId === null && now !== null,
    );
    const shown = await tools.merges.shown(
      ctx,
      released.map((one) => one.namedPatientId!),
    );
    const tombstones = all.filter(({ resource }) => resource === '');
    await this.settleTombstones(tombstones, keys, book);
    await tools.awaited.settle(ctx, [
      ...(await this.current(resolved, shown)),
      ...(await this.earlier(released, shown)),
    ]);
    await tools.feed.link(
      ctx,
      resolved
        .filter(({ record }) => record.type === 'Provenance')
        .map(({ record, targets }) => ({ recordId: record.recordId, targets })),
    );
    await tools.awaited.expect(
      ctx,
      source,
      resolved.map(({ record, keys: left }) => ({ recordId: record.recordId, isNew: false, keys: left })),
    );
    const owners = new Map(released.map(({ record, namedPatientId: now }) => [record.recordId, now!]));
    await tools.attachments.settle(ctx, source, this.keys, owners);
    await tools.attachments.link(
      ctx,
      source,
      this.keys,
      resolved.map(({ record }) => record.recordId),
    );
    await tools.awaited.arrived(
      ctx,
      source,
      released.map(({ record }) => keyOf(record)),
    );
    for (const one of resolved) await this.merge(one);
    for (const { record, namedPatientId: patientId } of released)
      ctx.touch({
        ...{ patientId, type: record.type, id: record.recordId, version: record.version },
        category: auditCategory(record.category),
      });
    return { released: released.length, isDone: false };
  }

  /** A Patient whose successor has come. */
  private async merge({ record, plain, namedPatientId }: Resolved): Promise<void> {
    if (record.type !== 'Patient' || namedPatientId === null) return;
    for (const { type, reference } of patientLinksOf(JSON.parse(plain.toString('utf8', plain.indexOf(NEWLINE) + 1)))) {
      const [other] = idHere(reference);
      if (other === undefined) continue;
      const [from, into] = type === 'replaced-by' ? [namedPatientId, other] : [other, namedPatientId];
      await this.tools.merges.merge(this.ctx, this.delivery, { from, into, kind: 'fhir-link', line: record.line });
    }
  }

  private async bookOf(keys: ReadonlySet<string>): Promise<ReferenceBook> {
    const { ctx, delivery, tools } = this;
    const book = new ReferenceBook(delivery.source, { candidates: [], named: new Map() });
    const wanted = wantedOf(keys);
    const target = ({ type, recordId, namedPatientId: patientId, codes }: StoredRecord): Target => ({
      type,
      recordId,
      patientId,
      codes,
    });
    for (const record of await tools.feed.known(ctx, delivery.source, wanted.keys)) book.add(record, target(record));
    for (const record of await tools.feed.identified(ctx, delivery.source, wanted.tokens)) {
      book.addStored(record, record.sourceId);
      book.add(record, target(record));
    }
    return book;
  }

  private async resolved(
    record: WaitingRecord,
    plain: Buffer,
    waits: ReadonlySet<string>,
    book: ReferenceBook,
  ): Promise<Resolved> {
    const end = plain.indexOf(NEWLINE) + 1;
    const text = plain.toString('utf8', end);
    const isAwaited = (reference: string): boolean => waits.has(book.awaitedKey(reference) ?? '');
    const left = new Set<string>();
    // Only what was waited for: a reference that was resolved before names a record here, not one of the sender's.
    const rewritten = rewriteReferences(text, (reference) => {
      if (!isAwaited(reference)) return undefined;
      const literal = book.literal(reference);
      if (literal === undefined) left.add(book.awaitedKey(reference)!);
      return literal;
    });
    const isOwned = record.namedPatientId !== null || isSharedType(record.type);
    const namedPatientId = isOwned ? record.namedPatientId : await this.patientOf(record, text, book);
    // A Provenance hangs on its targets' patients, also where the targets themselves are known.
    if (namedPatientId === null && !isSharedType(record.type))
      for (const reference of provenanceTargetsOf(JSON.parse(text))) {
        const key = book.awaitedKey(reference);
        if (key !== undefined && waits.has(key)) left.add(key);
      }
    const { marks } = factsOf(JSON.parse(rewritten));
    const { medicineReference } = factsOf(JSON.parse(text)).marks;
    return {
      record,
      plain: rewritten === text ? plain : Buffer.concat([plain.subarray(0, end), Buffer.from(rewritten, 'utf8')]),
      namedPatientId,
      encounterId: marks.encounterReference?.startsWith('Encounter/')
        ? (idHere(marks.encounterReference)[0] ?? null)
        : null,
      departments: [...marks.departments, ...marks.departmentReferences.filter((one) => idHere(one).length > 0)],
      mentions:
        medicineReference !== undefined && isAwaited(medicineReference)
          ? asMentioned(book.resolve(medicineReference)?.codes ?? [])
          : [],
      targets: provenanceTargetsOf(JSON.parse(rewritten)).flatMap(idHere),
      keys: [...left],
    };
  }

  private async patientOf(record: WaitingRecord, text: string, book: ReferenceBook): Promise<string | null> {
    const resource = JSON.parse(text) as unknown;
    const provenanceTargets = provenanceTargetsOf(resource);
    if (provenanceTargets.length === 0)
      return patientNamedBy({ type: record.type, patientReference: patientReferenceOf(resource) }, book);
    const here = await this.tools.awaited.patientsOf(this.ctx, provenanceTargets.flatMap(idHere));
    const resolve = (reference: string): Target | undefined => {
      const found = book.resolve(reference);
      const [recordId] = idHere(reference);
      if (found || recordId === undefined || !here.has(recordId)) return found;
      const parsed = parseReference(reference);
      return { type: 'type' in parsed ? (parsed.type ?? '') : '', recordId, patientId: here.get(recordId)!, codes: [] };
    };
    return patientOfTargets({ provenanceTargets }, { resolve });
  }

  /** Whose a deleted record was, the versions say that it stands for; those go with it. */
  private async settleTombstones(
    tombstones: readonly WaitingRecord[],
    keys: ReadonlyMap<string, string[]>,
    book: ReferenceBook,
  ): Promise<void> {
    const { ctx, tools, delivery } = this;
    for (const record of tombstones) {
      const namedPatientId = await this.ownerInHistory(record, book);
      const left = namedPatientId === null ? (keys.get(record.recordId) ?? []) : [];
      await tools.awaited.expect(ctx, delivery.source, [{ recordId: record.recordId, isNew: false, keys: left }]);
      if (namedPatientId === null) continue;
      const shown = await tools.merges.shown(ctx, [namedPatientId]);
      const patientId = shown.get(namedPatientId) ?? namedPatientId;
      await tools.feed.adopt(ctx, [{ recordId: record.recordId, patientId, namedPatientId }]);
      await tools.awaited.settle(ctx, await this.earlierOf([[record.recordId, namedPatientId]], shown));
      await tools.attachments.settle(ctx, delivery.source, this.keys, new Map([[record.recordId, namedPatientId]]));
    }
  }

  private async ownerInHistory(record: WaitingRecord, book: ReferenceBook): Promise<string | null> {
    const versions = await this.tools.awaited.ownerless(this.ctx, [record.recordId]);
    for (const { version, resource } of versions.reverse()) {
      if (resource === '') continue;
      const place = placeOf(record.recordId, version);
      const plain = await this.tools.vault.open(this.ctx, place, Buffer.from(resource, 'base64'));
      const owner = await this.patientOf(record, plain.toString('utf8', plain.indexOf(NEWLINE) + 1), book);
      if (owner !== null) return owner;
    }
    return null;
  }

  private async current(resolved: readonly Resolved[], shown: ReadonlyMap<string, string>): Promise<Settled[]> {
    const settled: Settled[] = [];
    for (const { record, plain, namedPatientId, encounterId, departments, mentions } of resolved)
      settled.push({
        ...{ recordId: record.recordId, version: null, namedPatientId, encounterId, departments, mentions },
        patientId: record.patientId ?? (namedPatientId === null ? null : (shown.get(namedPatientId) ?? namedPatientId)),
        ...(await this.sealed(record.recordId, record.version, namedPatientId, plain)),
      });
    return settled;
  }

  /** Earlier versions that nobody owned go where the record goes. */
  private earlier(released: readonly Resolved[], shown: ReadonlyMap<string, string>): Promise<Settled[]> {
    return this.earlierOf(
      released.map(({ record, namedPatientId }) => [record.recordId, namedPatientId!]),
      shown,
    );
  }

  private async earlierOf(
    released: readonly [recordId: string, patientId: string][],
    shown: ReadonlyMap<string, string>,
  ): Promise<Settled[]> {
    const { ctx, tools } = this;
    const owners = new Map(released);
    const versions = await tools.awaited.ownerless(ctx, [...owners.keys()]);
    const settled: Settled[] = [];
    for (const { recordId, version, resource } of versions) {
      if (resource === '') continue;
      const patientId = owners.get(recordId)!;
      const plain = await tools.vault.open(ctx, placeOf(recordId, version), Buffer.from(resource, 'base64'));
      settled.push({
        ...{ recordId, version, namedPatientId: patientId, encounterId: null, departments: [], mentions: [] },
        patientId: shown.get(patientId) ?? patientId,
        ...(await this.sealed(recordId, version, patientId, plain)),
      });
    }
    return settled;
  }

  private async sealed(
    recordId: string,
    version: number,
    patientId: string | null,
    packed: Buffer,
  ): Promise<{ resource: string; gist: string }> {
    const key = await this.keys.of(scopeOf(patientId, this.delivery.source));
    return sealRecord(key, { recordId, version, packed });
  }
}

const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** The id here that a resolved reference names. */
function idHere(reference: string): string[] {
  const parsed = parseReference(reference);
  return parsed.kind === 'relative' && UUID.test(parsed.id) ? [parsed.id] : [];
}
