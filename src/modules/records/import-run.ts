import type { KeyObject } from 'node:crypto';
import { setImmediate as breathe } from 'node:timers/promises';
import { newId } from '../../platform/ids.js';
import { isSharedType, rewriteReferences } from '../../fhir/index.js';
import type { SignedIn } from '../../platform/access/context.js';
import { hmac } from '../../platform/crypto/index.js';
import type { Vault } from '../../platform/database/vault.js';
import type { Charts } from '../users/index.js';
import type { Delivery, FeedRepository, StoredRecord } from './feed.repository.js';
import { keyOf, type Candidate, type Identified } from './import-candidates.js';
import { placesOf } from './import-places.js';
import { decide, feedPatient, isSame } from './import-plan.js';
import { ReferenceBook, shouldResolve } from './import-references.js';
import type { ImportReport } from './import-report.js';
import { ImportWriter, type Decided } from './import-writer.js';

/** What a run works with; the same for all imports. */
export interface Tools {
  feed: FeedRepository;
  charts: Charts;
  vault: Vault;
  /** Keys of content MACs, the current one first. */
  macKeys: readonly KeyObject[];
  hospitalMrnSystem: string;
}

type Undecided = Omit<Decided, 'decision'> & {
  /** JSON pointers of references that stay as sent though they should mean a record. */
  unresolved: string[];
};
type Item = Undecided & Decided;

// Rewriting is work on the main thread: other requests are served after this many records.
const BREATH_EVERY = 50;
const MAC_HEAD = 'portico/record-content/1\0';

/** Stores one Bundle's candidates in the caller's transaction. Lives for one import. */
export class ImportRun {
  private readonly writer: ImportWriter;

  constructor(
    private readonly ctx: SignedIn,
    private readonly delivery: Delivery,
    private readonly report: ImportReport,
    private readonly tools: Tools,
  ) {
    this.writer = new ImportWriter(ctx, delivery, tools.feed, tools.vault);
  }

  /** When the report must fail afterwards, nothing was stored. */
  async store(bundle: Identified): Promise<void> {
    const { feed } = this.tools;
    await feed.begin(this.ctx, this.delivery.source);
    await feed.mark(this.ctx);
    let items = await this.decided(bundle);
    const strangers = await this.patientsOfAnotherChart(items);
    if (strangers.size > 0) {
      // All that was found so far is void: charts were changed by it, and records hang on these patients.
      await feed.back(this.ctx);
      for (const candidate of strangers) this.report.reject(candidate, ...MOVED);
      if (this.report.mustFail) return;
      items = await this.decided({
        ...bundle,
        candidates: bundle.candidates.filter((candidate) => !strangers.has(candidate)),
      });
      await this.patientsOfAnotherChart(items);
    }
    await this.writer.write(items);
    for (const item of items) this.tell(item);
  }

  private async decided(bundle: Identified): Promise<Item[]> {
    const items = await this.itemsOf(bundle);
    const changed = items.filter((item) => item.known && !isSame(item, item.known)).map(({ recordId }) => recordId);
    const history = await this.tools.feed.history(this.ctx, changed);
    return items.map((item) => ({ ...item, decision: decide(item, item.known, history.get(item.recordId) ?? []) }));
  }

  private async itemsOf(bundle: Identified): Promise<Undecided[]> {
    const { book, known } = await this.referenceBook(bundle);
    const charts = await this.newCharts(
      bundle.candidates.filter((candidate) => candidate.type === 'Patient' && !known.has(keyOf(candidate))),
    );
    const places = placesOf(bundle.candidates, book, { known, charts, newId });
    const items: Undecided[] = [];
    for (const candidate of bundle.candidates) {
      if (items.length % BREATH_EVERY === 0) await breathe();
      const text = rewriteReferences(candidate.text, book.literal);
      items.push({
        candidate,
        known: known.get(keyOf(candidate)),
        ...places.get(candidate)!,
        text,
        macs: this.tools.macKeys.map((key) => hmac(key, MAC_HEAD, text)),
        lastUpdated: candidate.facts.lastUpdated,
        isShared: isSharedType(candidate.type),
        unresolved: unresolvedIn(candidate, book),
      });
    }
    return items;
  }

  private async referenceBook(bundle: Identified): Promise<{ book: ReferenceBook; known: Map<string, StoredRecord> }> {
    const { feed } = this.tools;
    const book = new ReferenceBook(this.delivery.source, bundle);
    const { keys, tokens } = book.wanted();
    const known = new Map<string, StoredRecord>();
    for (const record of await feed.known(this.ctx, this.delivery.source, keys)) {
      known.set(keyOf(record), record);
      book.add(record, record);
    }
    for (const record of await feed.identified(this.ctx, this.delivery.source, tokens)) {
      book.addStored(record, record.sourceId);
      book.add(record, record);
    }
    return { book, known };
  }

  private async newCharts(patients: readonly Candidate[]): Promise<Map<Candidate, string>> {
    const charts = await this.chartsOf(patients);
    return new Map(patients.map((candidate, at) => [candidate, charts[at]!]));
  }

  /**
   * Known patients whose new version carries another chart's medical record number: one chart's records must not move to
   * another on a feed's word. For the rest it brings the charts' demographics up to date.
   */
  private async patientsOfAnotherChart(items: readonly Decided[]): Promise<Set<Candidate>> {
    const updated = items.filter(
      ({ candidate, decision }) => candidate.type === 'Patient' && decision.action === 'update',
    );
    const charts = await this.chartsOf(updated.map(({ candidate }) => candidate));
    return new Set(updated.filter(({ patientId }, at) => charts[at] !== patientId).map(({ candidate }) => candidate));
  }

  private async chartsOf(patients: readonly Candidate[]): Promise<string[]> {
    const { charts, hospitalMrnSystem } = this.tools;
    const asked = patients.map((candidate) => feedPatient(candidate, this.delivery.source, hospitalMrnSystem));
    return (await charts.allOfFeed(this.ctx, asked)).map(({ patientId }) => patientId);
  }

  private tell({ candidate, decision, unresolved, patientId, isShared }: Item): void {
    const { report } = this;
    report.done(candidate, OUTCOMES[decision.action]);
    for (const path of unresolved) report.warn(candidate, 'unresolved-reference', path, UNRESOLVED);
    if (patientId === null && !isShared) report.warn(candidate, 'no-patient', '', HELD);
    if (decision.action === 'update' && decision.sameClock)
      report.warn(candidate, 'same-clock', 'meta.lastUpdated', SAME_CLOCK);
  }
}

const OUTCOMES = { create: 'created', update: 'updated', unchanged: 'unchanged', late: 'unchanged' } as const;
const MOVED = [
  'patient-identity-changed',
  'Patient.identifier',
  'The medical record number is not the one that this patient was imported under.',
] as const;
const UNRESOLVED = 'No record of this feed is meant, or more than one: the reference was kept as sent.';
const HELD = 'Whose record this is, is not known: it was kept and is shown to nobody.';
const SAME_CLOCK = 'The content changed and its time did not: what was received last was taken.';

/** The same reference is told once. */
function unresolvedIn({ references }: Candidate, book: ReferenceBook): string[] {
  const paths = new Map<string, string>();
  for (const { path, reference } of references) {
    if (!paths.has(reference) && shouldResolve(reference) && !book.resolve(reference)) paths.set(reference, path);
  }
  return [...paths.values()];
}
