import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, describe, expect, it, jest } from '@jest/globals';
import pg from 'pg';
import { ArchivedLeaves } from '../../src/modules/audit/retention/archived-leaves.js';
import { RetentionJob } from '../../src/modules/audit/retention/retention.job.js';
import { Retention } from '../../src/modules/audit/retention/retention.js';
import { RetentionRepository } from '../../src/modules/audit/retention/retention.repository.js';
import { applyRetention } from '../../src/modules/audit/retention/operator.js';
import { sentence, Unverifiable } from '../../src/modules/audit/verification/findings.js';
import { verifyDatabase, type DatabaseReport } from '../../src/modules/audit/verification/online.js';
import { Sequencer } from '../../src/modules/audit/sequencer.js';
import { Verifier } from '../../src/modules/audit/verification/verifier.js';
import { Sealer } from '../../src/modules/audit/sealing/sealer.js';
import { fillLog } from '../harness/filled-log.js';
import { checkLedger, type LedgerEntry } from '../harness/ledger.js';
import { startPortal, type Portal } from '../harness/portal.js';
import { archive, BLOCK, entriesOf, newArchive, smallBlocks, timeOf } from '../harness/retention.js';
import { leafHashOf, PlainTree, sha256 } from '../harness/rfc6962.js';
import { seal } from '../harness/seals.js';

const BLOCKS = 12;
const dir = newArchive();
let portal: Portal;
let before: LedgerEntry[];
/** Blocks that have left the database. */
let moved = 0;

class Killed extends Error {}
const kill = () => Promise.reject(new Killed());

const hot = async (): Promise<number> =>
  Number((await portal.owner.query<{ idx: string }>('SELECT min(idx) AS idx FROM audit.entry')).rows[0]!.idx);
const told = async (): Promise<number> =>
  (await portal.owner.query(`SELECT 1 FROM audit.entry WHERE action = 'Block.archive'`)).rows.length;
const verified = (options: { skipArchive?: boolean } = {}): Promise<DatabaseReport> =>
  verifyDatabase(portal.config, { keys: [], from: 0, previous: null, onProgress: () => undefined, ...options });
const repository = () => portal.app.get(RetentionRepository);
const files = () => portal.app.get(ArchivedLeaves).files;
const change = (name: string, bytes: Buffer): void => {
  chmodSync(join(dir, name), 0o644);
  writeFileSync(join(dir, name), bytes);
};

beforeAll(async () => {
  const database = await smallBlocks(BLOCKS * BLOCK + 10);
  portal = await startPortal({ database, env: { AUDIT_ARCHIVE_DIR: dir } });
  await seal(portal);
  before = await entriesOf(portal);
}, 120_000);

afterEach(() => void jest.restoreAllMocks());
afterAll(async () => {
  await checkLedger(portal, before.slice(0, moved * BLOCK));
  await portal.close();
});

/** One more block; a first try is killed where the test says. */
async function killedAt(prepare: () => void): Promise<void> {
  prepare();
  await expect(archive(portal, moved + 1)).rejects.toThrow(Killed);
  jest.restoreAllMocks();
  // The log goes on meanwhile, and is signed anew.
  await fillLog(portal.owner, 3);
  await portal.app.get(Sealer).turn(true);
  const { archived } = await archive(portal, moved + 1);
  if ((await hot()) !== (moved + 1) * BLOCK) throw new Error('not moved');
  expect(archived.length).toBeLessThanOrEqual(1);
  moved++;
  await portal.app.get(Sequencer).sequence();
  expect(await told()).toBe(moved);
  expect(await verified()).toMatchObject({ verdict: 'verified', archive: { blocks: moved } });
}

