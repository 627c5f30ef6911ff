import { BundleFiles } from './bundle-files.js';
import { openCheckpoint, type OpenedCheckpoint, type Trusted } from './checkpoints.js';
import { Counters } from './counters.js';
import { Disclosures, NOTHING } from './disclosures.js';
import { finding, Refusal, Unverifiable, type Finding } from './findings.js';
import { checkHistory, CONSISTENCY, readConsistency } from './history.js';
import { LeafChecker } from './leaf-check.js';
import { csvLeaves, fhirLeaves, ndjsonLeaves, type LeafLine } from './leaf-lines.js';
import { linesOf } from './lines.js';
import { completenessOf, MANIFEST, readManifest, type Manifest } from './manifest.js';
import { PlainPlaces, ProvedPlaces, TiledPlaces, TrueTiles, type Places } from './places.js';
import { checkReceipt } from './receipt-file.js';
import { checkTiles } from './tile-files.js';

export interface BundleOptions extends Trusted {
  /** A checkpoint that the verifier kept: the log has to have grown from it. */
  previous: string | null;
  /** Longest time since the witnesses saw the checkpoint, in seconds. */
  maxAgeSeconds: number | null;
  now: Date;
}

export interface BundleReport {
  verdict: 'verified' | 'refused';
  /** In the order of the checks; one for each of them at most. */
  findings: Finding[];
  origin: string | null;
  size: number | null;
  root: string | null;
  witnessed: { name: string; time: string }[];
  /** Leaves of the bundle that were verified. */
  count: number;
  first: number | null;
  last: number | null;
  /** Patients whose events are shown to be all there: from which number to which. Empty where that is not claimed. */
  complete: { subject: string; from: number; to: number }[];
  disclosures: number;
}

const MOST_MANIFEST = 64 * 1024 * 1024;
const MOST_NOTE = 1_000_000;
/** 256 entries of 65,535 bytes, each behind its length. */
const MOST_TILE = 256 * 65_537;
const LONGEST_LINE = 65_535;
const MOST_SUBJECTS = 100;

const CHECKPOINT = 'checkpoint';
const PREVIOUS = 'checkpoint.previous';
const PROOFS = 'proofs.ndjson';
const RECEIPT = 'export.tlog-proof';
const DISCLOSURES = 'disclosures.ndjson';
const KEPT = 'the checkpoint that was kept';

const FORMS: [file: string, leaves: (chunks: AsyncIterable<Buffer>, where: string) => AsyncIterable<LeafLine>][] = [
  ['events.ndjson', ndjsonLeaves],
  ['events.csv', csvLeaves],
  ['events.fhir.ndjson', fhirLeaves],
];

/** What the checkpoint and the manifest make of the bundle. */
interface Frame {
  checkpoint: OpenedCheckpoint;
  manifest: Manifest;
  /** Consecutive leaves; null for chosen ones, each with its proof. */
  range: { from: number; to: number } | null;
  isWhole: boolean;
  tiles: TrueTiles | null;
  older: OpenedCheckpoint[];
}

/** Consecutive places, the last one not in it any more; null where they are chosen. */
function rangeOf({ kind, size, firstSeq, lastSeq }: Manifest): Frame['range'] {
  if (kind === 'events') return null;
  const range = kind === 'log' ? { from: 0, to: size } : { from: firstSeq ?? 0, to: (lastSeq ?? -1) + 1 };
  if (range.from > range.to || range.to > size)
    throw new Refusal(finding('edit', MANIFEST, 'its range is not in the log'));
  return range;
}

/**
 * Verifies an export bundle (a ZIP or a folder) with nothing but keys that came by another road: everything in it follows
 * from the log's own signature, or is refused. Streams; memory grows with the patients in it, not with the events.
 * Throws {@link Unverifiable} when nothing can be said.
 */
export async function verifyBundle(
  path: string,
  options: BundleOptions,
  onProgress: (readBytes: number, ofBytes: number) => void,
): Promise<BundleReport> {
  let read = 0;
  const files = await BundleFiles.open(path, (count) => onProgress((read += count), files.bytes));
  try {
    return await new BundleVerifier(files, options).run();
  } finally {
    files.close();
  }
}

