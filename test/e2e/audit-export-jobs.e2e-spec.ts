import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { ExportJobs } from '../../src/modules/audit/exports/export-jobs.js';
import { ExportPreparation } from '../../src/modules/audit/exports/export-preparation.js';
import { ExportRepository, Superseded } from '../../src/modules/audit/exports/export.repository.js';
import { Sequencer } from '../../src/modules/audit/sequencer.js';
import { Logger } from '../../src/platform/logging/logger.js';
import { again, fetched, seal, type ExportAnswer } from '../harness/exports.js';
import { NOBODY, openHospital, said, type Hospital } from '../harness/hospital.js';
import { checkLedger } from '../harness/ledger.js';
import type { Caller } from '../harness/people.js';

let hospital: Hospital;
let officer: Caller;

/** The only one who works here: the portal's own is stopped, so that nothing happens by itself. */
let jobs: ExportJobs;

beforeAll(async () => {
  hospital = await openHospital({ ACCESS_TOKEN_MINUTES: '60' });
  const { app, clock, config } = hospital.portal;
  await app.get(ExportJobs).beforeApplicationShutdown();
  jobs = new ExportJobs(config, app.get(ExportRepository), app.get(ExportPreparation), clock, app.get(Logger));
  await seal(hospital.portal);
});

beforeEach(async () => {
  officer = await again(hospital.complianceOfficer);
});

afterAll(async () => {
  await checkLedger(hospital.portal);
  await hospital.portal.close();
});

const asked = async (): Promise<string> =>
  ((await officer.post('/v1/audit/exports', { reason: 'Work' }).expect(202)).body as ExportAnswer).id;

const seen = async (id: string): Promise<ExportAnswer> =>
  (await officer.get(`/v1/audit/exports/${id}`).expect(200)).body as ExportAnswer;

async function settle(): Promise<void> {
  await seal(hospital.portal);
  hospital.portal.clock.forward(2);
  await jobs.drain();
}

/** As superuser, past every trigger. */
async function forced(sql: string, values: unknown[] = []): Promise<void> {
  const { owner } = hospital.portal;
  await owner.query('SET session_replication_role = replica');
  await owner.query(sql, values).finally(() => owner.query('SET session_replication_role = origin'));
}

