import { FORM_MUTATIONS } from './form-mutations.js';
import { sha256 } from './rfc6962.js';
import { edited, EVENTS, flipped, lines, manifestOf, put, text, type Files, type Mutation } from './mutating.js';

const at = (index: number) => (all: string[]) => all.toSpliced(index, 1);
const swapped = (all: string[]) => [...all.slice(0, 3), all[4]!, all[3]!, ...all.slice(5)];
const without = (name: string) => (files: Files) => void files.delete(name);
const both = (index: number) => (files: Files) => {
  lines(EVENTS, at(index))(files);
  lines('proofs.ndjson', at(index))(files);
};

/** An event and its tile forged together: all fits but the tree above. */
function forgedWithTile(files: Files): void {
  const manifest = manifestOf(files);
  const place = 10;
  lines(EVENTS, (all) => all.with(place, all[place]!.replace('"out":0', '"out":4').replace('"act":"R"', '"act":"E"')))(
    files,
  );
  const line = text(files, EVENTS).split('\n')[place]!;
  const index = manifest.firstSeq + place;
  const name = [...files.keys()].find((one) =>
    one.startsWith(`tile/0/${String(Math.floor(index / 256)).padStart(3, '0')}`),
  )!;
  const tile = Buffer.from(files.get(name)!);
  sha256(Buffer.of(0), Buffer.from(line)).copy(tile, (index % 256) * 32);
  files.set(name, tile);
}

const lastTile = (files: Files, level: number): string =>
  [...files.keys()]
    .filter((name) => name.startsWith(`tile/${level}/`))
    .sort()
    .at(-1)!;

function flippedTile(level: number): (files: Files) => void {
  return (files) => {
    const name = [...files.keys()].filter((one) => one.startsWith(`tile/${level}/`)).sort()[0]!;
    flipped(name, 40)(files);
  };
}

