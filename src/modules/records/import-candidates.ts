import {
  demographicsOf,
  identifiersOf,
  isSharedType,
  parseReference,
  type BusinessIdentifier,
  type Demographics,
  type RecordFacts,
} from '../../fhir/index.js';
import type { InspectedEntry } from './import-intake.js';
import type { ImportReport } from './import-report.js';

/** An entry that may be stored: identified, and without error. */
export interface Candidate {
  index: number;
  fullUrl?: string;
  type: string;
  /** The sender's id: with the feed and the type, what the record is known by. */
  sourceId: string;
  text: string;
  facts: RecordFacts;
  patientReference?: string;
  provenanceTargets: string[];
  references: { path: string; reference: string }[];
  /** Of directory entries and patients only. */
  identifiers: BusinessIdentifier[];
  /** Of patients only. */
  demographics?: Demographics;
}

/** Type and the sender's id: what a record is known by within one feed. */
export type RecordKey = Pick<Candidate, 'type' | 'sourceId'>;

export const keyOf = ({ type, sourceId }: RecordKey): string => `${type}/${sourceId}`;

const METHODS: ReadonlySet<string> = new Set(['POST', 'PUT']);
const UUID_URN = /^urn:uuid:([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$/i;

export interface Identified {
  candidates: Candidate[];
  /** fullUrl → the record that it stands for; also of rejected entries, of which an earlier version may be stored. */
  named: ReadonlyMap<string, RecordKey>;
}

/**
 * Entries → candidates. What cannot be taken is rejected in the report and named. Within one Bundle a record stands once:
 * the same again is passed over, another content under the same id is an error, because their order means nothing.
 */
export function candidatesOf(entries: readonly InspectedEntry[], report: ImportReport): Identified {
  const byKey = new Map<string, Candidate>();
  const named = new Map<string, RecordKey>();
  for (const entry of entries) {
    const key = identityOf(entry);
    const isFullUrlFree =
      entry.fullUrl === undefined || key === undefined || keyOf(named.get(entry.fullUrl) ?? key) === keyOf(key);
    if (key && entry.fullUrl !== undefined && isFullUrlFree) named.set(entry.fullUrl, key);
    const candidate = acceptable(entry, key, report);
    if (!candidate) continue;
    const same = byKey.get(keyOf(candidate));
    if (same?.text === candidate.text) report.done(candidate, 'unchanged');
    else if (same)
      report.reject(candidate, 'duplicate-entry', '', 'Another entry of this Bundle has the same type and id.');
    // First come, first served would tie references to whichever patient came first.
    else if (!isFullUrlFree)
      report.reject(candidate, 'duplicate-full-url', '', 'Another entry of this Bundle has the same fullUrl.');
    else byKey.set(keyOf(candidate), candidate);
  }
  return { candidates: [...byKey.values()], named };
}

/** Type and sender's id: resource.id, else the uuid or id of the fullUrl, else the id that a PUT names. */
function identityOf({ fullUrl, request, resource }: InspectedEntry): RecordKey | undefined {
  const type = resource?.inspection.resourceType;
  const sourceId =
    resource?.inspection.facts.sourceId ?? idOf(fullUrl) ?? (request?.method === 'PUT' ? idOf(request.url) : undefined);
  return type === undefined || sourceId === undefined ? undefined : { type, sourceId };
}

function acceptable(entry: InspectedEntry, key: RecordKey | undefined, report: ImportReport): Candidate | undefined {
  const { index, fullUrl, request, resource } = entry;
  const named = { index, fullUrl, type: resource?.inspection.resourceType ?? 'unknown' };
  const reject = (code: string, detail: string): undefined => void report.reject(named, code, '', detail);
  if (request && !METHODS.has(request.method))
    return reject('method-not-supported', 'An entry may be sent with POST or PUT.');
  if (!resource) return reject('missing-resource', 'The entry has no resource.');
  const { text, inspection } = resource;
  for (const { severity, code, path, detail } of inspection.findings) {
    if (severity === 'error') report.reject(named, code, path, detail);
    else report.warn(named, code, path, detail);
  }
  if (inspection.findings.some(({ severity }) => severity === 'error')) return undefined;
  if (!key) return reject('missing-id', 'The record has no id, and its fullUrl is no urn:uuid.');
  const put = request?.method === 'PUT' ? parseReference(request.url) : undefined;
  if (put?.kind === 'relative' && (put.type !== key.type || put.id !== key.sourceId)) {
    return reject('request-mismatch', "The request's url names another type or id than the resource.");
  }
  const { facts, patientReference, provenanceTargets, references } = inspection;
  return {
    index,
    fullUrl,
    ...key,
    text,
    facts,
    patientReference,
    provenanceTargets,
    references,
    ...personalOf(key.type, text),
  };
}

/** Read from a parsed copy, here and not in the inspecting thread: few records have them. */
function personalOf(type: string, text: string): Pick<Candidate, 'identifiers' | 'demographics'> {
  if (type !== 'Patient' && !isSharedType(type)) return { identifiers: [] };
  const resource = JSON.parse(text) as unknown;
  return {
    identifiers: identifiersOf(resource),
    ...(type === 'Patient' ? { demographics: demographicsOf(resource) } : {}),
  };
}

function idOf(url: string | undefined): string | undefined {
  if (url === undefined) return undefined;
  const uuid = UUID_URN.exec(url)?.[1];
  if (uuid !== undefined) return uuid.toLowerCase();
  const parsed = parseReference(url);
  return parsed.kind === 'absolute' || parsed.kind === 'relative' ? parsed.id : undefined;
}
