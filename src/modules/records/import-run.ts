import type { KeyObject } from 'node:crypto';
import { setImmediate as breathe } from 'node:timers/promises';
import { newId } from '../../platform/ids.js';
import { asMentioned, isSharedType, readAdvice, rewriteReferences } from '../../fhir/index.js';
import { hmac } from '../../platform/crypto/index.js';
import type { Charts } from '../users/index.js';
import type { ChartMerges, Merged } from './chart-merges.js';
import type { Spills } from './attachment-spills.js';
import { restOf } from './attachment-taker.js';
import type { StoredRecord } from './feed.repository.js';
import { keyOf, type Candidate, type Identified } from './import-candidates.js';
import type { Delivery, ImportCtx } from './import-job.js';
import { placesOf } from './import-places.js';
import { decide, feedPatient, isSame, type Incoming } from './import-plan.js';
import { ReferenceBook, shouldResolve } from './import-references.js';
import type { ImportReport } from './import-report.js';
import { MAX_ENTRY_BYTES } from './import-limits.js';
import { ImportWriter, type Decided, type WriterTools } from './import-writer.js';
import type { QuarantineStore } from './quarantine.store.js';

/** What a run works with; the same for all imports. */
export interface Tools extends WriterTools {
  quarantine: QuarantineStore;
  merges: ChartMerges;
  charts: Charts;
  /** Keys of content MACs, the current one first. */
  macKeys: readonly KeyObject[];
  hospitalMrnSystem: string;
}

type Undecided = Omit<Decided, 'decision'> & {
  /** JSON pointers of references that stay as sent though they should mean a record. */
  unresolved: string[];
  /** Charts that it says are one person's. */
  merges: { from: string; into: string }[];
};
type Item = Undecided & Decided;

// Rewriting is work on the main thread: other requests are served after this many records.
const BREATH_EVERY = 50;
const MAC_HEAD = 'portico/record-content/2\0';
const DELETION_HEAD = 'portico/record-deletion/1\0';

/** Stores candidates in the caller's transaction, each record at most once. Lives for one Bundle or some lines. */
export class ImportRun {
  private readonly writer: ImportWriter;

  constructor(
    private readonly ctx: ImportCtx,
    private readonly delivery: Delivery,
    private readonly report: ImportReport,
    private readonly tools: Tools,
    private readonly spills: Spills,
  ) {
    this.writer = new ImportWriter(ctx, delivery, report, tools, spills);
  }

  /** When the report must fail afterwards, nothing was stored. */
  async store(bundle: Identified): Promise<void> {
    const { feed, quarantine } = this.tools;
    await feed.begin(this.ctx, this.delivery.source);
    await feed.mark(this.ctx);
    const candidates = await this.fitting(bundle.candidates);
    if (this.report.mustFail) return;
    let items = await this.decided({ ...bundle, candidates });
    const strangers = await this.patientsOfAnotherChart(items);
    const broken = [...bundle.broken];
    if (strangers.size > 0) {
      // All that was found so far is void: charts were changed by it, and records hang on these patients.
      await feed.back(this.ctx);
      for (const candidate of strangers) this.refuseStranger(candidate, broken);
      if (this.report.mustFail) return;
      items = await this.decided({
        ...bundle,
        candidates: candidates.filter((candidate) => !strangers.has(candidate)),
      });
      await this.patientsOfAnotherChart(items);
    }
    await this.writer.write(items);
    for (const item of items) await this.merge(item);
    await quarantine.put(this.ctx, this.delivery, await this.whole(broken), bundle.named);
    await quarantine.supersede(
      this.ctx,
      this.delivery,
      items.filter(({ decision }) => decision.action !== 'late').map(({ candidate }) => candidate),
    );
    for (const item of items) this.tell(item);
  }

  /** Large contents were stored ahead, wherever they stood; those of no attachment are part of the record, which has a limit. */
  private async fitting(candidates: readonly Candidate[]): Promise<Candidate[]> {
    const fitting: Candidate[] = [];
    for (const candidate of candidates) {
      const { text } = candidate;
      const isFit = !this.spills.areIn(text) || (await this.spills.restored(restOf(text), MAX_ENTRY_BYTES)) !== null;
      if (isFit) fitting.push(candidate);
      else this.report.reject(candidate, 'entry-too-large', '', readAdvice('entry-too-large'));
    }
    return fitting;
  }

  /** With their contents in them: what lies in quarantine is one piece. */
  private async whole(broken: Identified['broken']): Promise<Identified['broken']> {
    const whole: Identified['broken'] = [];
    for (const one of broken) {
      const text = await this.spills.restored(one.text, MAX_ENTRY_BYTES);
      if (text !== null) whole.push({ ...one, text });
      else this.report.reject(one, 'entry-too-large', '', readAdvice('entry-too-large'));
    }
    return whole;
  }