class BundleVerifier {
  private readonly report: BundleReport = {
    verdict: 'refused',
    findings: [],
    origin: null,
    size: null,
    root: null,
    witnessed: [],
    count: 0,
    first: null,
    last: null,
    complete: [],
    disclosures: 0,
  };

  constructor(
    private readonly files: BundleFiles,
    private readonly options: BundleOptions,
  ) {}

  async run(): Promise<BundleReport> {
    const { files, report } = this;
    if (!files.has(MANIFEST) && !files.has(CHECKPOINT)) throw new Unverifiable('this is no export bundle');
    await this.step(async () => {
      const frame = await this.frame();
      await this.step(() => this.history(frame));
      const forms = FORMS.filter(([file]) => files.has(file));
      if (forms.length === 0) throw new Refusal(finding('deletion', 'events.ndjson', 'the bundle has no events'));
      for (const [at, [file, leaves]] of forms.entries())
        await this.step(() => this.leaves(frame, file, leaves(files.chunks(file), file), at === 0));
      const { tiles } = frame;
      if (tiles)
        await this.step(() =>
          checkTiles(files.names, frame.checkpoint.size, tiles, (name) => files.read(name, MOST_TILE)),
        );
      if (files.has(RECEIPT))
        await this.step(async () => checkReceipt(await this.text(RECEIPT), RECEIPT, this.options, frame.checkpoint));
      await this.digests(frame.manifest);
    });
    report.verdict = report.findings.length === 0 ? 'verified' : 'refused';
    return report;
  }