describe('the work on an export', () => {
  it('waits until its own event is covered by a checkpoint', async () => {
    const { app, clock } = hospital.portal;
    const id = await asked();
    await jobs.drain();
    expect(['queued', 'waiting-for-checkpoint']).toContain((await seen(id)).state);
    await app.get(Sequencer).sequence();
    clock.forward(1);
    await jobs.drain();
    expect((await seen(id)).state).toBe('waiting-for-checkpoint');
    await settle();
    expect((await seen(id)).state).toBe('ready');
  });

  it('is taken up by another replica a minute after the first one died, and comes to the same', async () => {
    const { app, clock } = hospital.portal;
    const id = await asked();
    const repository = app.get(ExportRepository);
    const dead = (await repository.take(clock.now(), new Date(clock.now().getTime() + 60_000)))!;
    expect(dead.id).toBe(id);
    await settle();
    expect((await seen(id)).state).toBe('queued');
    clock.forward(61);
    await settle();
    expect((await seen(id)).state).toBe('ready');
    // It was only slow: what it says now counts no more.
    const late = new Date(clock.now().getTime() + 60_000);
    await expect(repository.progress(dead, 1, 1, late)).rejects.toBeInstanceOf(Superseded);
    await expect(repository.fail(dead, 'internal', late)).rejects.toBeInstanceOf(Superseded);
    expect((await seen(id)).state).toBe('ready');
  });

  it('waits a little for the witnesses of its checkpoint, and takes their signatures along', async () => {
    const { app, clock, config, owner } = hospital.portal;
    const witness = { url: 'https://officer.test', name: 'officer.test/w', vkey: '' };
    const watched = new ExportJobs(
      { ...config, audit: { ...config.audit, witnesses: [witness] } },
      app.get(ExportRepository),
      app.get(ExportPreparation),
      clock,
      app.get(Logger),
    );
    const [seenBy, unseen] = [await asked(), await asked()];
    await seal(hospital.portal);
    await watched.drain();
    for (const id of [seenBy, unseen]) expect((await seen(id)).state).toBe('waiting-for-checkpoint');
    await owner.query(
      `INSERT INTO audit.cosignature (generation, size, witness, cosigned_at, line)
       SELECT 1, own_idx + 1, $2, now(), '— officer.test/w AAAAAAAAAAAA' FROM audit.export WHERE export_id = $1`,
      [seenBy, witness.name],
    );
    clock.forward(2);
    await watched.drain();
    expect([(await seen(seenBy)).state, (await seen(unseen)).state]).toEqual(['ready', 'waiting-for-checkpoint']);
    clock.forward(15);
    await watched.drain();
    expect((await seen(unseen)).state).toBe('ready');
    const note = async (id: string) => (await fetched(officer, `/v1/audit/exports/${id}/checkpoint`)).toString();
    expect(await note(seenBy)).toContain('\n— officer.test/w AAAAAAAAAAAA\n');
    expect(await note(unseen)).not.toContain('officer.test');
  });

  it('is given to one of several that ask at once', async () => {
    const { app, clock } = hospital.portal;
    const ids = [await asked(), await asked(), await asked()];
    const until = new Date(clock.now().getTime() + 60_000);
    const taken = await Promise.all(
      Array.from({ length: 8 }, () => app.get(ExportRepository).take(clock.now(), until)),
    );
    expect(taken.flatMap((row) => (row ? [row.id] : [])).sort()).toEqual(ids.sort());
    clock.forward(61);
    await settle();
    for (const id of ids) expect((await seen(id)).state).toBe('ready');
  });

  it('fails where entries are missing, and says so', async () => {
    const { owner } = hospital.portal;
    const id = await asked();
    await seal(hospital.portal);
    const { rows } = await owner.query('SELECT * FROM audit.entry WHERE idx = 7');
    await forced('DELETE FROM audit.entry WHERE idx = 7');
    await jobs.drain();
    const { leaf_hash } = rows[0] as { leaf_hash: Buffer };
    await forced('INSERT INTO audit.entry SELECT * FROM jsonb_populate_record(NULL::audit.entry, $1)', [
      JSON.stringify({ ...rows[0], leaf_hash: `\\x${leaf_hash.toString('hex')}` }),
    ]);
    expect(await seen(id)).toMatchObject({ state: 'failed', failure: 'log-gap' });
  });

  it('names the first line that is not what the tree holds, and gives it all the same: it is evidence', async () => {
    const id = await asked();
    const edit = (from: string, to: string) =>
      forced('UPDATE audit.entry SET leaf = replace(leaf, $1, $2) WHERE idx = 9', [from, to]);
    await seal(hospital.portal);
    await edit('"v":1', '"v":2');
    await jobs.drain();
    expect(await seen(id)).toMatchObject({ state: 'ready', mismatchAt: 9 });
    const text = (await fetched(officer, `/v1/audit/exports/${id}/events.ndjson`)).toString();
    expect(text.split('\n')[9]).toContain('"v":2');
    await edit('"v":2', '"v":1');
  });

  it('names the first event whose counter does not follow', async () => {
    const { patientId } = hospital.anna;
    for (let n = 0; n < 3; n++) await hospital.anna.get(`/v1/patients/${patientId}`);
    const body = { filter: { patientId: [patientId] }, reason: 'Counted' };
    const { id } = (await officer.post('/v1/audit/exports', body).expect(202)).body as ExportAnswer;
    const { owner } = hospital.portal;
    const { rows } = await owner.query<{ idx: string }>('SELECT idx FROM audit.entry WHERE subject = $1 ORDER BY idx', [
      patientId,
    ]);
    await seal(hospital.portal);
    // Out of the index of the patient, but not out of the log.
    await forced('UPDATE audit.entry SET subject = NULL WHERE idx = $1', [rows[1]!.idx]);
    await jobs.drain();
    await forced('UPDATE audit.entry SET subject = $2 WHERE idx = $1', [rows[1]!.idx, patientId]);
    expect(await seen(id)).toMatchObject({ state: 'ready', mismatchAt: Number(rows[2]!.idx) });
  });
});

