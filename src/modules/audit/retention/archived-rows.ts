import type { Params } from '../../../platform/database/accessible.js';
import type { ArchivedLeaves } from './archived-leaves.js';

const HASH = 32;

/** Entries out of the archive, and the rows of `audit.entry` that they were. */
export interface ArchivedRows {
  /** Place after the last of them. */
  end: number;
  /** In SQL, to stand for `audit.entry`: so that one and the same condition finds them here and there. */
  from: (params: Params) => string;
}

/** From this place on, some of those before `to`; null: they are no matter of the archive. */
export async function archivedRows(archive: ArchivedLeaves, from: number, to: number): Promise<ArchivedRows | null> {
  const lines = await archive.lines(from, to);
  const hashes = lines && (await archive.leafHashes(from, lines.length));
  if (!lines || !hashes) return null;
  return {
    end: from + lines.length,
    from: (params) => {
      const places = params.add(lines.map((_, at) => from + at));
      const leaves = params.add(lines.map((line) => line.toString('utf8')));
      const stored = params.add(lines.map((_, at) => hashes.subarray(at * HASH, (at + 1) * HASH)));
      return `(SELECT l.idx, l.leaf, l.leaf_hash, (x.e ->> 'id')::uuid AS event_id, (x.e ->> 't')::timestamptz AS occurred,
          coalesce(x.e #>> '{actor,id}', '') AS actor, x.e ->> 'pat' AS subject, x.e ->> 'sub' AS action, (x.e ->> 'out')::smallint AS outcome,
          (x.e ->> 'req')::uuid AS request_id, (x.e ->> 'ses')::uuid AS session_id
        FROM unnest(${places}::bigint[], ${leaves}::text[], ${stored}::bytea[]) AS l(idx, leaf, leaf_hash),
          LATERAL (SELECT l.leaf::jsonb -> 'e' AS e) x)`;
    },
  };
}
