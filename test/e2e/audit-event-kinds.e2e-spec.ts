import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ConfigurationChanges } from '../../src/modules/audit/configuration/configuration-changes.js';
import { EVENT_KINDS } from '../../src/modules/audit/event-kinds.js';
import { Sequencer } from '../../src/modules/audit/sequencer.js';
import { SessionSweeper } from '../../src/modules/auth/sessions/session-sweeper.js';
import { AUDITABLE } from '../contract/auditable-events.js';
import type { Stage } from '../contract/auditable.js';
import { cloneDatabase } from '../harness/database.js';
import { itemsOf, openHospital } from '../harness/hospital.js';
import { checkLedger } from '../harness/ledger.js';
import { signInAs } from '../harness/people.js';
import { startPortal } from '../harness/portal.js';
import { openDirectory } from '../harness/scim.js';

type Event = Record<string, unknown> & { sub: string };

let stage: Stage;
let database: Awaited<ReturnType<typeof cloneDatabase>>;
const ENV = { SCIM_GROUP_ROLES: 'Portal Desk=staff' };

beforeAll(async () => {
  database = await cloneDatabase();
  const hospital = await openHospital(ENV, database);
  await hospital.portal.app.get(SessionSweeper).beforeApplicationShutdown();
  const directory = await openDirectory(hospital.portal, hospital.admin);
  stage = { ...hospital, directory, fresh: (who) => signInAs(hospital.portal, who.credentials) };
}, 60_000);

afterAll(async () => {
  await checkLedger(stage.portal);
  await stage.portal.close();
});

async function sized(): Promise<number> {
  await stage.portal.app.get(Sequencer).sequence();
  const { rows } = await stage.portal.owner.query<{ size: number }>('SELECT size::int FROM audit.head');
  return rows[0]!.size;
}

async function since(size: number): Promise<Event[]> {
  await sized();
  const { rows } = await stage.portal.owner.query<{ leaf: string }>(
    'SELECT leaf FROM audit.entry WHERE idx >= $1 ORDER BY idx',
    [size],
  );
  return rows.map(({ leaf }) => (JSON.parse(leaf) as { e: Event }).e);
}

/** Said in the table: a list holds at least these, an object at least this; everything else is just so. */
const among = (said: unknown): unknown => {
  if (Array.isArray(said))
    return said.every((one) => typeof one === 'object') && said.length > 0
      ? expect.arrayContaining(said.map(among))
      : said;
  if (typeof said !== 'object' || said === null) return said;
  return expect.objectContaining(Object.fromEntries(Object.entries(said).map(([name, value]) => [name, among(value)])));
};

describe('every auditable event leaves its leaf', () => {
  it.each(AUDITABLE)('$event', async ({ happens, leaves, kind }) => {
    const before = await sized();
    await happens(stage);
    const found = await since(before);
    for (const said of leaves) expect(found).toContainEqual(among(said));
    if (kind === undefined) return;
    const officer = await stage.fresh(stage.complianceOfficer);
    const listed = itemsOf(await officer.get(`/v1/audit/events?kind=${kind}&sort=-seq&limit=200`).expect(200));
    // The officer's own sign-in came later.
    const isNew = ({ seq }: Record<string, unknown>) => Number(seq) >= before && Number(seq) < before + found.length;
    const codes = listed.filter(isNew).map(({ action }) => action);
    expect(leaves.filter(({ sub }) => codes.includes(sub))).not.toEqual([]);
  });

  it('and every kind that officers look for has one, but for what the portal cannot do yet', () => {
    const shown = new Set(AUDITABLE.map(({ kind }) => kind));
    expect(EVENT_KINDS.filter((kind) => !shown.has(kind))).toEqual(['break-glass']);
  });
});

describe('the configuration', () => {
  it('that has changed is told at the next start: which settings, and never a value', async () => {
    const size = await sized();
    const secret = 'the-password-of-the-mail-server';
    const smtp = { SMTP_URL: `smtp://portal:${secret}@mail.example:587` };
    const other = await startPortal({ database, env: { ...ENV, ...smtp, BODY_LIMIT_KB: '128' } });
    expect(await other.app.get(ConfigurationChanges).tell()).toEqual(['http.bodyLimit', 'mail.smtpUrl']);
    await other.close();
    const [event] = (await since(size)).filter(({ sub }) => sub === 'System.configure');
    const det = event!.det as { before: string[]; changed: string[]; settings: string[] };
    expect(event!.err).toBe('system.configuration-changed');
    expect(det.changed).toEqual(['http.bodyLimit', 'mail.smtpUrl']);
    expect(det.before.map((line) => line.split('=')[0])).toEqual(det.changed);
    for (const line of [...det.before, ...det.settings]) expect(line).toMatch(/^[\w.]+=[\w-]{20}$/);
    expect(JSON.stringify(event)).not.toContain(secret);
    // Two settings of the same value do not show it.
    const digests = det.settings.map((line) => line.split('=')[1]);
    expect(new Set(digests).size).toBe(digests.length);
  });

  it('that is as before is not told, and going back is a change again', async () => {
    const same = await startPortal({ database, env: ENV });
    expect(await same.app.get(ConfigurationChanges).tell()).toEqual(['http.bodyLimit', 'mail.smtpUrl']);
    await same.app.get(Sequencer).sequence();
    expect(await same.app.get(ConfigurationChanges).tell()).toBeNull();
    await same.close();
  });

  it('is told by a portal that starts, of itself', async () => {
    const size = await sized();
    const other = await startPortal({ database, env: { ...ENV, BODY_LIMIT_KB: '64', AUDIT_HEARTBEAT_SECONDS: '60' } });
    await other.close();
    const told = (await since(size)).filter(({ sub }) => sub === 'System.configure');
    expect(told).toMatchObject([
      { det: { changed: ['audit.heartbeatSeconds', 'http.bodyLimit'] }, actor: {}, out: 0, act: 'U' },
    ]);
  });
});