  private async step(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      this.report.findings.push(error.finding);
    }
  }

  private async frame(): Promise<Frame> {
    const { files } = this;
    const checkpoint = this.fresh(openCheckpoint(await this.text(CHECKPOINT), this.options, CHECKPOINT));
    if (!files.has(MANIFEST)) throw new Refusal(finding('deletion', MANIFEST, 'the file is missing'));
    const manifest = readManifest(await files.read(MANIFEST, MOST_MANIFEST));
    const { size } = checkpoint;
    if (manifest.size !== size || manifest.root !== checkpoint.root.toString('base64'))
      throw new Refusal(finding('edit', MANIFEST, 'its size and root are not those of the checkpoint'));
    const hasTiles = files.names.some((name) => name.startsWith('tile/'));
    const range = rangeOf(manifest);
    const isWhole = manifest.kind === 'log';
    if (manifest.kind === 'range' && !hasTiles)
      throw new Refusal(finding('deletion', 'tile/', 'the proofs of this range are missing'));
    if (manifest.kind === 'events' && !files.has(PROOFS))
      throw new Refusal(finding('deletion', PROOFS, 'the file is missing'));
    const tiles = hasTiles ? new TrueTiles(checkpoint, (path) => this.tile(path)) : null;
    return { checkpoint, manifest, range, isWhole, tiles, older: [] };
  }

  private fresh(checkpoint: OpenedCheckpoint): OpenedCheckpoint {
    const { origin, size, root, witnessed } = checkpoint;
    const times = witnessed.map(({ name, time }) => ({ name, time: new Date(time * 1000).toISOString() }));
    Object.assign(this.report, { origin, size, root: root.toString('base64'), witnessed: times });
    const { maxAgeSeconds, now } = this.options;
    for (const { name, time } of witnessed) {
      const age = Math.round(now.getTime() / 1000 - time);
      if (maxAgeSeconds !== null && age > maxAgeSeconds)
        this.report.findings.push(finding('stale', CHECKPOINT, `the witness ${name} saw it ${age} seconds ago`));
    }
    return checkpoint;
  }

  /** The bundle's own older checkpoint, and the one that the verifier kept. */
  private async history(frame: Frame): Promise<void> {
    const signers = { keys: this.options.keys, witnesses: [] };
    const { previous } = this.options;
    const claim = this.files.has(CONSISTENCY) ? readConsistency(await this.text(CONSISTENCY)) : null;
    const kept = previous === null ? null : openCheckpoint(previous, signers, KEPT);
    const own = this.files.has(PREVIOUS) ? openCheckpoint(await this.text(PREVIOUS), signers, PREVIOUS) : null;
    for (const [older, where] of [
      [kept, KEPT],
      [own, PREVIOUS],
    ] as const) {
      if (!older) continue;
      frame.older.push(older);
      await checkHistory(older, frame.checkpoint, { ...frame, claim }, where);
    }
  }

  private places({ checkpoint, range, tiles }: Frame): Places {
    if (range) return tiles ? new TiledPlaces(range.from, range.to, tiles) : new PlainPlaces(range.from, range.to);
    const lines = linesOf(this.files.chunks(PROOFS), PROOFS, LONGEST_LINE);
    return new ProvedPlaces(lines, checkpoint, PROOFS);
  }

  private async leaves(frame: Frame, where: string, lines: AsyncIterable<LeafLine>, isFirst: boolean): Promise<void> {
    const { manifest, range, checkpoint, isWhole, older } = frame;
    const rule = range ? { isEveryEvent: true, fromStart: range.from === 0 } : completenessOf(manifest.filter);
    const counters = new Counters(rule);
    const disclosures = this.files.has(DISCLOSURES) ? this.disclosures() : null;
    const result = await new LeafChecker({
      where,
      lines,
      places: this.places(frame),
      counters,
      whole: isWhole ? { checkpoint, older } : null,
      opened: (leaf) => disclosures?.check(leaf) ?? NOTHING,
    }).run();
    if (isFirst) Object.assign(this.report, { count: result.count, first: result.first, last: result.last });
    if (result.finding) throw new Refusal(result.finding);
    if (isFirst && rule.isEveryEvent && counters.size <= MOST_SUBJECTS) this.report.complete = counters.spans();
    if (result.count !== manifest.lines)
      throw new Refusal(
        finding('edit', MANIFEST, `it tells of ${manifest.lines} lines, and ${where} has ${result.count}`),
      );
    this.last(manifest, where, result.last);
    if (disclosures) {
      const left = await disclosures.end();
      if (left) throw new Refusal(left);
      this.report.disclosures = disclosures.opened;
    }
  }

  /** An export ends with its own event, so that nothing newer is left out; only a range whose end was asked for does not. */
  private last({ ownSeq, filter, kind }: Manifest, where: string, last: number | null): void {
    const isClosed = kind === 'range' && typeof filter.toSeq === 'number';
    if (last === (isClosed ? filter.toSeq : ownSeq)) return;
    throw new Refusal(
      finding('truncation', where, 'the last line is not the event of the export itself', { index: last }),
    );
  }

  private disclosures(): Disclosures {
    return new Disclosures(linesOf(this.files.chunks(DISCLOSURES), DISCLOSURES, LONGEST_LINE), DISCLOSURES);
  }

  /** Every file is the one that the manifest tells of, and there is no other. */
  private async digests({ files: told }: Manifest): Promise<void> {
    for (const name of this.files.names) {
      if (name === MANIFEST || told.has(name) || name.startsWith('tile/')) continue;
      this.report.findings.push(finding('insertion', name, 'the manifest does not tell of the file'));
    }
    for (const [name, digest] of told)
      await this.step(async () => {
        if (!this.files.has(name)) throw new Refusal(finding('deletion', name, 'the file is missing'));
        if ((await this.files.sha256(name)) !== digest)
          throw new Refusal(finding('edit', name, 'its SHA-256 is not the one of the manifest'));
      });
  }

  private async tile(path: string): Promise<Buffer | null> {
    return this.files.has(path) ? this.files.read(path, MOST_TILE) : null;
  }

  private async text(name: string): Promise<string> {
    if (!this.files.has(name)) throw new Refusal(finding('deletion', name, 'the file is missing'));
    return (await this.files.read(name, MOST_NOTE)).toString('utf8');
  }
}
