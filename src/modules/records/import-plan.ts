import type { FeedPatient } from '../users/index.js';
import type { Candidate } from './import-candidates.js';

/** What is known of a stored record when an import comes. */
export interface KnownRecord {
  recordId: string;
  patientId: string | null;
  version: number;
  contentMac: Buffer;
  /** ISO instant in UTC, to the microsecond. */
  sourceUpdatedAt: string | null;
  status: string;
  isDeleted: boolean;
  /** The chart that its sender named; another than where it is shown, after a merge. */
  namedPatientId: string | null;
  codes: readonly string[];
}

/** An earlier version of it. */
export interface KnownVersion {
  version: number;
  contentMac: Buffer;
}

/** An entry as it would be stored. */
export interface Incoming {
  patientId: string | null;
  /** MAC of the text under the current key and, for comparing, under each retired one. */
  macs: readonly Buffer[];
  /** The sender's clock: meta.lastUpdated. */
  lastUpdated: string | undefined;
  isShared: boolean;
  /** The sender says that it is gone, or (`entered-in-error`) that it never was so. */
  withdraws: 'deletion' | 'entered-in-error' | null;
}

export type Decision =
  | { action: 'create' | 'unchanged' }
  /** The new current version; `sameClock`: the sender's clock says that nothing changed, and the content says otherwise. */
  | { action: 'update'; version: number; sameClock: boolean }
  /** Older than the current version by the sender's clock, or unable to revive what was withdrawn: into the history only. */
  | { action: 'late'; version: number; isWithdrawn: boolean };

const among = (macs: readonly Buffer[], mac: Buffer): boolean => macs.some((one) => one.equals(mac));

/** True when the sender's text is the same: such an entry needs no look at the history. */
export const isSame = (incoming: Incoming, known: KnownRecord): boolean => among(incoming.macs, known.contentMac);

/** Whatever takes more back wins a tie: a record must not be shown again because two messages crossed. */
const RANK = { none: 0, 'entered-in-error': 1, deletion: 2 };
const rankOf = ({ isDeleted, status }: KnownRecord): number =>
  isDeleted ? RANK.deletion : status === 'entered-in-error' ? RANK['entered-in-error'] : RANK.none;

/**
 * The newest by the sender's clock is current, not the last to arrive. What was received before changes nothing. What was
 * withdrawn (deleted, entered in error) comes back only with a version that is newer by that clock. Without clocks the last
 * received is current; but a directory entry whose content was seen before is the old file once more.
 */
export function decide(incoming: Incoming, known: KnownRecord | undefined, history: readonly KnownVersion[]): Decision {
  if (!known) return { action: 'create' };
  if (isSame(incoming, known)) return { action: 'unchanged' };
  if (incoming.withdraws === 'deletion' && incoming.lastUpdated === undefined && known.isDeleted)
    return { action: 'unchanged' };
  const wasSeen = history.some(({ contentMac }) => among(incoming.macs, contentMac));
  const version = Math.max(known.version, ...history.map((one) => one.version)) + 1;
  const update = (sameClock: boolean): Decision => ({ action: 'update', version, sameClock });
  const late: Decision = wasSeen
    ? { action: 'unchanged' }
    : { action: 'late', version, isWithdrawn: rankOf(known) > RANK.none };
  const revives = RANK[incoming.withdraws ?? 'none'] < rankOf(known);
  if (incoming.lastUpdated === undefined || known.sourceUpdatedAt === null) {
    if (revives) return late;
    return incoming.isShared && incoming.withdraws === null && wasSeen ? { action: 'unchanged' } : update(false);
  }
  const age = compareInstants(incoming.lastUpdated, known.sourceUpdatedAt);
  if (age < 0) return late;
  if (age > 0) return update(false);
  return revives || wasSeen ? late : update(true);
}

/** Milliseconds are what a Date has; two versions of one record can lie closer. */
function compareInstants(a: string, b: string): number {
  return Date.parse(a) - Date.parse(b) || microsOf(a) - microsOf(b);
}

const microsOf = (instant: string): number => Number((/\.\d{3}(\d{1,3})/.exec(instant)?.[1] ?? '').padEnd(3, '0'));

const SEXES: readonly string[] = ['female', 'male', 'other', 'unknown'];
const BIRTH_DATE = /^\d{4}(-\d\d(-\d\d)?)?$/;

/**
 * Who a Patient resource is, by medical record number alone: the hospital's own first, else any with its system, else the
 * feed's id for them. Demographics are carried along and decide nothing.
 */
export function feedPatient(
  { identifiers, demographics, sourceId }: Candidate,
  source: string,
  hospitalMrnSystem: string,
): FeedPatient {
  const mrns = identifiers.filter(({ isMrn, use }) => isMrn && use !== 'old');
  const mrn =
    mrns.find(({ system }) => system === hospitalMrnSystem) ?? mrns.find(({ system }) => system !== undefined);
  const { family, given, birthDate, sex } = demographics ?? { given: [] };
  return {
    mrnSystem: mrn?.system ?? source,
    mrn: mrn?.value ?? sourceId,
    family: family ?? '',
    given,
    birthDate: birthDate !== undefined && BIRTH_DATE.test(birthDate) ? birthDate : null,
    sex: SEXES.includes(sex ?? '') ? (sex as FeedPatient['sex']) : 'unknown',
  };
}
