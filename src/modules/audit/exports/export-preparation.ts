import { createHash } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { Clock } from '../../../platform/clock.js';
import { leafHash } from '../../../tlog/index.js';
import { ExportEntries } from './export-entries.js';
import { ExportFiles, FORMS } from './export-files.js';
import type { LineFile } from './export-formats.js';
import { leafOf, type Entry } from './export-leaf.js';
import { completeFor } from './export-plan.js';
import { ExportZip } from './export-zip.js';
import type { ExportResult, FileDigest, FixedExport, ReadyExport, Segment } from './export.repository.js';

/** Told of the progress now and then; throws to end the work. */
type Report = (position: number, lines: number) => Promise<void>;

/** Portions between two reports: a few seconds of work. */
const REPORT_EVERY = 200;

/** Lines of a part: few enough to be made anew in a moment; of a long export, no more than about a thousand parts at first. */
const linesOfPart = (lines: number): number => Math.max(1_000, Math.floor(lines / 1_024));

/** SHA-256 and size of a file that is never there as a whole; and of its parts. */
class Digest {
  private readonly whole = createHash('sha256');
  private part = createHash('sha256');
  private offset = 0;
  private bytes = 0;

  constructor(private readonly name: string) {}

  add(content: string | Buffer): void {
    this.whole.update(content);
    this.part.update(content);
    this.bytes += Buffer.byteLength(content);
  }

  /** What came since the last cut. */
  cut(): { offset: number; sha256: string } {
    const made = { offset: this.offset, sha256: this.part.digest('hex') };
    this.part = createHash('sha256');
    this.offset = this.bytes;
    return made;
  }

  done(): FileDigest {
    return { name: this.name, bytes: this.bytes, sha256: this.whole.digest('hex') };
  }
}

/** Follows the files with lines, and cuts them into parts at the same places. */
class Parts {
  readonly segments: Segment[] = [];
  private readonly written: { file: LineFile; digest: Digest }[];
  private after: number | null = null;
  private lines = 0;
  private total = 0;

  constructor(files: readonly LineFile[]) {
    this.written = files.map((file) => ({ file, digest: new Digest(file.name) }));
    for (const { file, digest } of this.written) digest.add(file.head);
  }

  async add(entries: readonly Entry[]): Promise<void> {
    for (const { file, digest } of this.written) digest.add(await file.lines(entries));
    this.lines += entries.length;
    this.total += entries.length;
    if (this.lines < linesOfPart(this.total)) return;
    this.cut();
    this.after = entries.at(-1)!.index;
  }

  done(): FileDigest[] {
    if (this.lines > 0 || this.segments.length === 0) this.cut();
    return this.written.map(({ digest }) => digest.done());
  }

  private cut(): void {
    const files = this.written.map(({ file, digest }) => [file.name, digest.cut()] as const);
    this.segments.push({ after: this.after, files: Object.fromEntries(files) });
    this.lines = 0;
  }
}

/** Follows the lines: which are the first and the last, and do they fit together? */
class Watch {
  firstSeq: number | null = null;
  lastSeq: number | null = null;
  lines = 0;
  mismatch: number | null = null;
  private readonly counters: Map<string, { firstN: number; lastN: number }>;
  private readonly complete: ReadonlySet<string>;

  constructor({ filter }: FixedExport) {
    this.complete = new Set(completeFor(filter));
    this.counters = new Map();
  }

  see(entry: Entry): void {
    this.firstSeq ??= entry.index;
    this.lastSeq = entry.index;
    this.lines++;
    const fits = leafHash(entry.line).equals(entry.storedHash) && (this.complete.size === 0 || this.counts(entry));
    if (!fits) this.mismatch ??= entry.index;
  }

  get patients(): ExportResult['patients'] {
    return [...this.complete].flatMap((id) => {
      const counted = this.counters.get(id);
      return counted ? [{ id, ...counted }] : [];
    });
  }

  private counts(entry: Entry): boolean {
    const { e, n } = leafOf(entry);
    if (e.pat === undefined || n === undefined || !this.complete.has(e.pat)) return false;
    const known = this.counters.get(e.pat);
    this.counters.set(e.pat, { firstN: known?.firstN ?? n, lastN: n });
    return known === undefined || n === known.lastN + 1;
  }
}

/** Goes through an export as a download will, and notes what it must come to. */
@Injectable()
export class ExportPreparation {
  constructor(
    private readonly entries: ExportEntries,
    private readonly files: ExportFiles,
    private readonly zip: ExportZip,
    private readonly clock: Clock,
  ) {}

  async prepare(row: FixedExport, report: Report): Promise<{ ready: ReadyExport; position: number }> {
    const watch = new Watch(row);
    const parts = new Parts(this.files.lineFiles(row));
    const small: FileDigest[] = [];
    for (const { name, bytes } of this.files.smallFiles(row)) small.push(digestOf(name, await bytes()));
    const position = await this.throughLines(row, { watch, parts }, report);
    const files = [...small, ...parts.done()];
    const still = () => report(position, watch.lines);
    const tiles = await this.throughTiles(row, still);
    const { firstSeq, lastSeq, lines, mismatch, patients } = watch;
    const found = { firstSeq, lastSeq, lines, files, tiles, patients, mismatch, forms: FORMS };
    const bundle = { bytes: 0, sha256: '', zlib: process.versions.zlib };
    const ready: ReadyExport = {
      ...row,
      ...{ result: { ...found, bundle }, segments: parts.segments, finishedAt: this.clock.now() },
    };
    return { ready: { ...ready, result: { ...found, bundle: await this.throughZip(ready, still) } }, position };
  }

  private async throughLines(
    row: FixedExport,
    { watch, parts }: { watch: Watch; parts: Parts },
    report: Report,
  ): Promise<number> {
    let [position, pages] = [0, 0];
    for await (const page of this.entries.pages(row, null)) {
      for (const entry of page.entries) watch.see(entry);
      if (page.entries.length > 0) await parts.add(page.entries);
      ({ position } = page);
      if (pages++ % REPORT_EVERY === 0) await report(position, watch.lines);
    }
    return position;
  }

  private async throughTiles(row: FixedExport, still: () => Promise<void>): Promise<ExportResult['tiles']> {
    const digest = new Digest('tile');
    let count = 0;
    for (const { bytes } of this.files.tiles(row)) {
      digest.add(await bytes());
      if (++count % 1_000 === 0) await still();
    }
    return count === 0 ? null : { count, sha256: digest.done().sha256 };
  }

  /** How long the ZIP is, only the packing tells: without it, no download of it could go on. */
  private async throughZip(row: ReadyExport, still: () => Promise<void>): Promise<ExportResult['bundle']> {
    const digest = new Digest('bundle');
    let chunks = 0;
    for await (const chunk of this.zip.open(row) as AsyncIterable<Buffer>) {
      digest.add(chunk);
      if (++chunks % REPORT_EVERY === 0) await still();
    }
    const { bytes, sha256 } = digest.done();
    return { bytes, sha256, zlib: row.result.bundle.zlib };
  }
}

function digestOf(name: string, bytes: Buffer): FileDigest {
  const digest = new Digest(name);
  digest.add(bytes);
  return digest.done();
}
