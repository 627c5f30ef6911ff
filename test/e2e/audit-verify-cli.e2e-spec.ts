import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { verifyBundle } from '../../src/modules/audit/verification/index.js';
import { parseVerifierKey } from '../../src/tlog/index.js';
import { writeFolder } from '../harness/audit-bundle.js';
import { testServer } from '../harness/database.js';
import { again, exported, fetched, settle, unzipped, verifierKey } from '../harness/exports.js';
import { fillLog } from '../harness/filled-log.js';
import { openHospital, type Hospital } from '../harness/hospital.js';
import { checkLedger } from '../harness/ledger.js';
import type { Caller } from '../harness/people.js';

let hospital: Hospital;
let officer: Caller;
let vkey: string;
const folder = mkdtempSync(join(tmpdir(), 'portico-verify-'));

beforeAll(async () => {
  hospital = await openHospital();
  const { anna, clinician, portal } = hospital;
  await fillLog(portal.owner, 700);
  for (let n = 0; n < 3; n++) await clinician.get(`/v1/patients/${anna.patientId}/records`).expect(200);
  await settle(portal);
  vkey = await verifierKey(portal);
  officer = await again(hospital.complianceOfficer);
});
afterAll(async () => {
  await checkLedger(hospital.portal);
  await hospital.portal.close();
  rmSync(folder, { recursive: true });
});

interface Said {
  code: number | null;
  out: string;
  error: string;
}

/** The operator's program, as a process of its own; `isOnline`: it knows the database. */
async function cli(args: string[], isOnline = false): Promise<Said> {
  const { config } = hospital.portal;
  const { database } = config;
  const urls = {
    DATABASE_URL: database.url,
    DATABASE_SEQUENCER_URL: database.sequencerUrl,
    DATABASE_AUDITOR_URL: database.auditorUrl,
    PUBLIC_URL: config.http.publicUrl,
    KEY_FILE: testServer().keyFile,
  };
  const env = { PATH: process.env.PATH, HOME: process.env.HOME, NODE_ENV: 'test', ...(isOnline ? urls : {}) };
  const child = spawn(
    process.execPath,
    ['--import', './test/harness/typescript.mjs', 'src/cli.ts', 'audit:verify', ...args],
    { env },
  );
  const [out, error] = await Promise.all([text(child.stdout), text(child.stderr)]);
  const code = child.exitCode ?? (await new Promise<number | null>((done) => child.once('exit', done)));
  return { code, out, error };
}

/** An export as the officer gets it, in a file. */
async function zipOf(body: object): Promise<string> {
  const { id } = await exported(officer, { formats: ['csv', 'fhir'], disclosures: true, ...body });
  const path = join(folder, `${id}.zip`);
  writeFileSync(path, await fetched(officer, `/v1/audit/exports/${id}/bundle`));
  return path;
}

const SLOW = 240_000;

