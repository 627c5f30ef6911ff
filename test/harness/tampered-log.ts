import { describe, expect, it } from '@jest/globals';
import type pg from 'pg';
import { ArchivedLeaves } from '../../src/modules/audit/retention/archived-leaves.js';
import { LogKeys } from '../../src/modules/audit/sealing/log-keys.js';
import { Sealer } from '../../src/modules/audit/sealing/sealer.js';
import { SealingJob } from '../../src/modules/audit/sealing/sealing.job.js';
import { Sequencer } from '../../src/modules/audit/sequencer.js';
import { TreeRepository } from '../../src/modules/audit/tree/tree.repository.js';
import type { Tampering } from '../../src/modules/audit/verification/findings.js';
import { LogCheck, type LogReport } from '../../src/modules/audit/verification/log-check.js';
import { LogRepository } from '../../src/modules/audit/verification/log.repository.js';
import { checkDisclosures, checkSubjects } from '../../src/modules/audit/verification/side-tables.js';
import type { SystemPool } from '../../src/platform/database/system-pool.js';
import { Frontier, leafHash, parseCheckpoint, parseNote, type Checkpoint } from '../../src/tlog/index.js';
import { fillLog } from './filled-log.js';
import { startPortal, type Portal } from './portal.js';

/** Checkpoints, and where the log ends: the last entries are not signed yet. */
export const SEALED = [100, 400, 700, 900];
export const LAST_SEALED = 900;
export const SIZE = 1_000;
/** Where something changes: at the ends of the log, of checkpoints and of tiles. */
const EDGES = [0, 99, 100, 255, 256, 511, 640, 767, 768, 899, 900, 998, 999];
/** Each attack is made at the edges; at every place with `PORTICO_POSITIONS=1000 npm test -- test/resilience/audit-tampering`. */
export const POSITIONS =
  Number(process.env.PORTICO_POSITIONS ?? 0) >= SIZE ? Array.from({ length: SIZE }, (_, at) => at) : EDGES;
export const SEALED_POSITIONS = POSITIONS.filter((at) => at < LAST_SEALED);

/** Another text of an event, of the same length. */
export const ALTERED = `replace(leaf, '"v":1', '"v":2')`;

export interface Attack {
  name: string;
  kind: Tampering;
  /** Where it has to be found: at this very place, or in a span that holds it. */
  exact: boolean;
  /** Empty: it has no place. */
  at?: readonly number[];
  /** So many places at once, each of which has to be told. */
  together?: number;
  where?: string;
  place?: (at: number) => number;
  /** Told only by who holds a checkpoint of before. */
  isToldByKept?: boolean;
  run: (log: TamperedLog, at: number) => Promise<unknown>;
}

/**
 * A sealed log, and a superuser of its database with triggers disabled and time. What is done is done in a transaction, which
 * the verification sees because it reads over the same connection, and which {@link mend} takes back.
 */
export class TamperedLog {
  /** How many attacks of each kind were told. */
  readonly told = new Map<string, number>();

  private constructor(
    private readonly portal: Portal,
    /** The newest checkpoint, as somebody outside has it. */
    readonly kept: Checkpoint,
  ) {}

  static async make(): Promise<TamperedLog> {
    const portal = await startPortal();
    // Nobody else writes to the log meanwhile.
    await portal.app.get(SealingJob).beforeApplicationShutdown();
    let size = 0;
    for (const next of [...SEALED, SIZE]) {
      await fillLog(portal.owner, next - size);
      await portal.app.get(Sequencer).sequence();
      size = next;
      if (next !== SIZE) await portal.app.get(Sealer).turn(true);
    }
    const { rows } = await portal.owner.query<{ note: string }>('SELECT note FROM audit.checkpoint WHERE size = $1', [
      LAST_SEALED,
    ]);
    await portal.owner.query('CREATE TABLE public.kept_entry AS SELECT * FROM audit.entry');
    await portal.owner.query('SET session_replication_role = replica');
    await portal.owner.query('BEGIN');
    return new TamperedLog(portal, parseCheckpoint(parseNote(rows[0]!.note).body));
  }

  async close(): Promise<void> {
    await this.portal.owner.query('ROLLBACK');
    await this.portal.close();
  }

  /** What was told, for whoever looks at the run. */
  summary(): string {
    const count = [...this.told.values()].reduce((sum, one) => sum + one, 0);
    const kinds = [...this.told].map(([kind, one]) => `${kind} ${one}`).join(', ');
    return `${count} attacks on ${POSITIONS.length} places of ${SIZE}, each told with its place: ${kinds}`;
  }

  /** One after the other: a verification reads ahead, which a connection of its own does not let it. */
  private turn: Promise<unknown> = Promise.resolve();

  readonly query = async <Row extends object>(
    text: string,
    values: readonly unknown[] = [],
    name?: string,
  ): Promise<Row[]> => {
    const answered = this.turn.then(() =>
      this.portal.owner.query<Row>({ text, values: values as unknown[], name } as pg.QueryConfig),
    );
    this.turn = answered.catch(() => undefined);
    return (await answered).rows;
  };

