import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { cloneDatabase } from '../harness/database.js';
import { said } from '../harness/hospital.js';
import {
  FakeProvider,
  providerEntry,
  requestOf,
  RoamingBrowser,
  writeProviders,
} from '../harness/identity-providers.js';
import { checkLedger } from '../harness/ledger.js';
import { makeAdmin, type Caller } from '../harness/people.js';
import { startPortal, type Portal } from '../harness/portal.js';
import { back, begin, callerOf, codeIn, exchange, newSubject, PERSON, STRONG } from '../harness/sso.js';

let fake: FakeProvider;
let evil: FakeProvider;

beforeAll(async () => {
  [fake, evil] = await Promise.all([FakeProvider.start(), FakeProvider.start()]);
});
afterAll(() => Promise.all([fake.close(), evil.close()]));

describe('a provider that the configuration names no more', () => {
  const BOSSES = { ...STRONG, roleMap: { nurses: 'staff', bosses: 'admin' } };
  const rolesOf = async (at: Portal, accountId: string) =>
    (
      await at.owner.query<{ role: string }>(
        'SELECT role FROM users.account_role WHERE account_id = $1 AND revoked_at IS NULL ORDER BY role',
        [accountId],
      )
    ).rows.map(({ role }) => role);

  /** Portals on one database, each with a configuration of its own. */
  async function on(work: (open: (...entries: object[]) => Promise<Portal>) => Promise<void>): Promise<void> {
    const database = await cloneDatabase();
    const opened: Portal[] = [];
    const open = async (...entries: object[]) => {
      const at = await startPortal({ database, env: { SSO_PROVIDERS_FILE: writeProviders(entries) } });
      opened.push(at);
      return at;
    };
    try {
      await work(open);
      await checkLedger(opened[0]!);
    } finally {
      await Promise.all(opened.map((at) => at.close()));
    }
  }

  async function bySso(at: Portal, id: 'fake' | 'evil', group: string): Promise<Caller & { id: string }> {
    const provider = id === 'fake' ? fake : evil;
    const browser = new RoamingBrowser(at);
    const location = await begin(browser, id);
    const code = provider.grant(location, newSubject(), { ...PERSON, roles: [group] });
    const { state } = requestOf(location);
    const page = await back(browser, { code, state, iss: provider.issuer }, id);
    const { status, body } = await exchange(browser, codeIn(page.location));
    expect([status, body.status]).toEqual([200, 'authenticated']);
    const caller = callerOf(at, body);
    return Object.assign(caller, { id: await caller.accountId() });
  }

  it('takes the roles that it gave along at the next start, and leaves those of other hands', () =>
    on(async (open) => {
      const before = await open(providerEntry('fake', fake.issuer, STRONG), providerEntry('evil', evil.issuer, BOSSES));
      const byHand = await makeAdmin(before);
      const [nurse, boss, stays] = [
        await bySso(before, 'evil', 'nurses'),
        await bySso(before, 'evil', 'bosses'),
        await bySso(before, 'fake', 'nurses'),
      ];
      await byHand.post(`/v1/users/${nurse.id}/roles`, { role: 'records_officer', reason: 'Covers.' }).expect(200);
      const after = await open(providerEntry('fake', fake.issuer, STRONG));
      expect(await rolesOf(after, nurse.id)).toEqual(['records_officer']);
      expect(await rolesOf(after, boss.id)).toEqual([]);
      expect(await rolesOf(after, stays.id)).toEqual(['staff']);
      // On a replica, too, that was not started anew.
      expect(said(await boss.get('/v1/users'))).toEqual([401, 'auth.session-ended']);
      await stays.get('/v1/me').expect(200);
      const { rows } = await after.owner.query(
        `SELECT kind, via, via_name, changed_by, reason FROM users.role_change WHERE account_id = $1 AND kind = 'revoked'`,
        [boss.id],
      );
      const reason = 'Single sign-on: the provider is not configured to give this role any more.';
      expect(rows).toEqual([{ kind: 'revoked', via: 'sso', via_name: 'evil', changed_by: null, reason }]);
      const { rows: events } = await after.owner.query(
        `SELECT err FROM (SELECT event::jsonb ->> 'err' AS err, action, actor FROM audit.inbox
           UNION ALL SELECT leaf::jsonb -> 'e' ->> 'err', action, actor FROM audit.entry) e
          WHERE action = 'Account.revoke' AND actor = $1`,
        [boss.id],
      );
      expect(events).toEqual([{ err: 'auth.sso-role-orphaned' }]);
    }));

  it('takes a role along, too, that its map gives no more', () =>
    on(async (open) => {
      const before = await open(providerEntry('evil', evil.issuer, BOSSES));
      await makeAdmin(before);
      const [nurse, boss] = [await bySso(before, 'evil', 'nurses'), await bySso(before, 'evil', 'bosses')];
      const after = await open(providerEntry('evil', evil.issuer, STRONG));
      expect(await rolesOf(after, nurse.id)).toEqual(['staff']);
      expect(await rolesOf(after, boss.id)).toEqual([]);
      await nurse.get('/v1/me').expect(200);
      expect(said(await boss.get('/v1/me'))).toEqual([401, 'auth.session-ended']);
    }));

  it('leaves the last administrators, says so, and takes them along once there is another', () =>
    on(async (open) => {
      const before = await open(providerEntry('evil', evil.issuer, BOSSES));
      const bosses = [await bySso(before, 'evil', 'bosses'), await bySso(before, 'evil', 'bosses')];
      const after = await open();
      for (const { id } of bosses) expect(await rolesOf(after, id)).toEqual(['admin']);
      expect(after.log.filter(({ reason }) => reason === 'auth.sso-role-orphaned')).toMatchObject([
        { level: 40, msg: expect.stringContaining('last administrators') },
      ]);
      await makeAdmin(after);
      const last = await open();
      for (const { id } of bosses) expect(await rolesOf(last, id)).toEqual([]);
    }));
});