  private refuseStranger(candidate: Candidate, broken: Identified['broken']): void {
    if (this.report.isAtomic) return this.report.reject(candidate, ...MOVED);
    this.report.quarantine(candidate, ...MOVED);
    const [code, path, detail] = MOVED;
    const { index, part, type, sourceId, text, facts, references } = candidate;
    const findings = [{ severity: 'error' as const, code, path, detail }];
    broken.push({ index, part, type, sourceId, text, findings, lastUpdated: facts.lastUpdated, references });
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
      bundle.candidates.filter(
        (one) => one.type === 'Patient' && !one.deletion && !known.get(keyOf(one))?.namedPatientId,
      ),
    );
    const places = placesOf(bundle.candidates, book, { known, charts, newId });
    const shown = await this.tools.merges.shown(
      this.ctx,
      [...places.values()].flatMap(({ patientId }) => patientId ?? []),
    );
    const items: Undecided[] = [];
    for (const candidate of bundle.candidates) {
      if (items.length % BREATH_EVERY === 0) await breathe();
      const place = places.get(candidate)!;
      items.push({
        candidate,
        known: known.get(keyOf(candidate)),
        recordId: place.recordId,
        namedPatientId: place.patientId,
        patientId: place.patientId === null ? null : (shown.get(place.patientId) ?? place.patientId),
        merges: mergesOf(candidate, place.patientId, book),
        text: candidate.deletion ? '' : rewriteReferences(candidate.text, book.literal),
        ...this.incomingOf(candidate, book),
        ...visitOf(candidate, book),
        awaited: awaitedBy(candidate, place.patientId, book),
        owners: ownersOf(candidate, book),
        unresolved: unresolvedIn(candidate, book),
        canonical: book.canonical,
      });
    }
    return items;
  }

  /** The MAC is of the sender's text, in which a record has its sender's name: what has come meanwhile changes nothing of it. */
  private incomingOf(candidate: Candidate, book: ReferenceBook): Omit<Incoming, 'patientId'> {
    const { deletion, text, facts, type } = candidate;
    const content = deletion ? (deletion.at ?? '') : rewriteReferences(text, book.canonical);
    const head = deletion ? DELETION_HEAD : MAC_HEAD;
    return {
      macs: this.tools.macKeys.map((key) => hmac(key, head, content)),
      lastUpdated: deletion ? deletion.at : facts.lastUpdated,
      isShared: isSharedType(type),
      withdraws: deletion ? 'deletion' : facts.status === 'entered-in-error' ? 'entered-in-error' : null,
    };
  }

  private async referenceBook(bundle: Identified): Promise<{ book: ReferenceBook; known: Map<string, StoredRecord> }> {
    const { feed } = this.tools;
    const book = new ReferenceBook(this.delivery.source, bundle);
    const { keys, tokens } = book.wanted();
    const known = new Map<string, StoredRecord>();
    for (const record of await feed.known(this.ctx, this.delivery.source, keys)) {
      known.set(keyOf(record), record);
      book.add(record, targetOf(record));
    }
    for (const record of await feed.identified(this.ctx, this.delivery.source, tokens)) {
      book.addStored(record, record.sourceId);
      book.add(record, targetOf(record));
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
      ({ candidate, decision }) => candidate.type === 'Patient' && !candidate.deletion && decision.action === 'update',
    );
    const charts = await this.chartsOf(updated.map(({ candidate }) => candidate));
    return new Set(
      updated.filter(({ namedPatientId }, at) => charts[at] !== namedPatientId).map(({ candidate }) => candidate),
    );
  }

  private async merge({ candidate, decision, merges }: Item): Promise<void> {
    if (decision.action !== 'create' && decision.action !== 'update') return;
    for (const { from, into } of merges) {
      const said = { from, into, kind: 'fhir-link' as const, line: candidate.index };
      const merged = await this.tools.merges.merge(this.ctx, this.delivery, said);
      const [code, detail] = MERGES[merged];
      this.report.warn(candidate, code, 'Patient.link', detail);
    }
  }

  private async chartsOf(patients: readonly Candidate[]): Promise<string[]> {
    const { charts, hospitalMrnSystem } = this.tools;
    const asked = patients.map((candidate) => feedPatient(candidate, this.delivery.source, hospitalMrnSystem));
    return (await charts.allOfFeed(this.ctx, asked)).map(({ patientId }) => patientId);
  }

  private tell({ candidate, decision, unresolved, patientId, isShared }: Item): void {
    const { report } = this;
    const isStored = decision.action !== 'unchanged';
    report.done(candidate, candidate.deletion && isStored ? 'deleted' : OUTCOMES[decision.action]);
    if (isStored && candidate.isFlagged) report.flagged++;
    for (const path of unresolved) report.warn(candidate, 'unresolved-reference', path, UNRESOLVED);
    if (patientId === null && !isShared && !candidate.deletion) report.warn(candidate, 'no-patient', '', HELD);
    if (decision.action === 'update' && decision.sameClock)
      report.warn(candidate, 'same-clock', 'meta.lastUpdated', SAME_CLOCK);
    if (decision.action === 'late' && decision.isWithdrawn) report.warn(candidate, 'withdrawn', '', WITHDRAWN);
  }
}