export const MUTATIONS: Mutation[] = [
  ...FORM_MUTATIONS,
  {
    of: 'log',
    name: 'one bit of a line',
    change: flipped(EVENTS, 200),
    says: /the log that was signed|when it was signed|JSON|UTF-8/,
  },
  { of: 'log', name: 'the first line deleted', change: lines(EVENTS, at(0)), says: /gap/ },
  { of: 'log', name: 'a line deleted', change: lines(EVENTS, at(5)), says: /gap/ },
  { of: 'log', name: 'the last line deleted', change: lines(EVENTS, (all) => all.slice(0, -1)), says: /were signed/ },
  { of: 'log', name: 'two lines swapped', change: lines(EVENTS, swapped), says: /gap|order/ },
  { of: 'log', name: 'a line twice', change: lines(EVENTS, (all) => all.toSpliced(5, 0, all[4]!)), says: /order|gap/ },
  {
    of: 'log',
    name: 'a line written anew with spaces',
    change: lines(EVENTS, (all) => all.with(4, all[4]!.replace('{"e"', '{ "e"'))),
    says: /not the log that was signed|another one when it was signed/,
  },
  {
    of: 'log',
    name: 'a line written anew in another order',
    change: lines(EVENTS, (all) => {
      const { e, ...rest } = JSON.parse(all[4]!) as { e: object };
      return all.with(4, JSON.stringify({ ...rest, e }));
    }),
    says: /not the log that was signed|another one when it was signed/,
  },
  { of: 'log', name: 'CRLF', change: lines(EVENTS, (all) => all.map((line) => `${line}\r`)), says: /carriage return/ },
  {
    of: 'log',
    name: 'a byte order mark',
    change: (files) => put(files, EVENTS, `\ufeff${text(files, EVENTS)}`),
    says: /byte order mark/,
  },
  {
    of: 'log',
    name: 'cut off within a line',
    change: (files) => put(files, EVENTS, files.get(EVENTS)!.subarray(0, -20)),
    says: /cut off/,
  },
  { of: 'log', name: 'an empty line', change: lines(EVENTS, (all) => all.toSpliced(3, 0, '')), says: /empty line/ },
  { of: 'log', name: 'nothing at all', change: (files) => put(files, EVENTS, ''), says: /were signed|0 lines/ },
  {
    of: 'log',
    name: 'another size in the checkpoint',
    change: edited('checkpoint', /\n(\d+)\n/, '\n9$1\n'),
    says: /signature .* wrong/,
  },
  {
    of: 'log',
    name: 'another root in the checkpoint',
    change: edited('checkpoint', /\n(\d+)\n./, '\n$1\nA'),
    says: /signature|base64|not 32/,
  },
  {
    of: 'log',
    name: 'a checkpoint without its signature',
    change: edited('checkpoint', /\u2014 .*\n/, '\u2014 nobody.example/x AAAAAAAA\n'),
    says: /not signed/,
  },
  {
    of: 'log',
    name: 'the older checkpoint as the newer',
    change: (files) => put(files, 'checkpoint', files.get('checkpoint.previous')!),
    says: /checkpoint|manifest/,
  },
  {
    of: 'log',
    name: 'a consistency proof of one hash less',
    change: edited('consistency.json', /"[A-Za-z0-9+/]{43}=",?/, ''),
    says: /JSON|does not lead/,
  },
  {
    of: 'log',
    name: 'an older checkpoint of another root',
    change: edited('checkpoint.previous', /\n(\d+)\n./, '\n$1\nB'),
    says: /signature|base64/,
  },
  {
    of: 'log',
    name: 'no proof beside the older checkpoint',
    change: without('consistency.json'),
    says: /comes with its proof/,
  },
  {
    of: 'log',
    name: 'a receipt of another place',
    change: edited('export.tlog-proof', /index (\d+)/, 'index 3'),
    says: /another place/,
  },
  {
    of: 'log',
    name: 'a receipt of another leaf',
    change: edited('export.tlog-proof', /extra (.)/, 'extra A'),
    says: /does not lead|base64/,
  },
  {
    of: 'log',
    name: 'a file that nobody has told of',
    change: (files) => put(files, 'events.xlsx', 'x'),
    says: /no bundle has/,
  },
  { of: 'range', name: 'one bit of a line', change: flipped(EVENTS, 200), says: /not what the tree has|JSON|UTF-8/ },
  { of: 'range', name: 'a hole', change: lines(EVENTS, at(20)), says: /gap/ },
  {
    of: 'range',
    name: 'shifted by one',
    change: lines(EVENTS, (all) => all.map((line) => line.replace(/"i":(\d+)/, (_, i) => `"i":${Number(i) + 1}`))),
    says: /not what the tree has/,
  },
  { of: 'range', name: 'an altered tile of leaves', change: flippedTile(0), says: /right edge|tile above|tree has/ },
  { of: 'range', name: 'an altered tile of subtrees', change: flippedTile(1), says: /right edge|tile above/ },
  {
    of: 'range',
    name: 'an altered hash at the end of the last tile',
    change: (files) => flipped(lastTile(files, 0), -1)(files),
    says: /right edge/,
  },
  { of: 'range', name: 'an event and its tile forged together', change: forgedWithTile, says: /tile above|right edge/ },
  { of: 'range', name: 'a tile missing', change: (files) => without(lastTile(files, 1))(files), says: /missing/ },
  {
    of: 'range',
    name: 'a tile cut off',
    change: (files) => {
      const name = lastTile(files, 0);
      files.set(name, files.get(name)!.subarray(0, -32));
    },
    says: /length/,
  },
  {
    of: 'range',
    name: 'a tile too many',
    change: (files) => put(files, 'tile/0/999', Buffer.alloc(8_192)),
    says: /larger tree/,
  },
  {
    of: 'range',
    name: 'turned into a whole log',
    change: (files) =>
      [...files.keys()].filter((name) => name.startsWith('tile/')).forEach((name) => files.delete(name)),
    says: /says range|gap/,
  },
  { of: 'patient', name: 'an event left out', change: both(2), says: /left out/ },
  { of: 'patient', name: 'the first event left out', change: both(0), says: /begin with the first/ },
  {
    of: 'patient',
    name: 'the newest events left out',
    change: (files) => {
      both(-1)(files);
      both(-1)(files);
    },
    says: /end with the event of its own export/,
  },
  {
    of: 'patient',
    name: 'a counter edited',
    change: lines(EVENTS, (all) => all.with(1, all[1]!.replace(/"n":\d+/, '"n":7'))),
    says: /does not lead/,
  },
  {
    of: 'patient',
    name: 'a proof of another line',
    change: lines('proofs.ndjson', (all) => all.with(1, all[2]!)),
    says: /another place/,
  },
  {
    of: 'patient',
    name: 'a proof of one hash less',
    change: edited('proofs.ndjson', /"[A-Za-z0-9+/]{43}=",/, ''),
    says: /does not lead/,
  },
  {
    of: 'patient',
    name: 'an altered hash of a proof',
    change: edited('proofs.ndjson', /"hashes":\["[A-Za-z0-9]/, '"hashes":["/'),
    says: /does not lead/,
  },
  {
    of: 'patient',
    name: 'a line without a proof',
    change: lines('proofs.ndjson', (all) => all.slice(0, -1)),
    says: /ends before/,
  },
  {
    of: 'patient',
    name: 'a proof too many',
    change: lines('proofs.ndjson', (all) => [...all, all.at(-1)!]),
    says: /more lines/,
  },
  {
    of: 'patient',
    name: 'no claim to be complete',
    change: edited('manifest.json', /"completeFor": \[[^\]]*\]/, '"completeFor": []'),
    says: /complete/,
  },
  { of: 'chosen', name: 'one bit of a line', change: flipped(EVENTS, 200), says: /does not lead|JSON|UTF-8/ },
  {
    of: 'chosen',
    name: 'lines and proofs in another order',
    change: (files) => {
      lines(EVENTS, swapped)(files);
      lines('proofs.ndjson', swapped)(files);
    },
    says: /order/,
  },
  { of: 'chosen', name: 'its own event left out', change: both(-1), says: /own export/ },
];
