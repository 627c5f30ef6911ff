import { finding, Refusal } from './findings.js';

/** What a bundle's manifest says of it. Nobody signed it: what it says is held against what was signed. */
export interface Manifest {
  /** The checkpoint's. */
  size: number;
  /** The checkpoint's, in base64. */
  root: string;
  /** Lines of each file of events. */
  count: number;
  /** Of consecutive events: first place, and the place after the last. */
  range: { from: number; to: number } | null;
  /** By what the events were chosen. */
  filter: Record<string, unknown>;
  /** SHA-256 of every other file, in hexadecimal. */
  files: Map<string, string>;
}

export const MANIFEST = 'manifest.json';

const wrong = (what: string): Refusal => new Refusal(finding('edit', MANIFEST, what));

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function whole(value: unknown, name: string): number {
  if (!Number.isSafeInteger(value) || (value as number) < 0) throw wrong(`${name} is no number of leaves`);
  return value as number;
}

function filesOf(value: unknown): Map<string, string> {
  if (!isObject(value)) throw wrong('files are missing');
  return new Map(
    Object.entries(value).map(([name, told]) => {
      const digest = isObject(told) ? told.sha256 : told;
      if (typeof digest !== 'string' || !/^[0-9a-f]{64}$/.test(digest)) throw wrong('a file has no SHA-256');
      return [name, digest];
    }),
  );
}

export function readManifest(bytes: Buffer): Manifest {
  let value: unknown;
  try {
    value = JSON.parse(bytes.toString('utf8'));
  } catch {
    throw wrong('it is not JSON');
  }
  if (!isObject(value)) throw wrong('it is no JSON object');
  const { size, root, count, range, filter, files } = value;
  if (typeof root !== 'string') throw wrong('the root is missing');
  return {
    size: whole(size, 'size'),
    root,
    count: whole(count, 'count'),
    range: isObject(range) ? { from: whole(range.from, 'range.from'), to: whole(range.to, 'range.to') } : null,
    filter: isObject(filter) ? filter : {},
    files: filesOf(files),
  };
}

/** Whether all events of the patients have to be there: nothing but their ids, and a beginning, narrows the export. */
export function completenessOf(filter: Record<string, unknown>): { isEveryEvent: boolean; fromStart: boolean } {
  const used = Object.keys(filter).filter((name) => filter[name] !== null && filter[name] !== undefined);
  const isEveryEvent = used.includes('patientIds') && used.every((name) => name === 'patientIds' || name === 'fromSeq');
  return { isEveryEvent, fromStart: isEveryEvent && !used.includes('fromSeq') };
}
