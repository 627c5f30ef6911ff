import { isSharedType } from '../../fhir/index.js';
import { keyOf, type Candidate } from './import-candidates.js';
import type { KnownRecord } from './import-plan.js';
import type { ReferenceBook } from './import-references.js';

/** Where a record goes: its id here, and the chart that it is part of. */
export interface RecordPlace {
  recordId: string;
  patientId: string | null;
}

interface Given {
  known: ReadonlyMap<string, KnownRecord>;
  /** The charts of the patients that are not known yet, by candidate. */
  charts: ReadonlyMap<Candidate, string>;
  newId: () => string;
}

/** Gives each candidate its place and tells the book; patients first, because who the others belong to hangs on them. */
export function placesOf(
  candidates: readonly Candidate[],
  book: ReferenceBook,
  { known, charts, newId }: Given,
): Map<Candidate, RecordPlace> {
  const places = new Map<Candidate, RecordPlace>();
  const put = (candidate: Candidate, place: RecordPlace): void => {
    places.set(candidate, place);
    book.add(candidate, { type: candidate.type, ...place, codes: candidate.facts.marks.codes });
  };
  const taken = new Set<string>();
  for (const candidate of candidates.filter(({ type }) => type === 'Patient')) {
    // Null: it was deleted before it ever came.
    const patientId = known.get(keyOf(candidate))?.namedPatientId ?? charts.get(candidate) ?? null;
    // A chart's Patient has the chart's id; a second one for the same chart has one of its own.
    const freshId = patientId === null || taken.has(patientId) ? newId() : patientId;
    if (patientId !== null) taken.add(patientId);
    put(candidate, { recordId: known.get(keyOf(candidate))?.recordId ?? freshId, patientId });
  }
  const others = candidates.filter(({ type }) => type !== 'Patient');
  for (const candidate of others) {
    put(candidate, {
      recordId: known.get(keyOf(candidate))?.recordId ?? newId(),
      patientId: candidate.deletion
        ? (known.get(keyOf(candidate))?.namedPatientId ?? null)
        : patientNamedBy(candidate, book),
    });
  }
  // A Provenance belongs to whom it speaks about, once that is known.
  for (const candidate of others.filter(({ provenanceTargets }) => provenanceTargets.length > 0)) {
    put(candidate, { ...places.get(candidate)!, patientId: patientOfTargets(candidate, book) });
  }
  return places;
}

export function patientNamedBy(
  { type, patientReference }: Pick<Candidate, 'type' | 'patientReference'>,
  book: Pick<ReferenceBook, 'resolve'>,
): string | null {
  if (isSharedType(type) || patientReference === undefined) return null;
  const target = book.resolve(patientReference);
  return target?.type === 'Patient' ? target.patientId : null;
}

/** The one patient of all targets; directory entries have none and do not count. Null when one is unknown or they differ. */
export function patientOfTargets(
  { provenanceTargets }: Pick<Candidate, 'provenanceTargets'>,
  book: Pick<ReferenceBook, 'resolve'>,
): string | null {
  const targets = provenanceTargets.map((reference) => book.resolve(reference));
  const patients = targets
    .filter((target) => !target || !isSharedType(target.type))
    .map((target) => target?.patientId ?? null);
  const [first = null] = patients;
  return patients.every((patient) => patient === first) ? first : null;
}
