import { execFileSync } from 'node:child_process';
import { closeSync, mkdtempSync, openSync, rmSync, rmdirSync, statfsSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { newPatient } from '../harness/hospital.js';
import { checkLedger } from '../harness/ledger.js';
import { ownPostgres, type OwnPostgres } from '../harness/own-postgres.js';
import { makeTown, type Town } from '../harness/town.js';
import { startPortal, type Portal } from '../harness/portal.js';

const PROMPT_MS = 3_000;
const BACK_MS = 30_000;
/** Room for PostgreSQL with the hospital; what is left of it is taken away by a file. */
const DISK = 'size=320m';
const MIB = Buffer.alloc(1 << 20);

/** A disk in memory that can be filled; null where the machine does not let us have one. */
function mountDisk(): string | null {
  const folder = mkdtempSync(join(tmpdir(), 'portico-disk-'));
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', DISK, 'tmpfs', folder], { stdio: 'ignore' });
    return folder;
  } catch {
    rmdirSync(folder);
    console.warn('Not tried: what a full disk does. Mounting one in memory needs root.');
    return null;
  }
}

const disk = mountDisk();
const describeWithDisk = disk === null ? describe.skip : describe;

let own: OwnPostgres;
let portal: Portal;
let town: Town;

beforeAll(async () => {
  if (disk === null) return;
  own = await ownPostgres({ disk, flags: ['-c', 'max_wal_size=64MB', '-c', 'restart_after_crash=off'] });
  portal = await startPortal({ isAboutFaults: true, database: own.database, env: { ACCESS_TOKEN_MINUTES: '60' } });
  town = await makeTown(portal);
}, 120_000);
afterAll(async () => {
  if (disk === null) return;
  await portal.close();
  await own.remove();
  execFileSync('umount', [disk]);
  rmdirSync(disk);
});

const ballast = () => join(disk!, 'ballast');

function fill(): void {
  const file = openSync(ballast(), 'w');
  try {
    // The last piece is one byte: a database needs whole pages.
    for (let piece = MIB; ;) {
      try {
        writeSync(file, piece);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
        if (piece.length === 1) return;
        piece = piece.subarray(0, Math.ceil(piece.length / 16));
      }
    }
  } finally {
    closeSync(file);
  }
}

interface Said {
  what: string;
  isUsual: boolean;
  status: number;
  text: string;
  ms: number;
}

type Send = () => PromiseLike<{ status: number; text: string }>;

async function ask(what: string, usual: number, send: Send): Promise<Said> {
  const begun = performance.now();
  const { status, text } = await send();
  return { what, isUsual: status === usual, status, text, ms: performance.now() - begun };
}

const all = () => {
  const patient = town.patients[0]!;
  return Promise.all([
    ask('a list', 200, () => patient.get(`/v1/patients/${patient.patientId}/records`)),
    ask('a record', 200, () => patient.get(`/v1/records/${town.recordIds[0]!}`)),
    ask('a write', 201, () => town.staff.post('/v1/patients', newPatient())),
    ask('a sign-in', 200, () => portal.http.post('/v1/auth/login').send(patient.credentials)),
    ask('an unknown path', 404, () => portal.http.get('/v1/nothing')),
  ]);
};

/** PostgreSQL ends when it cannot write its log of changes; then somebody who looks after it starts it again. */
async function supervised(): Promise<void> {
  try {
    await portal.reconnect();
  } catch {
    await own.postgres.kill();
    await own.postgres.start(own.postgres.port);
    await portal.reconnect();
  }
}

describeWithDisk('while the disk of PostgreSQL is full', () => {
  it('nothing is answered without its event, nothing acknowledged is lost, and it goes on by itself when there is room', async () => {
    fill();
    expect(statfsSync(disk!).bavail).toBe(0);
    const said: Said[] = [];
    // What fits into pages that are there still goes through, with its event; then nothing does.
    for (let round = 0; round < 2_000; round++) {
      const answers = await all();
      said.push(...answers);
      if (answers.every(({ status }) => status === 503)) break;
    }
    const refused = said.filter(({ isUsual }) => !isUsual);
    expect(refused.length).toBeGreaterThan(4);
    for (const { what, status, text, ms } of refused) {
      expect([what, status]).toEqual([what, 503]);
      const problem = JSON.parse(text) as { code: string };
      expect(Object.keys(problem).sort()).toEqual(['code', 'detail', 'instance', 'status', 'title', 'type']);
      expect(problem.code).toMatch(/^(http|audit)\.unavailable$/);
      expect([what, ms < PROMPT_MS ? 'in time' : ms]).toEqual([what, 'in time']);
    }
    const registered = said.filter(({ what, status }) => what === 'a write' && status === 201);

    rmSync(ballast());
    await supervised();
    const until = performance.now() + BACK_MS;
    let answers = await all();
    while (!answers.every(({ isUsual }) => isUsual) && performance.now() < until) {
      await sleep(100);
      answers = await all();
    }
    expect(answers.map(({ what, status }) => [what, status])).toEqual([
      ['a list', 200],
      ['a record', 200],
      ['a write', 201],
      ['a sign-in', 200],
      ['an unknown path', 404],
    ]);
    const ids = registered.map(({ text }) => (JSON.parse(text) as { id: string }).id);
    const { rows } = await portal.owner.query('SELECT 1 FROM users.patient WHERE patient_id = ANY($1)', [ids]);
    expect(rows).toHaveLength(ids.length);
    console.info(
      `a full disk: ${said.length - refused.length} answers that still fitted, then ${refused.length} refusals`,
    );
    await checkLedger(portal);
  }, 180_000);
});
