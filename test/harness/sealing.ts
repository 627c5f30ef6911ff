import { join } from 'node:path';
import { Sealer } from '../../src/modules/audit/sealing/sealer.js';
import { SealingState } from '../../src/modules/audit/sealing/sealing-state.js';
import { fillLog } from './filled-log.js';
import { startPortal, type Portal, type PortalOptions } from './portal.js';

export const ORIGIN = 'portal.test/audit';

/** Portals of the test that runs; `closeAll` after each. */
const open: Portal[] = [];

export async function portalOn(options: PortalOptions = {}): Promise<Portal> {
  const portal = await startPortal(options);
  open.push(portal);
  return portal;
}

export async function closeAll(): Promise<void> {
  for (const portal of open.splice(0)) await portal.close();
}

export async function close(portal: Portal): Promise<void> {
  open.splice(open.indexOf(portal), 1);
  await portal.close();
}

export const sealer = (portal: Portal) => portal.app.get(Sealer);
export const report = (portal: Portal) => portal.app.get(SealingState).report();
export const memoryOf = (portal: Portal) => join(portal.config.dataDir, 'audit-checkpoint.json');

/** Something happens, and is placed in the log. */
export async function happen(portal: Portal, count = 1): Promise<void> {
  await fillLog(portal.owner, count);
}

export async function sealed(portal: Portal, count = 1): Promise<number> {
  await happen(portal, count);
  const row = await sealer(portal).turn(true);
  if (!row) throw new Error(`not sealed: ${JSON.stringify(report(portal))}`);
  return row.size;
}

export interface Row {
  size: string;
  root: Buffer;
  note: string;
}

export const checkpoints = async (portal: Portal): Promise<Row[]> =>
  (await portal.owner.query<Row>('SELECT size, root, note FROM audit.checkpoint ORDER BY generation, size')).rows;

/** As the superuser, who is stopped by no trigger. */
export async function tamper(portal: Portal, ...statements: string[]): Promise<void> {
  await portal.owner.query('SET session_replication_role = replica');
  for (const sql of statements) await portal.owner.query(sql);
  await portal.owner.query('RESET session_replication_role');
}

/** The database as it was; the copy is what a restore of a backup brings back. */
const BACKED_UP = ['entry', 'head', 'tile_hash', 'subject_head', 'checkpoint', 'origin'];
export async function backUp(portal: Portal): Promise<void> {
  await portal.owner.query('DROP SCHEMA IF EXISTS backup CASCADE; CREATE SCHEMA backup');
  for (const table of BACKED_UP) await portal.owner.query(`CREATE TABLE backup.${table} AS TABLE audit.${table}`);
}
export async function restore(portal: Portal, tables = BACKED_UP): Promise<void> {
  await tamper(
    portal,
    ...tables.map((t) => `DELETE FROM audit.${t}; INSERT INTO audit.${t} SELECT * FROM backup.${t}`),
  );
}

/** What the job of the background does by itself, every second. */
export async function eventually(check: () => void): Promise<void> {
  for (let tries = 0; ; tries++) {
    try {
      check();
      return;
    } catch (error) {
      if (tries > 60) throw error;
      await new Promise((done) => setTimeout(done, 50));
    }
  }
}