const OUTCOMES = { create: 'created', update: 'updated', unchanged: 'unchanged', late: 'unchanged' } as const;
const MOVED = [
  'patient-identity-changed',
  'Patient.identifier',
  'The medical record number is not the one that this patient was imported under.',
] as const;
const UNRESOLVED =
  'No record of this feed is meant yet, or more than one: the reference is kept as sent, and resolved when the record comes.';
const HELD = 'Whose record this is, is not known yet: it is kept, and shown to nobody until its patient comes.';
const SAME_CLOCK = 'The content changed and its time did not: what was received last was taken.';
const WITHDRAWN =
  'The record was deleted or entered in error, and this version is not newer: it is in the history only.';

const NOT_MERGED = 'merge-refused';
/** What a feed is told of a merge that it declared. */
export const MERGES: Record<Merged, readonly [string, string]> = {
  merged: [
    'charts-merged',
    'Two charts are shown as one; accounts are cut off from both until the records office has looked at it.',
  ],
  known: ['charts-merged', 'The two charts are shown as one already.'],
  undone: [NOT_MERGED, 'The records office has found that these are two persons.'],
  'unknown-chart': [NOT_MERGED, 'This feed has no Patient in one of the two charts.'],
  circular: [NOT_MERGED, 'The other chart was merged into this one before.'],
  elsewhere: [NOT_MERGED, 'This chart was merged into another one before.'],
};

/** Patient.link of this record, by charts. */
function mergesOf({ links }: Candidate, chart: string | null, book: ReferenceBook): { from: string; into: string }[] {
  return links.flatMap(({ type, reference }) => {
    const other = book.resolve(reference);
    if (chart === null || other?.type !== 'Patient' || other.patientId === null || other.patientId === chart) return [];
    return [type === 'replaced-by' ? { from: chart, into: other.patientId } : { from: other.patientId, into: chart }];
  });
}

const targetOf = ({ type, recordId, namedPatientId, codes }: StoredRecord) => ({
  type,
  recordId,
  patientId: namedPatientId,
  codes,
});

/** Its visit, the organisations and places that it comes from, the codes of its medicine, and what a Provenance speaks about, as far as they have come. */
function visitOf(
  { facts, provenanceTargets }: Pick<Candidate, 'facts' | 'provenanceTargets'>,
  book: Pick<ReferenceBook, 'resolve' | 'literal'>,
): { encounterId: string | null; departments: string[]; mentions: string[]; targets: string[] } {
  const { encounterReference, departmentReferences, medicineReference } = facts.marks;
  const visit = encounterReference === undefined ? undefined : book.resolve(encounterReference);
  return {
    encounterId: visit?.type === 'Encounter' ? visit.recordId : null,
    departments: departmentReferences.flatMap((reference) => book.literal(reference) ?? []),
    mentions: medicineReference === undefined ? [] : asMentioned(book.resolve(medicineReference)?.codes ?? []),
    targets: provenanceTargets.flatMap((reference) => book.resolve(reference)?.recordId ?? []),
  };
}

/** The same reference is told once. */
function unresolvedIn({ references }: Candidate, book: ReferenceBook): string[] {
  const paths = new Map<string, string>();
  for (const { path, reference } of references) {
    if (!paths.has(reference) && shouldResolve(reference) && book.literal(reference) === undefined)
      paths.set(reference, path);
  }
  return [...paths.values()];
}

/** What has to come before it is known whose it is. */
function ownersOf({ patientReference, provenanceTargets }: Candidate, book: ReferenceBook): string[] {
  const references = patientReference === undefined ? provenanceTargets : [patientReference, ...provenanceTargets];
  return references.flatMap((reference) => book.awaitedKey(reference) ?? []);
}

/** What has to come before its references, and with them whose it is, are known: also the patient of a record that it hangs on. */
function awaitedBy(candidate: Candidate, patientId: string | null, book: ReferenceBook): string[] {
  const { references, provenanceTargets, links, type } = candidate;
  const missing = [...references, ...links].filter(({ reference }) => book.literal(reference) === undefined);
  const ownerless = patientId === null && !isSharedType(type) ? provenanceTargets : [];
  const keys = [...missing.map(({ reference }) => reference), ...ownerless].map((one) => book.awaitedKey(one));
  return [...new Set(keys.filter((key) => key !== undefined))];
}
