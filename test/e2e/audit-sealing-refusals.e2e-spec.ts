import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { afterEach, describe, expect, it } from '@jest/globals';
import { SealingJob } from '../../src/modules/audit/sealing/sealing.job.js';
import { Sequencer } from '../../src/modules/audit/sequencer.js';
import type { Recurring } from '../../src/platform/recurring.js';
import { formatNote, parseCheckpoint, parseNote } from '../../src/tlog/index.js';
import { cloneDatabase } from '../harness/database.js';
import type { Portal, PortalOptions } from '../harness/portal.js';
import {
  backUp,
  checkpoints,
  closeAll,
  happen,
  memoryOf,
  portalOn,
  report,
  restore,
  sealed,
  sealer,
  tamper,
} from '../harness/sealing.js';

afterEach(closeAll);

/** Seals and gives places only when it is told to: a refusal is an event itself, and would be an entry at the next turn. */
async function stillPortalOn(options: PortalOptions = {}): Promise<Portal> {
  const portal = await portalOn(options);
  await portal.app.get(SealingJob).beforeApplicationShutdown();
  await portal.app.get<Sequencer, { turns: Recurring }>(Sequencer).turns.stop();
  return portal;
}

const refusals = (portal: Portal) =>
  portal.log.filter(({ msg }) => msg === 'the log is not signed any more').map(({ code, reason }) => [code, reason]);

async function refusalEvents(portal: Portal): Promise<string[]> {
  const { rows } = await portal.owner.query<{ event: string }>(
    `SELECT event FROM audit.inbox WHERE action = 'Checkpoint.refuse'
     UNION ALL SELECT leaf::json ->> 'e' FROM audit.entry WHERE action = 'Checkpoint.refuse'`,
  );
  return rows.map(({ event }) => (JSON.parse(event) as { err: string }).err);
}

/** It is refused now and at the next turn, told once, and nothing was signed. */
async function expectRefused(portal: Portal, code: string, words: RegExp): Promise<void> {
  const before = await checkpoints(portal);
  for (let n = 0; n < 3; n++) expect(await sealer(portal).turn(true)).toBeNull();
  expect(report(portal).problem).toMatchObject({ kind: 'refused', code, message: expect.stringMatching(words) });
  expect(refusals(portal)).toEqual([[code, expect.stringMatching(words)]]);
  expect(await refusalEvents(portal)).toEqual([code]);
  expect(await checkpoints(portal)).toEqual(before);
}

