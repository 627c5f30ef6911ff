import type { FeedPatient } from '../users/index.js';
import type { Candidate } from './import-candidates.js';

/** What is known of a stored record when an import comes. */
export interface KnownRecord {
  recordId: string;
  patientId: string | null;
  version: number;
  contentMac: Buffer;
  sourceUpdatedAt: Date | null;
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
}

export type Decision =
  | { action: 'create' | 'unchanged' }
  /** The new current version; `sameClock`: the sender's clock says that nothing changed, and the content says otherwise. */
  | { action: 'update'; version: number; sameClock: boolean }
  /** Older than the current version by the sender's clock: goes into the history only. */
  | { action: 'late'; version: number };

const among = (macs: readonly Buffer[], mac: Buffer): boolean => macs.some((one) => one.equals(mac));

/** True when the stored text is the same: such an entry needs no look at the history. */
export const isSame = (incoming: Incoming, known: KnownRecord): boolean =>
  among(incoming.macs, known.contentMac) && incoming.patientId === known.patientId;

/**
 * The newest by the sender's clock is current, not the last to arrive. What was received before changes nothing. Without
 * clocks the last received is current; but a directory entry whose content was seen before is the old file once more.
 */
export function decide(incoming: Incoming, known: KnownRecord | undefined, history: readonly KnownVersion[]): Decision {
  if (!known) return { action: 'create' };
  if (isSame(incoming, known)) return { action: 'unchanged' };
  const wasSeen = history.some(({ contentMac }) => among(incoming.macs, contentMac));
  const version = Math.max(known.version, ...history.map((one) => one.version)) + 1;
  if (incoming.lastUpdated === undefined || known.sourceUpdatedAt === null) {
    return incoming.isShared && wasSeen ? { action: 'unchanged' } : { action: 'update', version, sameClock: false };
  }
  const age = Date.parse(incoming.lastUpdated) - known.sourceUpdatedAt.getTime();
  if (age < 0) return wasSeen ? { action: 'unchanged' } : { action: 'late', version };
  return { action: 'update', version, sameClock: age === 0 };
}

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