describe('a server that is killed', () => {
  it('before it has written anything leaves the block as it was', async () => {
    await killedAt(() => jest.spyOn(files(), 'writeTile').mockImplementationOnce(kill));
    expect(await hot()).toBe(BLOCK);
  });

  it('amidst a file leaves its beginning, which the next one replaces', async () => {
    await killedAt(() => {
      const folder = join(dir, `block-00000${moved}`);
      const first = join(folder, 'tile/entries/001.gz');
      const write = files().writeTile.bind(files());
      jest.spyOn(files(), 'writeTile').mockImplementationOnce(async (...args) => {
        await write(...args);
        const whole = readFileSync(first);
        chmodSync(first, 0o644);
        writeFileSync(first, whole.subarray(0, 100));
        throw new Killed();
      });
    });
  });

  it('before the sums are written goes on behind the files that stand', async () => {
    await killedAt(() => jest.spyOn(files(), 'writeSums').mockImplementationOnce(kill));
  });

  it('before the files are read again has them read by the next one', async () => {
    await killedAt(() => jest.spyOn(files(), 'requireSums').mockImplementationOnce(kill));
  });

  it('before the digest is recorded has it recorded by the next one', async () => {
    await killedAt(() => jest.spyOn(repository(), 'record').mockImplementationOnce(kill));
  });

  it('before the block leaves the database lets the next one compare the files with what was recorded', async () => {
    await killedAt(() => jest.spyOn(repository(), 'detach').mockImplementationOnce(kill));
  });

  it('just after the block has left has lost nothing: the event came with it', async () => {
    await killedAt(() => jest.spyOn(repository(), 'place').mockImplementationOnce(kill));
  });
});

describe('the operator', () => {
  it('has the same done by a process of their own, and is told how far it is', async () => {
    const steps: number[] = [];
    const order = { before: timeOf((moved + 1) * BLOCK), onProgress: (_: number, at: number) => void steps.push(at) };
    const done = await applyRetention(portal.config, order);
    expect(done!.archived.map(({ block }) => block)).toEqual([moved]);
    moved++;
    expect(steps).toEqual([1, 2]);
    await expect(
      applyRetention({ ...portal.config, audit: { ...portal.config.audit, archiveDir: `${dir}-elsewhere` } }, order),
    ).rejects.toThrow(/-elsewhere is no folder/);
  });
});