describe('an export', () => {
  it.each([
    ['of the whole log', () => ({})],
    ['of a range', () => ({ filter: { fromSeq: 250, toSeq: 520 } })],
    ['of one patient', () => ({ filter: { patientId: [hospital.anna.patientId] } })],
    ['of one action', () => ({ filter: { action: 'Session.login' } })],
  ])('%s verifies, with nothing but the key', async (what, body) => {
    const asked = {
      keys: [parseVerifierKey(vkey)],
      witnesses: [],
      previous: null,
      maxAgeSeconds: null,
      now: new Date(),
    };
    const report = await verifyBundle(await zipOf(body()), asked, () => undefined);
    expect(report).toMatchObject({ verdict: 'verified', findings: [] });
    expect(report.count).toBeGreaterThan(2);
    expect(report.disclosures).toBeGreaterThan(2);
    const { patientId } = hospital.anna;
    if (what === 'of one patient') expect(report.complete).toEqual([{ subject: patientId, from: 1, to: report.count }]);
  });

  it(
    "verifies in the operator's program, which ends with 0",
    async () => {
      const { code, out } = await cli([await zipOf({}), '--key', vkey]);
      expect([code, out]).toEqual([0, expect.stringMatching(/^VERIFIED\nlog: portal\.test\/audit, /)]);
    },
    SLOW,
  );

  it(
    'that somebody changed is refused with the place, and ends with 1',
    async () => {
      const path = await zipOf({ filter: { fromSeq: 250, toSeq: 520 } });
      const files = await unzipped(readFileSync(path));
      const lines = files.get('events.ndjson')!.toString().split('\n');
      lines[40] = lines[40]!.replace('"act":"', '"act":"X');
      files.set('events.ndjson', Buffer.from(lines.join('\n')));
      const changed = writeFolder(files, join(folder, 'changed'));
      const { code, out } = await cli([changed, '--key', vkey]);
      expect(code).toBe(1);
      expect(out).toMatch(/^REFUSED\n {2}edit: events\.ndjson, line 41, leaf 290: /);
    },
    SLOW,
  );

  it(
    'is refused with another key, and cannot be checked without one',
    async () => {
      const path = await zipOf({});
      const [name, , key] = vkey.split(/\+(.*?)\+(.*)/s) as [string, string, string];
      const other = Buffer.from(key, 'base64');
      other[5] = (other[5]! + 1) % 256;
      const id = createHash('sha256')
        .update(Buffer.concat([Buffer.from(`${name}\n`), other]))
        .digest('hex')
        .slice(0, 8);
      const wrong = await cli([path, '--key', `${name}+${id}+${other.toString('base64')}`]);
      expect([wrong.code, wrong.out]).toEqual([1, expect.stringContaining('signature: checkpoint')]);
      const refusals: [string[], string][] = [
        [[path], 'by another road'],
        [[path, '--kez', vkey], "Unknown option '--kez'"],
        [[join(folder, 'nowhere'), '--key', vkey], 'is not there'],
      ];
      for (const [args, why] of refusals) {
        const { code, error } = await cli(args);
        expect([args.slice(1), code, error]).toEqual([args.slice(1), 2, expect.stringContaining(why)]);
      }
    },
    SLOW,
  );

  it(
    'of a log that was rolled back is refused with the checkpoint that was kept',
    async () => {
      const early = await zipOf({});
      await settle(hospital.portal);
      const late = await unzipped(
        await fetched(officer, `/v1/audit/exports/${(await exported(officer, {})).id}/bundle`),
      );
      const kept = join(folder, 'kept');
      writeFileSync(kept, late.get('checkpoint')!);
      const { code, out } = await cli([early, '--key', vkey, '--previous', kept]);
      expect([code, out]).toEqual([1, expect.stringContaining('rollback: ')]);
    },
    SLOW,
  );
});

describe('the log in the database', () => {
  it(
    'verifies, whole and from a place on',
    async () => {
      await settle(hospital.portal);
      const all = await cli(['--json'], true);
      expect(all.code).toBe(0);
      const report = JSON.parse(all.out) as { size: number; from: number; root: string };
      expect(report).toMatchObject({ verdict: 'verified', from: 0 });
      const rest = JSON.parse((await cli(['--json', '--from', String(report.size)], true)).out) as typeof report;
      expect(rest.from).toBeGreaterThan(0);
      expect(rest).toMatchObject({ verdict: 'verified', root: report.root, size: report.size });
    },
    SLOW,
  );

  it(
    'that somebody changed is refused with the place',
    async () => {
      const { owner } = hospital.portal;
      await owner.query("SET session_replication_role = replica; UPDATE audit.entry SET actor = 'x' WHERE idx = 321");
      const { code, out } = await cli([], true);
      expect(code).toBe(1);
      expect(out).toMatch(/^REFUSED\n {2}edit: audit\.entry, leaf 321: the column actor/);
      await owner.query(
        "UPDATE audit.entry SET actor = leaf::json #>> '{e,actor,id}' WHERE idx = 321; RESET session_replication_role",
      );
      expect((await cli([], true)).code).toBe(0);
    },
    SLOW,
  );

  it(
    'cannot be checked where it cannot be reached',
    async () => {
      expect((await cli([])).code).toBe(2);
    },
    SLOW,
  );
});