describe('an export that is not wanted any more', () => {
  const end = (id: string) => officer.post(`/v1/audit/exports/${id}/end`);

  it('is given up while it waits and while it is worked on, and nobody goes on with it', async () => {
    const { app, clock } = hospital.portal;
    const repository = app.get(ExportRepository);
    const id = await asked();
    const working = (await repository.take(clock.now(), new Date(clock.now().getTime() + 60_000)))!;
    expect((await end(id).expect(200)).body).toMatchObject({ id, state: 'ended' });
    await expect(repository.progress(working, 1, 1, clock.now())).rejects.toBeInstanceOf(Superseded);
    await settle();
    expect(await seen(id)).toMatchObject({ state: 'ended', files: [], bundle: null });
    expect(said(await officer.get(`/v1/audit/exports/${id}/bundle`))).toEqual([409, 'audit.export-failed']);
    expect(said(await end(id))).toEqual([409, 'audit.export-over']);
    expect(said(await end(NOBODY))).toEqual([404, 'http.not-found']);
  });

  it('is fetched by nobody once it was ended, or is a month old', async () => {
    const [first, second] = [await asked(), await asked()];
    await settle();
    const fetching = async (id: string) => said(await officer.get(`/v1/audit/exports/${id}/events.ndjson`));
    const { expiresAt, bundle } = (await seen(first)) as ExportAnswer & { expiresAt: string; bundle: object };
    expect([Date.parse(expiresAt) > hospital.portal.clock.now().getTime(), bundle]).toEqual([true, expect.any(Object)]);
    await end(first).expect(200);
    expect(await fetching(first)).toEqual([409, 'audit.export-failed']);
    const { rows } = await hospital.portal.owner.query('SELECT 1 FROM audit.entry WHERE action = $1', [
      'AuditExport.end',
    ]);
    await seal(hospital.portal);
    expect(rows.length).toBeGreaterThan(0);
    hospital.portal.clock.forward(30 * 86_400);
    officer = await again(hospital.complianceOfficer);
    expect(await fetching(second)).toEqual([409, 'audit.export-expired']);
    expect((await seen(second)).state).toBe('ready');
  });

  it('makes room: no more than twenty wait at a time', async () => {
    const ids: string[] = [];
    for (let n = 0; n < 20; n++) ids.push(await asked());
    const refused = await officer.post('/v1/audit/exports', { reason: 'One more' });
    expect([...said(refused), refused.headers['retry-after']]).toEqual([503, 'audit.exports-waiting', '60']);
    for (const id of ids) await end(id).expect(200);
    await officer.post(`/v1/audit/exports/${await asked()}/end`).expect(200);
  });
});

describe('the record of exports', () => {
  it('is closed to the server but for asking, and to the auditor but for the progress', async () => {
    const { config } = hospital.portal;
    const tried = async (url: string, sql: string): Promise<string> => {
      const client = new pg.Client({ connectionString: url });
      await client.connect();
      const code = await client.query(sql).then(
        () => 'done',
        (error: { code: string }) => error.code,
      );
      await client.end();
      return code;
    };
    for (const sql of [
      'SELECT 1 FROM audit.export',
      `UPDATE audit.export SET reason = 'x'`,
      'DELETE FROM audit.export',
      'SELECT audit.wanted_checkpoint(0)',
    ])
      expect([sql, await tried(config.database.url, sql)]).toEqual([sql, '42501']);
    for (const sql of [
      `UPDATE audit.export SET reason = 'x'`,
      `UPDATE audit.export SET filter = '{}'`,
      `UPDATE audit.export SET account_id = '${randomUUID()}'`,
      'DELETE FROM audit.export',
      'TRUNCATE audit.export',
      `SELECT audit.ask_for_export(NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)`,
    ])
      expect([sql, await tried(config.database.auditorUrl, sql)]).toEqual([sql, '42501']);
  });

  it('stays as it was even against the owner: who asked for what, and what came of it', async () => {
    const id = await asked();
    await settle();
    const { owner } = hospital.portal;
    for (const sql of [
      `UPDATE audit.export SET reason = 'Another' WHERE export_id = '${id}'`,
      `UPDATE audit.export SET account_id = '${randomUUID()}' WHERE export_id = '${id}'`,
      `UPDATE audit.export SET result = '{}' WHERE export_id = '${id}'`,
      `UPDATE audit.export SET tree_size = tree_size + 1 WHERE export_id = '${id}'`,
      `UPDATE audit.export SET state = 'queued', finished_at = NULL WHERE export_id = '${id}'`,
      `DELETE FROM audit.export WHERE export_id = '${id}'`,
      'TRUNCATE audit.export',
    ])
      await expect(owner.query(sql)).rejects.toThrow('audit.export is append-only');
  });

  it('shows who exported what, page by page, newest first', async () => {
    const made = [await asked(), await asked(), await asked()].reverse();
    const found: string[] = [];
    for (let next: string | null = ''; next !== null && found.length < 3;) {
      const query = { limit: 2, ...(next ? { cursor: next } : {}) };
      const { body } = await officer.get('/v1/audit/exports').query(query).expect(200);
      const page = body as { items: (ExportAnswer & { accountId: string })[]; next: string | null };
      for (const { id, accountId } of page.items) {
        expect(accountId).toBe(hospital.complianceOfficer.id);
        found.push(id);
      }
      ({ next } = page);
    }
    expect(found.slice(0, 3)).toEqual(made);
    await settle();
  });
});
