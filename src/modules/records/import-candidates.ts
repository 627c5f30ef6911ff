import {
  demographicsOf,
  factsOf,
  identifiersOf,
  isSharedType,
  parseReference,
  patientLinksOf,
  type BusinessIdentifier,
  type Demographics,
  type Finding,
  type PatientLink,
  type RecordFacts,
} from '../../fhir/index.js';
import type { InspectedEntry } from './import-intake.js';
import type { ImportReport, Named } from './import-report.js';

/** An entry that may be stored: identified, and without error. */
export interface Candidate {
  index: number;
  part?: number;
  fullUrl?: string;
  type: string;
  /** The sender's id: with the feed and the type, what the record is known by. */
  sourceId: string;
  /** Empty for a deletion. */
  text: string;
  /** The sender says that the record is gone; `at`: when, where that was said. */
  deletion: { at: string | undefined } | null;
  facts: RecordFacts;
  patientReference?: string;
  provenanceTargets: string[];
  references: { path: string; reference: string }[];
  /** Something is said against the profiles that it claims. */
  isFlagged: boolean;
  /** The records office has put it right. */
  isCorrected?: boolean;
  /** Of directory entries and patients only. */
  identifiers: BusinessIdentifier[];
  /** Of patients only. */
  demographics?: Demographics;
  /** Of patients only: which other Patient stands for the same person. */
  links: PatientLink[];
}

/** Type and the sender's id: what a record is known by within one feed. */
export type RecordKey = Pick<Candidate, 'type' | 'sourceId'>;

export const keyOf = ({ type, sourceId }: RecordKey): string => `${type}/${sourceId}`;

/** A record that could be read and is no good R4: kept apart until somebody has put it right. */
export interface Broken extends RecordKey, Named {
  text: string;
  findings: (Omit<Finding, 'code'> & { code: string })[];
  lastUpdated: string | undefined;
  references: { reference: string }[];
}

/** What references stood for in their Bundle, as `Type/<the sender's id>`. */
export type Names = Record<string, string>;

export const namesIn = (references: readonly { reference: string }[], named: Identified['named']): Names =>
  Object.fromEntries(
    references.flatMap(({ reference }): [string, string][] => {
      const key = named.get(reference);
      return key ? [[reference, keyOf(key)]] : [];
    }),
  );

/** The other way round, for one record of that Bundle by itself. */
export const namedBy = (names: Names): Map<string, RecordKey> =>
  new Map(
    Object.entries(names).map(([reference, key]) => {
      const slash = key.indexOf('/');
      return [reference, { type: key.slice(0, slash), sourceId: key.slice(slash + 1) }];
    }),
  );

