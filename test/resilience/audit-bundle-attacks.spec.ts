import {
  bitten,
  CHOSEN,
  dropped,
  edited,
  EDITED,
  itRefuses,
  lined,
  LOG,
  mallory,
  RANGE,
  signer,
  WHOLE,
  witness,
  type Attack,
} from '../harness/audit-attacks.js';
import { checkpointOf, linesIn, makeBundle, retold } from '../harness/audit-bundle.js';

const ATTACKS: Attack[] = [
  {
    name: 'an export whose last events were left out, its own among them',
    kind: 'truncation',
    where: 'events.ndjson',
    plan: CHOSEN,
    place: { index: 135 },
    files: (files) =>
      retold(
        ['events.ndjson', 'events.csv', 'events.fhir.ndjson', 'disclosures.ndjson', 'proofs.ndjson'].reduce(
          (rest, name) => lined(rest, name, (lines) => lines.slice(0, -2)),
          files,
        ),
        { lines: 24, lastSeq: 135 },
      ),
  },
  {
    name: 'a receipt that shows something else',
    kind: 'edit',
    where: 'export.tlog-proof',
    plan: CHOSEN,
    files: (files) => edited(files, 'export.tlog-proof', (text) => text.replace(/^index .*$/m, 'index 7')),
  },
  {
    name: 'a checkpoint signed by another key',
    kind: 'signature',
    where: 'checkpoint',
    files: () => makeBundle({ ...WHOLE, signers: [mallory] }),
  },
  {
    name: 'a checkpoint that only a witness signed',
    kind: 'signature',
    where: 'checkpoint',
    files: () => makeBundle({ ...WHOLE, signers: [witness] }),
    options: { witnesses: [witness.key] },
  },
  {
    name: 'a checkpoint without the witness that was asked for',
    kind: 'signature',
    where: 'checkpoint',
    files: (files) => files,
    options: { witnesses: [witness.key] },
  },
  {
    name: 'an edited size',
    kind: 'signature',
    where: 'checkpoint',
    files: (files) => edited(files, 'checkpoint', (text) => text.replace('\n590\n', '\n589\n')),
  },
  {
    name: 'a size with a leading zero',
    kind: 'edit',
    where: 'checkpoint',
    files: (files) => edited(files, 'checkpoint', (text) => text.replace('\n590\n', '\n0590\n')),
  },
  {
    name: 'a missing checkpoint',
    kind: 'deletion',
    where: 'checkpoint',
    files: (files) => dropped(files, 'checkpoint'),
  },
  {
    name: 'a missing manifest',
    kind: 'deletion',
    where: 'manifest.json',
    files: (files) => {
      const fewer = new Map(files);
      fewer.delete('manifest.json');
      return fewer;
    },
  },
  {
    name: 'a manifest of another checkpoint',
    kind: 'edit',
    where: 'manifest.json',
    files: (files) => retold(files, { checkpoint: { size: 589, root: '' } }),
  },
  {
    name: 'a file that the manifest does not tell of',
    kind: 'insertion',
    where: 'extra.txt',
    files: (files) => new Map(files).set('extra.txt', Buffer.from('!')),
  },
  {
    name: 'a file that is missing',
    kind: 'deletion',
    where: 'README',
    files: (files) => {
      const fewer = new Map(files);
      fewer.delete('README');
      return fewer;
    },
  },
  {
    name: 'a file whose SHA-256 is another',
    kind: 'edit',
    where: 'README',
    files: (files) => new Map(files).set('README', Buffer.from('?')),
  },
  {
    name: 'an older checkpoint that is larger',
    kind: 'rollback',
    where: 'checkpoint.previous',
    files: async (files) =>
      retold(new Map(files).set('checkpoint.previous', Buffer.from(await checkpointOf(LOG, 599, [signer])))),
  },
  {
    name: 'a log that does not begin with what was signed before',
    kind: 'fork',
    where: 'events.ndjson',
    plan: WHOLE,
    place: { index: 0, through: 294 },
    files: async (files) =>
      retold(new Map(files).set('checkpoint.previous', Buffer.from(await checkpointOf(EDITED, 295, [signer])))),
  },
  {
    name: 'a range of a log that does not begin with what was signed before',
    kind: 'fork',
    where: 'consistency.json',
    plan: RANGE,
    files: async (files) =>
      retold(new Map(files).set('checkpoint.previous', Buffer.from(await checkpointOf(EDITED, 295, [signer])))),
  },
  {
    name: 'a consistency proof that was edited',
    kind: 'edit',
    where: 'consistency.json',
    files: (files) => edited(files, 'consistency.json', (text) => text.replace(/"hashes":\["./, '"hashes":["_')),
  },
  {
    name: 'a shifted range',
    kind: 'edit',
    where: 'events.ndjson',
    plan: RANGE,
    place: { line: 1, index: 301 },
    files: (files) =>
      retold(
        lined(files, 'events.ndjson', (lines) =>
          lines.map((line, at) => line.replace(`"i":${300 + at}`, `"i":${301 + at}`)),
        ),
        { firstSeq: 301, lastSeq: 340, filter: { toSeq: 340 } },
      ),
  },
  {
    name: 'a range whose manifest is shifted',
    kind: 'insertion',
    where: 'events.ndjson',
    plan: RANGE,
    place: { line: 1 },
    files: (files) => retold(files, { firstSeq: 301, lastSeq: 340, filter: { toSeq: 340 } }),
  },
  {
    name: 'a range with a hole, numbered anew',
    kind: 'edit',
    where: 'events.ndjson',
    plan: RANGE,
    place: { line: 6, index: 305 },
    files: (files) =>
      retold(
        lined(files, 'events.ndjson', (lines) =>
          lines.toSpliced(5, 1).map((line, at) => line.replace(/"i":\d+/, `"i":${300 + at}`)),
        ),
        { firstSeq: 300, lastSeq: 338, lines: 39, filter: { toSeq: 338 } },
      ),
  },
  {
    name: 'an altered tile',
    kind: 'edit',
    where: 'tile/0/001',
    plan: RANGE,
    place: { index: 256, through: 511 },
    files: (files) => bitten(files, 'tile/0/001', 77),
  },
  {
    name: 'an altered tile of the right edge',
    kind: 'edit',
    where: 'tile',
    plan: RANGE,
    files: (files) => bitten(files, 'tile/0/002.p/78', 40),
  },
  {
    name: 'an altered tile that no line needs',
    kind: 'edit',
    where: 'tile/0/000',
    plan: RANGE,
    files: (files) => bitten(files, 'tile/0/000', 40),
  },
  {
    name: 'a missing tile',
    kind: 'deletion',
    where: 'tile/0/001',
    plan: RANGE,
    files: (files) => dropped(files, 'tile/0/001'),
  },
  {
    name: 'all tiles missing',
    kind: 'deletion',
    where: 'tile/',
    plan: RANGE,
    files: (files) => retold(new Map([...files].filter(([name]) => !name.startsWith('tile/')))),
  },
  {
    name: 'a tile of another tree',
    kind: 'insertion',
    where: 'tile/0/009',
    plan: RANGE,
    files: (files) => retold(new Map(files).set('tile/0/009', Buffer.alloc(8192))),
  },
  {
    name: 'an event and its proof forged together',
    kind: 'edit',
    where: 'events.ndjson',
    plan: CHOSEN,
    place: { line: 3, index: 104 },
    files: async (files) => {
      const forged = LOG.with(104, LOG[104]!.replace('clinician', 'patient'));
      const other = await makeBundle({ ...CHOSEN, lines: forged });
      return retold(
        new Map(files)
          .set('events.ndjson', other.get('events.ndjson')!)
          .set(
            'proofs.ndjson',
            lined(files, 'proofs.ndjson', (lines) => lines.with(2, linesIn(other.get('proofs.ndjson')!)[2]!)).get(
              'proofs.ndjson',
            )!,
          ),
      );
    },
  },
  {
    name: 'an event and its tile forged together',
    kind: 'edit',
    where: 'tile/0/001',
    plan: RANGE,
    files: async (files) => {
      const forged = LOG.with(304, LOG[304]!.replace('clinician', 'patient'));
      const other = await makeBundle({ ...RANGE, lines: forged });
      return retold(
        new Map(files).set('events.ndjson', other.get('events.ndjson')!).set('tile/0/001', other.get('tile/0/001')!),
      );
    },
  },
  {
    name: 'a proof of another tree',
    kind: 'edit',
    where: 'proofs.ndjson',
    plan: CHOSEN,
    place: { line: 2 },
    files: (files) =>
      lined(files, 'proofs.ndjson', (lines) => lines.with(1, lines[1]!.replace('"treeSize":590', '"treeSize":589'))),
  },
  {
    name: 'proofs swapped',
    kind: 'reorder',
    where: 'proofs.ndjson',
    plan: CHOSEN,
    place: { line: 3 },
    files: (files) => lined(files, 'proofs.ndjson', (lines) => lines.with(1, lines[2]!).with(2, lines[1]!)),
  },
];

itRefuses(ATTACKS);
