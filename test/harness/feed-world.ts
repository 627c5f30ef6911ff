import { checkLedger } from './ledger.js';
import { recordRow } from './feed.js';
import { makeAdmin, makeFeed, makePatient, type Caller, type Patient } from './people.js';
import { startPortal, type Portal } from './portal.js';

export const SOURCE = 'https://ehr.test/fhir';

/** A portal with one feed, and one patient whose chart it may fill: `MRN-1`. */
export interface FeedWorld {
  portal: Portal;
  admin: Caller;
  feed: Caller;
  pat: Patient;
  /** What is stored of a record; of this feed's source where no other is named. */
  rowOf(type: string, sourceId: string, source?: string): ReturnType<typeof recordRow>;
  close(): Promise<void>;
}

export async function openFeedWorld(): Promise<FeedWorld> {
  const portal = await startPortal();
  const admin = await makeAdmin(portal);
  const feed = await makeFeed(portal, admin, SOURCE);
  const pat = await makePatient(portal, admin, { mrn: 'MRN-1' });
  return {
    portal,
    admin,
    feed,
    pat,
    rowOf: (type, sourceId, source = SOURCE) => recordRow(portal, { source, type, sourceId }),
    close: async () => {
      await checkLedger(portal);
      await portal.close();
    },
  };
}