describe('the sealer signs no log', () => {
  it('in which an entry was changed before it was sealed, with its hash made anew', async () => {
    const database = await cloneDatabase();
    const portal = await stillPortalOn({ database });
    await sealed(portal, 40);
    await happen(portal, 10);
    await tamper(
      portal,
      `UPDATE audit.entry SET leaf = replace(leaf, '"act":"R"', '"act":"C"') WHERE idx = 44`,
      `UPDATE audit.entry SET leaf_hash = sha256('\\x00'::bytea || convert_to(leaf, 'UTF8')) WHERE idx = 44`,
    );
    await expectRefused(portal, 'audit.head-differs', /^entries 40 to 47 are not those that the head of 50 entries/);
    // Put right again, nothing shows it any more; what was seen stands all the same, also after a restart.
    await tamper(
      portal,
      `UPDATE audit.entry SET leaf = replace(leaf, '"act":"C"', '"act":"R"') WHERE idx = 44`,
      `UPDATE audit.entry SET leaf_hash = sha256('\\x00'::bytea || convert_to(leaf, 'UTF8')) WHERE idx = 44`,
    );
    expect(await sealer(portal).turn(true)).toBeNull();
    const again = await stillPortalOn({ database, env: { DATA_DIR: portal.config.dataDir } });
    expect(await sealer(again).turn(true)).toBeNull();
    expect(report(again).problem?.code).toBe('audit.head-differs');
  });

  it.each([
    ['changed', `UPDATE audit.entry SET leaf = leaf || ' ' WHERE idx = 44`, 'audit.leaf-altered', /^entry 44 /],
    ['deleted', 'DELETE FROM audit.entry WHERE idx = 44', 'audit.entries-missing', /no entry at 44$/],
    ['cut off', 'DELETE FROM audit.entry WHERE idx >= 44', 'audit.entries-missing', /no entry at 44$/],
    [
      'swapped',
      `UPDATE audit.entry e SET leaf = o.leaf, leaf_hash = o.leaf_hash FROM audit.entry o WHERE e.idx + o.idx = 87 AND e.idx IN (43, 44)`,
      'audit.leaf-misplaced',
      /^entry 43 says of itself that it is entry 44$/,
    ],
  ] as const)('in which an entry was %s before it was sealed', async (_, sql, code, words) => {
    const portal = await stillPortalOn();
    await sealed(portal, 40);
    await happen(portal, 10);
    await tamper(portal, sql);
    await expectRefused(portal, code, words);
  });

  it('whose tail is gone', async () => {
    const portal = await stillPortalOn();
    await sealed(portal, 300);
    await backUp(portal);
    await sealed(portal, 30);
    await restore(portal, ['entry', 'head', 'tile_hash', 'subject_head']);
    await expectRefused(portal, 'audit.rolled-back', /^the log has 300 entries, and the checkpoint of 330 entries/);
  });

  it('that was restored with its checkpoints, and stays so when it grows again', async () => {
    const portal = await stillPortalOn();
    await sealed(portal, 300);
    await backUp(portal);
    await sealed(portal, 30);
    await restore(portal);
    await expectRefused(portal, 'audit.rolled-back', /^the log has 300 entries, and the checkpoint of 330 entries/);
    await portal.http.get('/health/ready').expect(200);
    await portal.app.get(Sequencer).sequence();
    // Other events than those that were lost.
    for (let n = 0; n < 60; n++) await portal.http.get('/health/ready').expect(200);
    await portal.app.get(Sequencer).sequence();
    expect(await sealer(portal).turn(true)).toBeNull();
    expect(report(portal).problem).toMatchObject({
      code: 'audit.forked',
      message: expect.stringMatching(/^the first 330 entries are not those of the checkpoint of 330 entries/),
    });
  });

  it('of which only the checkpoints were taken back', async () => {
    const portal = await stillPortalOn();
    await sealed(portal, 300);
    await backUp(portal);
    await sealed(portal, 30);
    await restore(portal, ['checkpoint']);
    await happen(portal, 1);
    await expectRefused(portal, 'audit.checkpoints-lost', /^the checkpoint of 330 entries .* newest one .* of 300$/);
  });

  it('that is another one below what was signed, with every hash made anew', async () => {
    const database = await cloneDatabase();
    const [portal, other] = [await stillPortalOn({ database }), await stillPortalOn()];
    await sealed(portal, 300);
    await sealed(other, 100);
    await portal.http.get('/health/ready').expect(200);
    await other.http.get('/health/ready').expect(200);
    // The rows of a log that branched off at 100, and has grown further than ours.
    for (const one of [portal, other]) await one.app.get(Sequencer).sequence();
    await happen(other, 400);
    await backUp(other);
    for (const table of ['entry', 'head', 'tile_hash']) {
      const { rows } = await other.owner.query(`SELECT to_jsonb(t) AS row FROM audit.${table} t`);
      await portal.owner.query('SET session_replication_role = replica');
      await portal.owner.query(`DELETE FROM audit.${table}`);
      await portal.owner.query(
        `INSERT INTO audit.${table} SELECT r.* FROM jsonb_array_elements($1) e, jsonb_populate_record(NULL::audit.${table}, e) r`,
        [JSON.stringify(rows.map(({ row }) => row as object))],
      );
      await portal.owner.query('RESET session_replication_role');
    }
    const fresh = await stillPortalOn({ database, env: { DATA_DIR: portal.config.dataDir } });
    await expectRefused(fresh, 'audit.forked', /^the first 300 entries are not those of the checkpoint of 300 entries/);
  });

  it('whose head was made anew, though nothing has come since', async () => {
    const portal = await stillPortalOn();
    await sealed(portal, 33);
    await tamper(portal, `UPDATE audit.head SET peaks[1] = sha256('another')`);
    await expectRefused(portal, 'audit.forked', /^the first 33 entries are not those of the checkpoint of 33 entries/);
  });

  it('whose newest checkpoint none of our keys has signed', async () => {
    const portal = await stillPortalOn();
    await sealed(portal, 30);
    await happen(portal, 3);
    const { note } = (await checkpoints(portal))[0]!;
    await tamper(portal, `UPDATE audit.checkpoint SET root = sha256('another')`);
    await expectRefused(portal, 'audit.checkpoint-forged', /^no key of the key file has signed the checkpoint of 30/);
    await portal.owner.query('SET session_replication_role = replica');
    const { body, signatures } = parseNote(note);
    await portal.owner.query('UPDATE audit.checkpoint SET root = $1, note = $2', [
      parseCheckpoint(body).root,
      formatNote({ body, signatures: [{ ...signatures[0]!, blob: randomBytes(64) }] }),
    ]);
    await portal.owner.query('RESET session_replication_role');
    expect(await sealer(portal).turn(true)).toBeNull();
    await portal.owner.query('SET session_replication_role = replica');
    await portal.owner.query('UPDATE audit.checkpoint SET note = $1', [note]);
    await portal.owner.query('RESET session_replication_role');
  });

  it('under another name than before', async () => {
    const database = await cloneDatabase();
    await sealed(await stillPortalOn({ database }), 3);
    const renamed = await stillPortalOn({ database, env: { AUDIT_ORIGIN: 'else.test/audit' } });
    await happen(renamed);
    await expectRefused(
      renamed,
      'audit.origin-changed',
      /portal.test\/audit.*else.test\/audit.*set AUDIT_ORIGIN back$/,
    );
  });

  it('where the file of what was seen is damaged', async () => {
    const portal = await stillPortalOn();
    await sealed(portal, 3);
    writeFileSync(memoryOf(portal), '{"note":"half');
    await happen(portal);
    await expectRefused(portal, 'audit.memory-unreadable', /DATA_DIR is damaged/);
  });
});
