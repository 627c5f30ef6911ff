import type { SignedIn } from './context.js';

/** Somebody whom an id stands for, as the portal knows them at this moment. */
export interface Named {
  id: string;
  /** Null when the portal knows nobody of this id any more. */
  name: string | null;
  kind: 'person' | 'service' | 'patient' | 'erased';
}

/**
 * Port to the names of people, for those who read the audit trail: the trail holds ids alone, and whoever was renamed or erased is
 * so in it as well. Resolved at the moment of reading, never stored. Refuses (no names) whoever is no compliance officer.
 */
export abstract class PeopleNames {
  /** By id, in one query; whoever is not known any more is `erased`. */
  abstract of(
    ctx: SignedIn,
    ids: { accounts: readonly string[]; patients: readonly string[] },
  ): Promise<ReadonlyMap<string, Named>>;

  /** Those who used a chart, by account, for its patient and whoever acts for them; refuses (no names) anybody else. */
  abstract forChart(ctx: SignedIn, patientId: string, accounts: readonly string[]): Promise<ReadonlyMap<string, Named>>;
}
