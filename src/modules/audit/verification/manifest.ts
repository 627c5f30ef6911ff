import { finding, Refusal } from './findings.js';
import { membersOf } from './lines.js';

/** What a bundle's manifest says of it. Nobody signed it: what it says is held against what was signed. */
export interface Manifest {
  /** `log`: all that the checkpoint covers; `range`: lines without a gap, shown by tiles; `events`: chosen ones, each with its proof. */
  kind: 'log' | 'range' | 'events';
  /** The checkpoint's. */
  size: number;
  /** The checkpoint's, in base64. */
  root: string;
  /** Lines of each file of events, and the places of the first and the last. */
  lines: number;
  firstSeq: number | null;
  lastSeq: number | null;
  /** Place of the event of the export itself. */
  ownSeq: number | null;
  /** By what the events were chosen. */
  filter: Record<string, unknown>;
  /** SHA-256 in hexadecimal of every other file but tiles, which lead to the root themselves. */
  files: Map<string, string>;
  tiles: number;
}

export const MANIFEST = 'manifest.json';
const KINDS = ['log', 'range', 'events'] as const;

const wrong = (what: string): Refusal => new Refusal(finding('edit', MANIFEST, what));

const objectOf = (value: unknown, name: string): Record<string, unknown> => {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw wrong(`${name} is missing`);
  return value as Record<string, unknown>;
};

function whole(value: unknown, name: string): number {
  if (!Number.isSafeInteger(value) || (value as number) < 0) throw wrong(`${name} is no whole number`);
  return value as number;
}

const wholeOrNone = (value: unknown, name: string): number | null =>
  value === null || value === undefined ? null : whole(value, name);

function filesOf(value: unknown): Map<string, string> {
  if (!Array.isArray(value)) throw wrong('files are missing');
  return new Map(
    value.map((one): [string, string] => {
      const { name, sha256 } = objectOf(one, 'a file');
      if (typeof name !== 'string' || typeof sha256 !== 'string' || !/^[0-9a-f]{64}$/.test(sha256))
        throw wrong('a file has no name and SHA-256');
      return [name, sha256];
    }),
  );
}

export function readManifest(bytes: Buffer): Manifest {
  const { kind, lines, firstSeq, lastSeq, checkpoint, askedFor, filter, files, tiles } = membersOf(bytes);
  const { size, root } = objectOf(checkpoint, 'the checkpoint');
  const known = KINDS.find((one) => one === kind);
  if (!known) throw wrong('it does not say of which kind the bundle is');
  if (typeof root !== 'string') throw wrong('the root is missing');
  return {
    kind: known,
    size: whole(size, 'checkpoint.size'),
    root,
    lines: whole(lines, 'lines'),
    firstSeq: wholeOrNone(firstSeq, 'firstSeq'),
    lastSeq: wholeOrNone(lastSeq, 'lastSeq'),
    ownSeq: wholeOrNone(objectOf(askedFor, 'askedFor').seq, 'askedFor.seq'),
    filter: objectOf(filter, 'the filter'),
    files: filesOf(files),
    tiles: wholeOrNone((tiles as { count?: unknown } | null | undefined)?.count, 'tiles.count') ?? 0,
  };
}

const PATIENTS = ['patientId', 'patientIds'];

/** Whether all events of the patients have to be there: nothing but their ids, and a beginning, narrows the export. */
export function completenessOf(filter: Record<string, unknown>): { isEveryEvent: boolean; fromStart: boolean } {
  const used = Object.keys(filter).filter((name) => filter[name] !== null && filter[name] !== undefined);
  const isByPatient = used.some((name) => PATIENTS.includes(name));
  const isEveryEvent = isByPatient && used.every((name) => PATIENTS.includes(name) || name === 'fromSeq');
  return { isEveryEvent, fromStart: isEveryEvent && !used.includes('fromSeq') };
}