describe('nothing leaves the database', () => {
  const stays = async (reason: RegExp): Promise<void> => {
    await expect(archive(portal, moved + 1)).rejects.toThrow(reason);
    expect(await hot()).toBe(moved * BLOCK);
  };
  const asSuperuser = async (...statements: string[]): Promise<void> => {
    await portal.owner.query('SET session_replication_role = replica');
    for (const sql of statements) await portal.owner.query(sql);
    await portal.owner.query('RESET session_replication_role');
  };

  it('whose bytes were changed, and no file is written of it', async () => {
    const index = moved * BLOCK + 3;
    const { leaf } = before[index]!;
    await asSuperuser(`UPDATE audit.entry SET leaf = replace(leaf, '"out":0', '"out":4') WHERE idx = ${index}`);
    await stays(/do not hash to what the tree has/);
    expect(existsSync(join(dir, `block-${String(moved).padStart(6, '0')}/tile`))).toBe(false);
    await asSuperuser(`UPDATE audit.entry SET leaf = '${leaf}' WHERE idx = ${index}`);
  });

  it('that was rewritten with all its hashes, for no signature covers it', async () => {
    const from = moved * BLOCK;
    await portal.owner.query('CREATE TEMPORARY TABLE kept_entry AS SELECT * FROM audit.entry');
    await portal.owner.query('CREATE TEMPORARY TABLE kept_tile AS SELECT * FROM audit.tile_hash');
    await asSuperuser(
      `UPDATE audit.entry SET leaf = replace(leaf, '"m":"GET"', '"m":"PUT"') WHERE idx = ${from}`,
      `UPDATE audit.entry SET leaf_hash = sha256('\\x00'::bytea || convert_to(leaf, 'UTF8')) WHERE idx = ${from}`,
    );
    const leaves = (await entriesOf(portal)).slice(0, BLOCK).map(({ leaf }) => leafHashOf(leaf));
    const root = new PlainTree(leaves).root();
    await asSuperuser(
      `UPDATE audit.tile_hash SET hash = '\\x${root.toString('hex')}' WHERE level = 1 AND n = ${moved}`,
    );
    await stays(/does not lead to the signed checkpoint/);
    await asSuperuser(
      'DELETE FROM audit.entry',
      'INSERT INTO audit.entry SELECT * FROM kept_entry',
      'DELETE FROM audit.tile_hash',
      'INSERT INTO audit.tile_hash SELECT * FROM kept_tile',
    );
    rmSync(join(dir, `block-${String(moved).padStart(6, '0')}`), { recursive: true });
  });

  it('under a checkpoint that no key of ours has signed', async () => {
    const forged = `UPDATE audit.checkpoint SET note = overlay(note placing 'AAAA' from length(note) - 20)`;
    await portal.owner.query('CREATE TEMPORARY TABLE kept_checkpoint AS SELECT * FROM audit.checkpoint');
    await asSuperuser(forged);
    await stays(/no checkpoint that we have signed/);
    await asSuperuser('DELETE FROM audit.checkpoint', 'INSERT INTO audit.checkpoint SELECT * FROM kept_checkpoint');
  });

  it('into a folder where something else stands', async () => {
    const path = join(dir, `block-${String(moved).padStart(6, '0')}/tile/0/${String(moved).padStart(3, '0')}`);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, Buffer.alloc(32 * BLOCK, 7));
    await stays(/audit\.archive-unavailable/);
    rmSync(join(dir, `block-${String(moved).padStart(6, '0')}`), { recursive: true });
  });

  it('while the archive is no folder: an alarm of the health page, told once', async () => {
    renameSync(dir, `${dir}-away`);
    const job = portal.app.get(RetentionJob);
    const health = async () =>
      ((await portal.http.get('/health/ready')).body as { checks?: Record<string, unknown> }).checks;
    try {
      await job.turn();
      await job.turn();
      expect(portal.log.filter(({ component, level }) => component === 'retention' && level === 50)).toHaveLength(1);
      expect(JSON.stringify(await health())).toContain('audit.archive-unavailable');
      await expect(verified()).rejects.toThrow(Unverifiable);
      expect(await verified({ skipArchive: true })).toMatchObject({ verdict: 'verified', archive: null });
    } finally {
      renameSync(`${dir}-away`, dir);
    }
    await job.turn();
    expect(JSON.stringify(await health())).not.toContain('audit.archive-unavailable');
  });

  it('twice: of two processes at once only one does it', async () => {
    const both = await Promise.all([1, 2].map(() => portal.app.get(Retention).run({ before: new Date(0) })));
    expect(both.filter((done) => done !== null).length).toBeGreaterThanOrEqual(1);
    await portal.owner.query(`BEGIN; SELECT pg_advisory_xact_lock(hashtext('portico audit retention'))`);
    expect(await portal.app.get(Retention).run({ before: new Date(0) })).toBeNull();
    await portal.owner.query('ROLLBACK');
  });

  it('by anybody who may not: neither by the server, nor the auditor, nor out of turn', async () => {
    const call = `SELECT audit.detach_block($1, now(), gen_random_uuid(), '{}', 'Block.archive')`;
    for (const url of [portal.config.database.url, portal.config.database.auditorUrl]) {
      const client = new pg.Client({ connectionString: url });
      await client.connect();
      await expect(client.query(call, [moved])).rejects.toThrow(/permission denied/);
      await client.end();
    }
    await expect(portal.owner.query(call, [moved + 1])).rejects.toThrow(/not the next one/);
    await expect(portal.owner.query('UPDATE audit.block_rule SET size = 512')).rejects.toThrow(/stays as it is/);
    await expect(portal.owner.query('DELETE FROM audit.archived_block')).rejects.toThrow(/append-only/);
    await expect(portal.owner.query('UPDATE audit.archived_block SET detached_at = NULL')).rejects.toThrow(
      /append-only/,
    );
    await expect(portal.owner.query(`UPDATE audit.archived_block SET digest = sha256('')`)).rejects.toThrow(
      /append-only/,
    );
    await expect(portal.owner.query('TRUNCATE audit.archived_block')).rejects.toThrow(/append-only/);
  });
});

