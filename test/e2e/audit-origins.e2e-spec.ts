import { copyFileSync, mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from '@jest/globals';
import { NewOriginError, openNewOrigin } from '../../src/modules/audit/index.js';
import { ArchivedLeaves } from '../../src/modules/audit/retention/archived-leaves.js';
import { AuditorPool } from '../../src/modules/audit/tree/auditor-pool.js';
import { Verifier } from '../../src/modules/audit/verification/verifier.js';
import { TreeRepository } from '../../src/modules/audit/tree/tree.repository.js';
import { addKey, announceKey, removeKey } from '../../src/platform/crypto/index.js';
import { formatVerifierKey, isSignedBy, parseCheckpoint, parseNote, parseVerifierKey } from '../../src/tlog/index.js';
import { cloneDatabase, testServer } from '../harness/database.js';
import { checkLedger } from '../harness/ledger.js';
import type { Portal } from '../harness/portal.js';
import {
  backUp,
  checkpoints,
  close,
  closeAll,
  happen,
  ORIGIN,
  portalOn,
  report,
  restore,
  sealed,
  sealer,
  tamper,
} from '../harness/sealing.js';
import { wholeLog } from '../harness/seals.js';

afterEach(closeAll);

const REASON = 'Restored to 22 November after the disk of db1 was lost; decided by the officer.';

const open = (portal: Portal, lastNote: string | null = null) =>
  openNewOrigin(portal.config, { reason: REASON, lastNote, now: portal.clock.now() });

/** A log whose database was restored to 300 entries after 330 had been signed. */
async function restored(): Promise<{ portal: Portal; lost: string }> {
  const portal = await portalOn();
  await sealed(portal, 300);
  await backUp(portal);
  await sealed(portal, 30);
  const lost = (await checkpoints(portal)).at(-1)!.note;
  await restore(portal);
  expect(await sealer(portal).turn(true)).toBeNull();
  return { portal, lost };
}

describe('a new name for the log', () => {
  it('begins with the last checkpoint of the old one, and is signed again from then on', async () => {
    const { portal, lost } = await restored();
    const made = await open(portal);
    expect(made).toMatchObject({ origin: `${ORIGIN}/2`, closedSize: 330 });
    const { rows } = await portal.owner.query<{ leaf: string; disclosure: string }>(
      `SELECT leaf, disclosure FROM audit.entry e JOIN audit.disclosure d ON d.digest = e.leaf::json #>> '{e,det,_sd,0}' WHERE idx = $1`,
      [made.place],
    );
    const { e } = JSON.parse(rows[0]!.leaf) as { e: { sub: string; det: Record<string, unknown> } };
    expect([e.sub, e.det.closed, e.det.origin]).toEqual(['Checkpoint.new-origin', lost, `${ORIGIN}/2`]);
    // The officer's words are not in the leaf, which nobody could erase them from.
    expect(rows[0]!.leaf).not.toContain('db1');
    expect(JSON.parse(Buffer.from(rows[0]!.disclosure, 'base64url').toString())).toEqual([
      expect.any(String),
      'reason',
      REASON,
    ]);

    const next = await sealed(portal, 5);
    expect(next).toBeGreaterThan(made.place);
    expect(report(portal)).toMatchObject({ size: next, problem: null });
    const { tree } = await wholeLog(portal);
    const { note } = (await checkpoints(portal)).at(-1)!;
    expect(parseCheckpoint(parseNote(note).body)).toEqual({ origin: `${ORIGIN}/2`, size: next, root: tree.root(next) });
    // What is shown is of the new name alone; what was signed before is kept.
    const pool = new AuditorPool(portal.config);
    const shown = new TreeRepository(pool, new ArchivedLeaves(pool, portal.config));
    expect(await shown.latestCheckpoint()).toMatchObject({ origin: `${ORIGIN}/2`, size: next });
    expect(await shown.checkpoint(300)).toBeNull();
    await pool.close();
    const again = await portalOn({ database: databaseOf(portal), env: { DATA_DIR: portal.config.dataDir } });
    await sealed(again, 1);
    await checkLedger(portal);
  });

  it('has the checkpoints of the old one verified as well, as far as the log bears them out', async () => {
    const { portal } = await restored();
    const { place } = await open(portal);
    await sealed(portal, 20);
    const verifier = portal.app.get(Verifier);
    const verified = async () => (await (await verifier.start({ scope: 'whole', accountId: null }))!.done)!;
    // One that a restore has left over tells of entries that are gone: it is not held against the others.
    await tamper(
      portal,
      `INSERT INTO audit.checkpoint SELECT generation, ${place + 5}, origin, root, note, signed_at FROM audit.checkpoint WHERE generation = 1`,
    );
    expect(await verified()).toMatchObject({ verdict: 'verified' });
    const old = 'generation = 1 AND size = (SELECT min(size) FROM audit.checkpoint)';
    for (const change of [
      `note = replace(note, E'\\n— ', E'\\n— x')`,
      'root = sha256(root)',
      `note = (SELECT note FROM audit.checkpoint WHERE generation = 2 LIMIT 1)`,
    ]) {
      const { rows } = await portal.owner.query<{ note: string; root: Buffer }>(
        `SELECT note, root FROM audit.checkpoint WHERE ${old}`,
      );
      await tamper(portal, `UPDATE audit.checkpoint SET ${change} WHERE ${old}`);
      const { verdict, finding } = await verified();
      expect([change, verdict, finding?.where]).toEqual([change, 'refused', 'audit.checkpoint']);
      await tamper(
        portal,
        `UPDATE audit.checkpoint SET note = '${rows[0]!.note}', root = '\\x${rows[0]!.root.toString('hex')}' WHERE ${old}`,
      );
    }
    expect(await verified()).toMatchObject({ verdict: 'verified' });
  });

  it('holds what a witness or an anchor has kept, where this machine has forgotten it', async () => {
    const { portal, lost } = await restored();
    const elsewhere = await portalOn({ database: databaseOf(portal) });
    expect(await open(elsewhere, lost)).toMatchObject({ closedSize: 330 });
    const { rows } = await portal.owner.query<{ closed_note: string }>(
      'SELECT closed_note FROM audit.origin WHERE generation = 2',
    );
    expect(rows).toEqual([{ closed_note: lost }]);
  });

  it('is not opened for a log that does not agree with itself, nor with a checkpoint that nobody signed', async () => {
    const { portal, lost } = await restored();
    await happen(portal, 9);
    await tamper(portal, `UPDATE audit.entry SET leaf = leaf || ' ' WHERE idx = 304`);
    await expect(open(portal)).rejects.toThrow(/^the log itself is damaged \(entry 304 .*restore it to a point before/);
    await expect(open(portal, 'no note')).rejects.toThrow(NewOriginError);
    await tamper(portal, `UPDATE audit.entry SET leaf = rtrim(leaf) WHERE idx = 304`);
    const forged = lost.replace('\n330\n', '\n999\n');
    expect(await open(portal, forged)).toMatchObject({ closedSize: 330 });
  });

  it('is not opened where nothing was signed, and every one of several has its number', async () => {
    const portal = await portalOn();
    await expect(open(portal)).rejects.toThrow('nothing was signed so far');
    await sealed(portal, 3);
    await open(portal);
    await expect(open(portal)).rejects.toThrow(`no checkpoint of ${ORIGIN}/2 is known`);
    await sealed(portal, 3);
    expect(await open(portal)).toMatchObject({ origin: `${ORIGIN}/3` });
    await sealed(portal, 3);
    expect((await checkpoints(portal)).map(({ note }) => note.split('\n')[0])).toEqual([
      ORIGIN,
      `${ORIGIN}/2`,
      `${ORIGIN}/3`,
    ]);
  });

  it('is forgotten by a database that is restored to before it', async () => {
    const portal = await portalOn();
    await sealed(portal, 3);
    await backUp(portal);
    await open(portal);
    await sealed(portal, 3);
    await restore(portal);
    expect(await sealer(portal).turn(true)).toBeNull();
    expect(report(portal).problem).toMatchObject({
      code: 'audit.rolled-back',
      message: `the log is signed as ${ORIGIN}, and the checkpoint of 7 entries of ${ORIGIN}/2 has been seen here`,
    });
  });
});

const databaseOf = (portal: Portal) => ({
  ...portal.config.database,
  ownerUrl: new URL(`/${new URL(portal.config.database.url).pathname.slice(1)}`, testServer().administratorUrl).href,
});

describe('the key of the log', () => {
  it('is exchanged with two signatures for a while, and whoever knows one key can verify throughout', async () => {
    const database = await cloneDatabase();
    const keyFile = join(mkdtempSync(join(tmpdir(), 'portico-keys-')), 'keys.json');
    copyFileSync(testServer().keyFile, keyFile);
    const env = { KEY_FILE: keyFile };
    const signersAfter = async (): Promise<[number, string[]]> => {
      const portal = await portalOn({ database, env });
      await sealed(portal, 2);
      expect(report(portal).problem).toBeNull();
      const note = parseNote((await checkpoints(portal)).at(-1)!.note);
      const { rows } = await portal.owner.query<{ vkey: string }>(
        'SELECT vkey FROM audit.verifier_key ORDER BY added_at',
      );
      await close(portal);
      const keys = rows.map(({ vkey }) => parseVerifierKey(vkey));
      return [note.signatures.length, keys.filter((key) => isSignedBy(note, key)).map(formatVerifierKey)];
    };
    const [, [first]] = await signersAfter();
    await announceKey(keyFile, 'audit-signing');
    expect(await signersAfter()).toEqual([1, [first]]);
    await addKey(keyFile, 'audit-signing');
    const [count, both] = await signersAfter();
    expect([count, both[0]]).toEqual([2, first]);
    const portal = await portalOn({ database, env });
    const retired = await portal.owner.query<{ n: string }>('SELECT count(*) AS n FROM audit.verifier_key');
    expect(retired.rows[0]!.n).toBe('2');
    const { rows } = await portal.owner.query<{ event: string }>(
      `SELECT event FROM audit.inbox WHERE action = 'Checkpoint.add-key' UNION ALL SELECT leaf::json ->> 'e' FROM audit.entry WHERE action = 'Checkpoint.add-key'`,
    );
    expect(rows.map(({ event }) => (JSON.parse(event) as { det: object }).det)).toEqual([{ vkey: both[1] }]);
    await close(portal);

    const former = (
      JSON.parse(readFileSync(keyFile, 'utf8')) as { keys: { id: string; purpose: string; status: string }[] }
    ).keys.find(({ purpose, status }) => purpose === 'audit-signing' && status === 'retired')!;
    await removeKey(keyFile, former.id);
    expect(await signersAfter()).toEqual([1, [both[1]]]);
  });
});
