import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { verifyBundle, verifyDatabase } from '../../src/modules/audit/index.js';
import { parseVerifierKey } from '../../src/tlog/index.js';
import { again, exported, fetched, settle, verifierKey } from '../harness/exports.js';
import { fillLog } from '../harness/filled-log.js';
import { openHospital, type Hospital } from '../harness/hospital.js';
import { hasPython, stranger } from '../harness/stranger.js';

/** PORTICO_VERIFY_EVENTS=1000000 for the measurement; a small sample otherwise. */
const EVENTS = Number(process.env.PORTICO_VERIFY_EVENTS ?? 2_000);

let hospital: Hospital;
let vkey: string;
let bundle: string;

beforeAll(async () => {
  hospital = await openHospital({ ACCESS_TOKEN_MINUTES: '700', STAFF_IDLE_MINUTES: '700' });
  const { portal, complianceOfficer } = hospital;
  await fillLog(portal.owner, EVENTS);
  await portal.owner.query('ANALYZE audit.entry');
  await settle(portal);
  vkey = await verifierKey(portal);
  const officer = await again(complianceOfficer);
  const { id } = await exported(officer, {});
  bundle = join(mkdtempSync(join(tmpdir(), 'portico-rate-')), 'bundle.zip');
  writeFileSync(bundle, await fetched(officer, `/v1/audit/exports/${id}/bundle`));
}, 3_600_000);

afterAll(() => hospital.portal.close());

/** Events a second. */
async function rate(work: () => Promise<void> | void): Promise<number> {
  const begun = performance.now();
  await work();
  return Math.round(EVENTS / ((performance.now() - begun) / 1_000));
}

describe('verification', () => {
  it(`of ${EVENTS} events comes to its end, of a bundle and of the database; how fast is shown where it is asked for`, async () => {
    const keys = [parseVerifierKey(vkey)];
    const nothing = (): void => undefined;
    const offline = await rate(async () => {
      const options = { keys, witnesses: [], maxAgeSeconds: null, previous: null, now: hospital.portal.clock.now() };
      expect(await verifyBundle(bundle, options, nothing)).toMatchObject({ verdict: 'verified' });
    });
    const online = await rate(async () => {
      const options = { keys, from: 0, previous: null, onProgress: nothing };
      expect(await verifyDatabase(hospital.portal.config, options)).toMatchObject({ verdict: 'verified' });
    });
    const python = hasPython
      ? await rate(() => expect(stranger(bundle, '--key', vkey)).toMatchObject({ code: 0 }))
      : null;
    if (process.env.PORTICO_VERIFY_EVENTS) console.table({ 'events a second': { offline, online, python } });
  }, 3_600_000);
});