describe('verification names', () => {
  const ENTRIES = 'block-000001/tile/entries/001.gz';
  const TILE = 'block-000001/tile/0/001';
  /** What is found while these files are others; afterwards they are as they were. */
  async function found(names: string[], attack: () => void): Promise<string[]> {
    const kept = names.map((name) => readFileSync(join(dir, name)));
    attack();
    try {
      const { verdict, findings } = await verified();
      expect(verdict).toBe(findings.length > 0 ? 'refused' : 'verified');
      return findings.map(sentence);
    } finally {
      names.forEach((name, at) => {
        rmSync(join(dir, name), { force: true });
        mkdirSync(dirname(join(dir, name)), { recursive: true });
        writeFileSync(join(dir, name), kept[at]!);
      });
    }
  }
  const place = 'leaf 256 to 511';

  it('a file with one bit flipped, whichever it is', async () => {
    for (const name of [ENTRIES, TILE, 'block-000001/SHA256SUMS']) {
      const bytes = readFileSync(join(dir, name));
      bytes[bytes.length >> 1]! ^= 1;
      expect(await found([name], () => change(name, bytes))).toEqual([
        `edit: ${name}, ${place}: the file is not the one that was written`,
      ]);
    }
  });

  it('a file that is missing, and all of a folder', async () => {
    expect(await found([ENTRIES], () => rmSync(join(dir, ENTRIES)))).toEqual([
      `deletion: ${ENTRIES}, ${place}: the file is missing`,
    ]);
    const all = [ENTRIES, TILE, 'block-000001/SHA256SUMS'];
    const gone = await found(all, () => rmSync(join(dir, 'block-000001'), { recursive: true }));
    expect(gone[0]).toContain('deletion: block-000001/');
  });

  it('a file that is cut off, empty, or packed otherwise', async () => {
    const bytes = readFileSync(join(dir, ENTRIES));
    const others = [bytes.subarray(0, -1), Buffer.alloc(0), gzipSync(gunzipSync(bytes), { level: 1 })];
    for (const other of others)
      expect(await found([ENTRIES], () => change(ENTRIES, other))).toEqual([
        `edit: ${ENTRIES}, ${place}: the file is not the one that was written`,
      ]);
  });

  it('two files that were swapped, both of them', async () => {
    const other = 'block-000002/tile/entries/002.gz';
    const [a, b] = [readFileSync(join(dir, ENTRIES)), readFileSync(join(dir, other))];
    const swapped = await found([ENTRIES, other], () => {
      change(ENTRIES, b);
      change(other, a);
    });
    expect(swapped).toEqual([
      `edit: ${ENTRIES}, ${place}: the file is not the one that was written`,
      `edit: ${other}, leaf 512 to 767: the file is not the one that was written`,
    ]);
  });

  it('a block that was forged with all its digests: neither the tree has it, nor the event that told of it', async () => {
    const bundle = gunzipSync(readFileSync(join(dir, ENTRIES)));
    bundle[bundle.indexOf('"m":"GET"') + 6] = 'P'.charCodeAt(0);
    const leaves: Buffer[] = [];
    for (let at = 0; at < bundle.length; at += 2 + bundle.readUInt16BE(at))
      leaves.push(leafHashOf(bundle.subarray(at + 2, at + 2 + bundle.readUInt16BE(at))));
    const forged = [gzipSync(bundle), Buffer.concat(leaves)] as const;
    const digests = forged.map((bytes) => sha256(bytes));
    const names = ['tile/entries/001.gz', 'tile/0/001'];
    const sums = Buffer.from(digests.map((digest, at) => `${digest.toString('hex')}  ${names[at]}\n`).join(''));
    const superuser = async (sql: string): Promise<void> => {
      await portal.owner.query('SET session_replication_role = replica');
      await portal.owner.query(sql);
      await portal.owner.query('RESET session_replication_role');
    };
    await portal.owner.query('CREATE TEMPORARY TABLE kept_block AS SELECT * FROM audit.archived_block');
    const hex = (bytes: Buffer) => `'\\x${bytes.toString('hex')}'`;
    await superuser(
      `UPDATE audit.archived_block SET digests = ${hex(Buffer.concat(digests))}, digest = ${hex(sha256(sums))} WHERE block = 1`,
    );
    const all = [ENTRIES, TILE, 'block-000001/SHA256SUMS'];
    const attack = () => [forged[0], forged[1], sums].forEach((bytes, at) => change(all[at]!, bytes));
    expect(await found(all, attack)).toEqual([
      `edit: ${ENTRIES}, ${place}: its entries are not those that the tree has`,
      `edit: audit.archived_block, ${place}: the digest of block 1 is not the one that the log's own event tells`,
    ]);
    // The tree's hash of it as well: then only what the log itself and its signatures tell is left.
    const { rows } = await portal.owner.query<{ hash: Buffer }>(
      'SELECT hash FROM audit.tile_hash WHERE level = 1 AND n = 1',
    );
    await superuser(`UPDATE audit.tile_hash SET hash = ${hex(new PlainTree(leaves).root())} WHERE level = 1 AND n = 1`);
    const deeper = await found(all, attack);
    expect(deeper[0]).toContain(`audit.archived_block, ${place}`);
    expect(deeper.some((one) => one.includes('not the ones that were signed'))).toBe(true);
    await superuser(`UPDATE audit.tile_hash SET hash = ${hex(rows[0]!.hash)} WHERE level = 1 AND n = 1`);
    await superuser('DELETE FROM audit.archived_block; INSERT INTO audit.archived_block SELECT * FROM kept_block');
    expect(await verified()).toMatchObject({ verdict: 'verified' });
  });

  it('entries that somebody took out of the database and called archived', async () => {
    const { owner } = portal;
    await owner.query('CREATE TABLE public.kept_entries AS SELECT * FROM audit.entry');
    await owner.query('SET session_replication_role = replica');
    await owner.query('DELETE FROM audit.entry WHERE idx < $1', [(moved + 1) * BLOCK]);
    await owner.query(
      `INSERT INTO audit.archived_block (block, first_idx, end_idx, first_at, last_at, digest, digests, bytes, written_at, detached_at)
       SELECT block + 1, end_idx, end_idx + $1, first_at, last_at, digest, digests, bytes, written_at, detached_at
         FROM audit.archived_block ORDER BY block DESC LIMIT 1`,
      [BLOCK],
    );
    const untold = `edit: audit.archived_block, leaf ${(moved * BLOCK).toLocaleString('en')} to ${((moved + 1) * BLOCK - 1).toLocaleString('en')}: no event of the log tells that block ${moved} was archived`;
    const { findings } = await verified();
    expect(findings.map(sentence)).toContain(untold);
    expect(findings.some(({ kind, where }) => kind === 'deletion' && where.startsWith('block-'))).toBe(true);
    const quick = await verified({ skipArchive: true });
    expect(quick.findings.map(sentence)).toEqual([untold]);
    const run = await portal.app.get(Verifier).start({ scope: 'increment', accountId: null });
    expect(await run!.done).toMatchObject({ verdict: 'refused', finding: { where: 'audit.archived_block' } });
    await owner.query('DELETE FROM audit.archived_block WHERE block = $1', [moved]);
    await owner.query('INSERT INTO audit.entry SELECT * FROM public.kept_entries WHERE idx < $1', [
      (moved + 1) * BLOCK,
    ]);
    await owner.query('RESET session_replication_role');
    await owner.query('DROP TABLE public.kept_entries');
    expect(await verified()).toMatchObject({ verdict: 'verified' });
  });
});
