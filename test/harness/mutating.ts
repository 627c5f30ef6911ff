import { leavesOf, type Manifest } from './exports.js';
import { sha256 } from './rfc6962.js';

export type Files = Map<string, Buffer>;

/** Without the files that say the same in other forms, so that what was signed has to tell. */
const FORMS = ['events.csv', 'events.fhir.ndjson', 'disclosures.ndjson'];

/** What somebody who has an export in hand might do to it before it reaches the auditor. */
export interface Mutation {
  name: string;
  of: 'log' | 'range' | 'patient' | 'chosen';
  change: (files: Files) => void;
  /** What the refusal speaks of. */
  says: RegExp;
}

export const EVENTS = 'events.ndjson';
export const text = (files: Files, name: string): string => files.get(name)!.toString('utf8');
export const put = (files: Files, name: string, content: string | Buffer): void =>
  void files.set(name, Buffer.from(content));

/** Changes the lines of a file; where one is not found the mutation is none, and must not pass for one. */
export function lines(name: string, change: (all: string[]) => string[]): (files: Files) => void {
  return (files) => {
    const before = text(files, name);
    const after = change(before.split('\n').slice(0, -1)).join('\n') + '\n';
    if (after === before) throw new Error(`nothing was changed in ${name}`);
    put(files, name, after);
  };
}

export function edited(name: string, from: string | RegExp, to: string): (files: Files) => void {
  return (files) => {
    const before = text(files, name);
    const after = before.replace(from, to);
    if (after === before) throw new Error(`nothing was changed in ${name}`);
    put(files, name, after);
  };
}

export function flipped(name: string, at: number): (files: Files) => void {
  return (files) => {
    const bytes = Buffer.from(files.get(name)!);
    const place = at < 0 ? bytes.length + at : at;
    bytes[place] = bytes[place]! ^ 1;
    files.set(name, bytes);
  };
}

export const manifestOf = (files: Files): Manifest => JSON.parse(text(files, 'manifest.json')) as Manifest;

/** Whoever changes files can change the manifest as well: its digests and numbers are made to fit. */
function refitted(files: Files): void {
  const manifest = manifestOf(files);
  const kept = [...files.keys()].filter((name) => name !== 'manifest.json' && !name.startsWith('tile/'));
  manifest.files = kept.map((name) => {
    const bytes = files.get(name)!;
    return { name, bytes: bytes.length, sha256: sha256(bytes).toString('hex') };
  });
  const place = (name: string) =>
    Number(name.split('/')[1]) * 1e12 +
    Number(
      name
        .split('/')
        .slice(2)
        .join('')
        .replace(/\.p.*|x/g, ''),
    );
  const tiles = [...files.keys()].filter((name) => name.startsWith('tile/')).sort((a, b) => place(a) - place(b));
  manifest.tiles = tiles.length
    ? { count: tiles.length, sha256: sha256(...tiles.map((name) => files.get(name)!)).toString('hex') }
    : null;
  try {
    const leaves = leavesOf(text(files, EVENTS).trim().split('\n'));
    manifest.lines = leaves.length;
    manifest.firstSeq = leaves[0]!.i;
    manifest.lastSeq = leaves.at(-1)!.i;
    for (const one of manifest.completeFor) {
      const counters = leaves.filter(({ e }) => e.pat === one.id).map(({ n }) => n!);
      Object.assign(one, { firstN: counters[0], lastN: counters.at(-1) });
    }
  } catch {
    // Lines that are none any more: refused for that.
  }
  put(files, 'manifest.json', JSON.stringify(manifest));
}

/** The bundle with this change, and all that is not signed made to fit it. */
export function mutated(bundle: Files, { change }: Mutation): Files {
  const files = new Map(bundle);
  change(files);
  const isOfForms = FORMS.some((name) => files.get(name) !== bundle.get(name));
  if (!isOfForms) for (const name of FORMS) files.delete(name);
  const manifest = files.get('manifest.json');
  refitted(files);
  // A manifest that is changed itself keeps its change.
  if (manifest !== bundle.get('manifest.json')) {
    const { completeFor } = JSON.parse(manifest!.toString()) as Manifest;
    files.set('manifest.json', Buffer.from(JSON.stringify({ ...manifestOf(files), completeFor })));
  }
  return files;
}