  readonly sql = (text: string, ...values: unknown[]): Promise<unknown> => this.query(text, values);

  async verify(options: { verifiedTo?: number; kept?: Checkpoint } = {}): Promise<LogReport> {
    const log = new LogRepository(this);
    const keys = this.portal.app.get(LogKeys);
    const report = await new LogCheck(log, {
      keys: (origin) => keys.verifiers(origin),
      hashes: new TreeRepository(this as unknown as SystemPool, new ArchivedLeaves(this, this.portal.config)).hashes(),
      verifiedTo: options.verifiedTo ?? 0,
      archivedTo: 0,
      kept: options.kept ?? null,
      page: 500,
      pause: () => Promise.resolve(),
      onProgress: () => undefined,
    }).run();
    const sides = [await checkSubjects(log, 0), await checkDisclosures(log)].filter((one) => one !== null);
    return { ...report, findings: [...report.findings, ...sides] };
  }

  /** Everything is as it was. */
  async mend(): Promise<void> {
    await this.portal.owner.query('ROLLBACK; BEGIN');
  }

  /** Every hash anew after leaves were changed, so that all but the signatures fits. */
  async rehash(): Promise<void> {
    const rows = await this.query<{ leaf: string }>('SELECT leaf FROM audit.entry ORDER BY idx');
    const tree = Frontier.empty();
    const tiles: [number, number, Buffer][] = [];
    for (const { leaf } of rows)
      tree.append(leafHash(leaf), ({ level, n }, hash) => {
        if (level > 0 && level % 8 === 0) tiles.push([level / 8, n, hash]);
      });
    await this.sql('DELETE FROM audit.tile_hash');
    for (const tile of tiles) await this.sql('INSERT INTO audit.tile_hash VALUES ($1, $2, $3)', ...tile);
    const hash = `sha256('\\x00'::bytea || convert_to(leaf, 'UTF8'))`;
    await this.sql(`UPDATE audit.entry SET leaf_hash = ${hash} WHERE leaf_hash <> ${hash}`);
    await this.sql('UPDATE audit.head SET size = $1, peaks = $2', tree.size, tree.peaks());
  }

  /** Moves all entries from a place on. */
  async renumber(from: number, by: number): Promise<void> {
    await this.sql('CREATE TEMPORARY TABLE moved AS SELECT * FROM audit.entry WHERE idx >= $1', from);
    await this.sql('DELETE FROM audit.entry WHERE idx >= $1', from);
    await this.sql('UPDATE moved SET idx = idx + $1', by);
    await this.sql('INSERT INTO audit.entry SELECT * FROM moved');
    await this.sql('DROP TABLE moved');
  }

  /** Puts a copy of one entry at a place that is free. */
  copy(from: number, to: number): Promise<unknown> {
    return this.sql(
      `INSERT INTO audit.entry SELECT $1, leaf, leaf_hash, event_id, occurred, sequenced, actor, subject, action, outcome, request_id, session_id
         FROM audit.entry WHERE idx = $2`,
      to,
      from,
    );
  }

  /** All as it was when the log had so many entries, but for checkpoints. */
  async rollBack(to: number): Promise<void> {
    await this.sql('DELETE FROM audit.entry WHERE idx >= $1', to);
    await this.sql('DELETE FROM audit.subject_head');
    await this.sql(
      `INSERT INTO audit.subject_head SELECT subject, count(*), max(idx) FROM audit.entry WHERE subject IS NOT NULL GROUP BY subject`,
    );
    await this.rehash();
  }

  /** Makes the attack at these places, and requires that the verification tells each of them for what it is. */
  async requireTold(attack: Attack, places: readonly (number | null)[]): Promise<void> {
    const { kind, exact, where = 'audit.', place = (one) => one, isToldByKept, run } = attack;
    for (const at of places) await run(this, at ?? 0);
    const { findings } = await this.verify(isToldByKept ? { kept: this.kept } : {});
    await this.mend();
    for (const [nth, at] of places.entries()) {
      const found = findings[nth];
      expect([at, found]).toEqual([at, expect.objectContaining({ kind })]);
      expect(found!.where).toContain(where);
      this.told.set(kind, (this.told.get(kind) ?? 0) + 1);
      if (at === null) continue;
      const due = place(at);
      const holds = found!.index! <= due && (found!.through ?? found!.index)! >= due;
      expect([at, found!.index, exact ? found!.index === due : holds]).toEqual([at, found!.index, true]);
    }
  }
}

export function itTells(log: () => TamperedLog, attacks: readonly Attack[]): void {
  describe.each(attacks)('$name', (attack) => {
    const { at = POSITIONS, together = 1 } = attack;
    it(
      'is told for what it is, at its place',
      async () => {
        const places = at.length > 0 ? at : [null];
        for (let from = 0; from < places.length; from += together)
          await log().requireTold(attack, places.slice(from, from + together));
      },
      60_000 + POSITIONS.length * 3_000,
    );
  });
}
