import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from '@jest/globals';
import { Sequencer } from '../../src/modules/audit/sequencer.js';
import { KEY_MANAGEMENT, type KeyManagement } from '../../src/platform/crypto/index.js';
import { isSignedBy, parseCheckpoint, parseNote, verifierKeyOf } from '../../src/tlog/index.js';
import { cloneDatabase } from '../harness/database.js';
import { checkLedger } from '../harness/ledger.js';
import {
  checkpoints,
  close,
  closeAll,
  eventually,
  happen,
  memoryOf,
  ORIGIN,
  portalOn,
  report,
  sealed,
  sealer,
  tamper,
} from '../harness/sealing.js';
import { wholeLog } from '../harness/seals.js';

afterEach(closeAll);

describe('a checkpoint', () => {
  it('says of the log what the plain definition of the tree says, under the key of the key file', async () => {
    const portal = await portalOn();
    await portal.http.get('/health/ready').expect(200);
    await portal.app.get(Sequencer).sequence();
    const sizes = [await sealed(portal, 3), await sealed(portal, 700), await sealed(portal, 1)];
    const { tree } = await wholeLog(portal);
    const rows = await checkpoints(portal);
    expect(rows.map(({ size }) => Number(size))).toEqual(sizes);
    const [key] = portal.app.get<KeyManagement>(KEY_MANAGEMENT).auditKeys;
    for (const { size, root, note } of rows) {
      const parsed = parseNote(note);
      expect(parseCheckpoint(parsed.body)).toEqual({ origin: ORIGIN, size: Number(size), root });
      expect(root).toEqual(tree.root(Number(size)));
      expect(parsed.signatures).toHaveLength(1);
      expect(isSignedBy(parsed, verifierKeyOf(ORIGIN, 1, key!.publicKey))).toBe(true);
    }
    expect(report(portal)).toMatchObject({ size: sizes[2], waiting: 0, isLate: false, problem: null });
    expect(JSON.parse(readFileSync(memoryOf(portal), 'utf8'))).toEqual({
      note: rows.at(-1)!.note,
      isPublished: true,
      refusal: null,
    });
    await checkLedger(portal);
  });

  it('is made after ten seconds, or after a thousand entries, and not without entries', async () => {
    const portal = await portalOn();
    expect(await sealer(portal).turn()).toBeNull();
    await happen(portal);
    expect(await sealer(portal).turn()).toBeNull();
    portal.clock.forward(11);
    await sealer(portal).turn();
    expect((await checkpoints(portal)).map(({ size }) => size)).toEqual(['1']);
    portal.clock.forward(3_600);
    expect(await sealer(portal).turn()).toBeNull();
    await happen(portal, 1_000);
    await sealer(portal).turn();
    expect((await checkpoints(portal)).map(({ size }) => size)).toEqual(['1', '1001']);
  });

  it('goes on after a restart from what was signed, also by a replica that was away meanwhile', async () => {
    const database = await cloneDatabase();
    const first = await portalOn({ database });
    await sealed(first, 300);
    const [second, env] = [await portalOn({ database }), { DATA_DIR: first.config.dataDir }];
    await sealed(second, 500);
    await sealed(first, 1);
    await sealed(second, 77);
    await close(first);
    await sealed(second, 1_200);
    const again = await portalOn({ database, env });
    expect(await sealed(again, 1)).toBe(2_079);
    const { tree } = await wholeLog(again);
    for (const { size, root } of await checkpoints(again)) expect(root).toEqual(tree.root(Number(size)));
  });

  it('is one and the same whichever of two replicas signs, and they never sign two of one size', async () => {
    const database = await cloneDatabase();
    const both = [await portalOn({ database }), await portalOn({ database })];
    for (let round = 0; round < 25; round++) {
      await happen(both[0]!, 1 + (round % 7));
      const made = await Promise.all([...both, ...both].map((portal, at) => sealer(portal).turn(at !== 1)));
      expect(made.filter(Boolean).length).toBeLessThanOrEqual(1);
    }
    const rows = await checkpoints(both[0]!);
    expect(new Set(rows.map(({ size }) => size)).size).toBe(rows.length);
    expect(rows.length).toBeGreaterThanOrEqual(25);
    const { tree } = await wholeLog(both[0]!);
    for (const { size, root } of rows) expect(root).toEqual(tree.root(Number(size)));
    for (const portal of both) expect(report(portal).problem).toBeNull();
  });

  it('that was signed and not published before a crash is the one that is published after it', async () => {
    const portal = await portalOn();
    await sealed(portal, 5);
    await sealed(portal, 4);
    const { note } = (await checkpoints(portal)).at(-1)!;
    // A crash between the disk and the database leaves this.
    await tamper(portal, 'DELETE FROM audit.checkpoint WHERE size = 9');
    writeFileSync(memoryOf(portal), JSON.stringify({ note, isPublished: false, refusal: null }));
    await happen(portal, 1);
    expect(await sealer(portal).turn(true)).toMatchObject({ size: 9, note });
    expect(await sealer(portal).turn(true)).toMatchObject({ size: 10 });
  });

  it('is not published where it cannot be remembered, and nobody waits for it', async () => {
    const file = join(mkdtempSync(join(tmpdir(), 'portico-no-folder-')), 'file');
    writeFileSync(file, '');
    const portal = await portalOn({ env: { DATA_DIR: file } });
    await happen(portal);
    expect(await sealer(portal).turn(true)).toBeNull();
    expect(report(portal).problem).toMatchObject({ kind: 'failed', code: 'audit.sealing-failed', message: 'ENOTDIR' });
    expect(await checkpoints(portal)).toEqual([]);
    await portal.http.get('/health/ready').expect(200);
  });

  it('that is late is told once, and once that it is not any more', async () => {
    const portal = await portalOn();
    await sealed(portal);
    await happen(portal);
    await portal.owner.query('REVOKE EXECUTE ON FUNCTION audit.seal FROM portico_sequencer');
    expect(await sealer(portal).turn(true)).toBeNull();
    portal.clock.forward(61);
    expect(report(portal)).toMatchObject({ isLate: true, waiting: 1, problem: { kind: 'failed' } });
    const told = () => portal.log.filter(({ code }) => code === 'audit.sealing-late').map(({ msg }) => msg);
    await eventually(() => expect(told()).toHaveLength(1));
    await portal.owner.query('GRANT EXECUTE ON FUNCTION audit.seal TO portico_sequencer');
    await sealer(portal).turn(true);
    await eventually(() => expect(told()).toHaveLength(2));
    // What told of it is an entry as well.
    expect(report(portal).size).toBeGreaterThanOrEqual(2);
    expect(report(portal)).toMatchObject({ isLate: false, problem: null });
  });
});
