import type { EventKind } from '../../src/modules/audit/event-kinds.js';
import { opened, type Hospital } from '../harness/hospital.js';
import type { Caller } from '../harness/people.js';
import type { Directory } from '../harness/scim.js';

/** What a test makes happen, and with whom. */
export interface Stage extends Hospital {
  directory: Directory;
  /** Somebody signed in a moment ago, because tests move the clock. */
  fresh(who: Caller): Promise<Caller>;
}

/**
 * One auditable event: what happens, how it is made to happen through the API, and what the leaf must say of it, by hand. One test
 * each (King et al. 2012: of 58 specific tests, three open EHRs passed 4 per cent).
 */
export interface Auditable {
  event: string;
  happens: (stage: Stage) => Promise<void>;
  /** Leaves (`/e`) that must be among the new ones, each just so often as it stands here. */
  leaves: Record<string, unknown>[];
  /** Found by officers as this. */
  kind?: EventKind;
}

export const because = { reason: 'For the test.' };
export const REFUSED = { out: 4 };
export const login = (stage: Stage, username: string, password: string) =>
  stage.portal.http.post('/v1/auth/login').send({ username, password });
export const changed = async (by: Caller, path: string, body: object): Promise<void> => {
  const { body: now } = await by.get(path).expect(200);
  await by
    .patch(path, body)
    .set('If-Match', `"${(now as { version: number }).version}"`)
    .expect(200);
};
export const somebody = async (stage: Stage): Promise<string> =>
  (await opened({ ...stage, admin: await fresh(stage, 'admin') })).id;
export const fresh = (stage: Stage, who: 'admin' | 'staff' | 'complianceOfficer' | 'anna') =>
  stage.fresh(stage[who]) as Promise<Hospital['admin']>;
export const SESSION = { t: 'Session', v: 1 };
export const account = (before: string[], after: string[]) => ({ t: 'Account', b: before, a: after });