// An id of R4 has 64 characters; one that is somewhat longer is put right in quarantine.
const MAX_ID = 200;
const METHODS: ReadonlySet<string> = new Set(['POST', 'PUT']);
const UUID_URN = /^urn:uuid:([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$/i;

export interface Identified {
  candidates: Candidate[];
  broken: Broken[];
  /** fullUrl → the record that it stands for; also of rejected entries, of which an earlier version may be stored. */
  named: ReadonlyMap<string, RecordKey>;
}

/**
 * Entries → candidates. What cannot be taken is rejected in the report and named. Within one Bundle a record stands once:
 * the same again is passed over, another content under the same id is an error, because their order means nothing.
 */
export function candidatesOf(entries: readonly InspectedEntry[], report: ImportReport, source: string): Identified {
  const byKey = new Map<string, Candidate>();
  const named = new Map<string, RecordKey>();
  const broken: Broken[] = [];
  for (const entry of entries) {
    const key = identityOf(entry, source);
    const { fullUrl } = entry;
    const isFullUrlFree = fullUrl === undefined || !key || keyOf(named.get(fullUrl) ?? key) === keyOf(key);
    const isMisnamed = fullUrl !== undefined && key !== undefined && namesAnother(fullUrl, key, source);
    if (key && fullUrl !== undefined && isFullUrlFree && !isMisnamed) named.set(fullUrl, key);
    const candidate = acceptable(entry, key, report, broken, source);
    if (!candidate) continue;
    if (isMisnamed) {
      // A reference to that other record would be taken for this one: https://hl7.org/fhir/R4/bundle.html#bundle-unique
      report.reject(candidate, 'full-url-mismatch', '', 'The fullUrl names another type or id than the resource.');
      continue;
    }
    const same = byKey.get(keyOf(candidate));
    if (same && same.text === candidate.text) report.done(candidate, 'unchanged');
    else if (same)
      report.reject(candidate, 'duplicate-entry', '', 'Another entry of this Bundle has the same type and id.');
    // First come, first served would tie references to whichever patient came first.
    else if (!isFullUrlFree)
      report.reject(candidate, 'duplicate-full-url', '', 'Another entry of this Bundle has the same fullUrl.');
    else byKey.set(keyOf(candidate), candidate);
  }
  return { candidates: [...byKey.values()], broken, named };
}

/** Type and sender's id: resource.id, else the uuid or id of the fullUrl, else the id that a PUT or DELETE names. */
export function identityOf({ fullUrl, request, resource }: InspectedEntry, source: string): RecordKey | undefined {
  if (request?.method === 'DELETE') return keyNamedBy(request.url, source);
  const type = resource?.inspection.resourceType;
  const own = resource?.inspection.facts.sourceId;
  const sourceId =
    (own !== undefined && own.length <= MAX_ID ? own : undefined) ??
    idOf(fullUrl) ??
    (request?.method === 'PUT' ? idOf(request.url) : undefined);
  return type === undefined || sourceId === undefined ? undefined : { type, sourceId };
}

function acceptable(
  entry: InspectedEntry,
  key: RecordKey | undefined,
  report: ImportReport,
  broken: Broken[],
  source: string,
): Candidate | undefined {
  const { index, part, fullUrl, request, resource } = entry;
  if (request?.method === 'DELETE') return deletionOf(entry, key, report);
  const named = { index, part, fullUrl, type: resource?.inspection.resourceType ?? 'unknown' };
  const reject = (code: string, detail: string): undefined => void report.reject(named, code, '', detail);
  if (request && !METHODS.has(request.method))
    return reject('method-not-supported', 'An entry may be sent with POST, PUT or DELETE.');
  if (!resource) return reject('missing-resource', 'The entry has no resource.');
  const { text, inspection } = resource;
  const { findings, facts, patientReference, provenanceTargets, references } = inspection;
  const isBroken = findings.some(({ severity }) => severity === 'error');
  // What has neither type nor id can be found again by nobody: it is refused. A transaction is refused as a whole.
  const isKept = isBroken && key !== undefined && !report.isAtomic;
  for (const { severity, code, path, detail } of findings) {
    if (severity === 'warning') report.warn(named, code, path, detail);
    else if (isKept) report.quarantine(named, code, path, detail);
    else report.reject(named, code, path, detail);
  }
  if (isKept) broken.push({ ...named, ...key, text, findings, lastUpdated: facts.lastUpdated, references });
  if (isBroken) return undefined;
  if (!key) return reject('missing-id', 'The record has no id, and its fullUrl is no urn:uuid.');
  if (request?.method === 'PUT' && namesAnother(request.url, key, source)) {
    return reject('request-mismatch', "The request's url names another type or id than the resource.");
  }
  return {
    ...{ index, part, fullUrl, ...key, text, deletion: null, facts, patientReference, provenanceTargets, references },
    isFlagged: findings.some(({ profile }) => profile !== undefined),
    ...personalOf(key.type, text),
  };
}

/** https://hl7.org/fhir/R4/http.html#delete; a conditional one could mean somebody else's record tomorrow. */
function deletionOf(
  { index, part, deletedAt }: InspectedEntry,
  key: RecordKey | undefined,
  report: ImportReport,
): Candidate | undefined {
  if (!key) {
    const named = { index, part, type: 'unknown' };
    report.reject(
      named,
      'delete-without-id',
      '',
      'A DELETE names the type and id of one record, such as Observation/17.',
    );
    return undefined;
  }
  return {
    ...{ index, part, ...key, text: '', deletion: { at: deletedAt }, facts: { ...factsOf(undefined), type: key.type } },
    ...{ provenanceTargets: [], references: [], isFlagged: false, identifiers: [], links: [] },
  };
}

/** Read from a parsed copy, here and not in the inspecting thread: few records have them. */
function personalOf(type: string, text: string): Pick<Candidate, 'identifiers' | 'demographics' | 'links'> {
  if (type !== 'Patient' && !isSharedType(type)) return { identifiers: [], links: [] };
  const resource = JSON.parse(text) as unknown;
  const identifiers = identifiersOf(resource);
  if (type !== 'Patient') return { identifiers, links: [] };
  return { identifiers, demographics: demographicsOf(resource), links: patientLinksOf(resource) };
}

/** A record of the feed itself: what has the same id on another server is another one. */
function keyNamedBy(url: string, source: string): RecordKey | undefined {
  const parsed = parseReference(url);
  if (parsed.kind === 'relative') return { type: parsed.type, sourceId: parsed.id };
  if (parsed.kind !== 'absolute' || parsed.base !== baseOf(source)) return undefined;
  return parsed.type === undefined || parsed.id === undefined ? undefined : { type: parsed.type, sourceId: parsed.id };
}

/** The address under which a feed's records are named absolutely. */
export const baseOf = (source: string): string => source.replace(/\/$/, '');

/** Is it the address of another record than this? What stands in another server's address need not be a type. */
function namesAnother(url: string, { type, sourceId }: RecordKey, source: string): boolean {
  const parsed = parseReference(url);
  if (parsed.kind !== 'relative' && parsed.kind !== 'absolute') return false;
  if (parsed.type === type) return parsed.id !== sourceId;
  return parsed.kind === 'relative' || (parsed.type !== undefined && parsed.base === baseOf(source));
}

function idOf(url: string | undefined): string | undefined {
  if (url === undefined) return undefined;
  const uuid = UUID_URN.exec(url)?.[1];
  if (uuid !== undefined) return uuid.toLowerCase();
  const parsed = parseReference(url);
  return parsed.kind === 'absolute' || parsed.kind === 'relative' ? parsed.id : undefined;
}
