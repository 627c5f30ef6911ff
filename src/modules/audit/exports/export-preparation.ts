import { createHash } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { leafHash } from '../../../tlog/index.js';
import { ExportEntries } from './export-entries.js';
import { ExportFiles } from './export-files.js';
import { leafOf, type Entry } from './export-leaf.js';
import { completeFor } from './export-plan.js';
import type { ExportResult, FileDigest, FixedExport } from './export.repository.js';

/** Told of the progress now and then; throws to end the work. */
type Report = (position: number, lines: number) => Promise<void>;

/** Portions between two reports: a few seconds of work. */
const REPORT_EVERY = 200;

/** SHA-256 and size of a file that is never there as a whole. */
class Digest {
  private readonly hash = createHash('sha256');
  private bytes = 0;

  constructor(private readonly name: string) {}

  add(content: string | Buffer): void {
    this.hash.update(content);
    this.bytes += Buffer.byteLength(content);
  }

  done(): FileDigest {
    return { name: this.name, bytes: this.bytes, sha256: this.hash.digest('hex') };
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

/** Goes through an export once, as a download will, and notes what it must come to. */
@Injectable()
export class ExportPreparation {
  constructor(
    private readonly entries: ExportEntries,
    private readonly files: ExportFiles,
  ) {}

  async prepare(row: FixedExport, report: Report): Promise<{ result: ExportResult; position: number }> {
    const watch = new Watch(row);
    const files: FileDigest[] = [];
    for (const { name, bytes } of this.files.smallFiles(row)) files.push(digestOf(name, await bytes()));
    const { position, digests } = await this.throughLines(row, watch, report);
    const tiles = await this.throughTiles(row, () => report(position, watch.lines));
    const { firstSeq, lastSeq, lines, mismatch, patients } = watch;
    return { position, result: { firstSeq, lastSeq, lines, files: [...files, ...digests], tiles, patients, mismatch } };
  }

  private async throughLines(row: FixedExport, watch: Watch, report: Report) {
    const written = this.files.lineFiles(row).map((file) => ({ file, digest: new Digest(file.name) }));
    for (const { file, digest } of written) digest.add(file.head);
    let [position, pages] = [0, 0];
    for await (const page of this.entries.pages(row, null)) {
      for (const entry of page.entries) watch.see(entry);
      for (const { file, digest } of written) digest.add(await file.lines(page.entries));
      ({ position } = page);
      if (pages++ % REPORT_EVERY === 0) await report(position, watch.lines);
    }
    return { position, digests: written.map(({ digest }) => digest.done()) };
  }

  private async throughTiles(row: FixedExport, report: () => Promise<void>): Promise<ExportResult['tiles']> {
    const digest = new Digest('tile');
    let count = 0;
    for (const { bytes } of this.files.tiles(row)) {
      digest.add(await bytes());
      if (++count % 1_000 === 0) await report();
    }
    return count === 0 ? null : { count, sha256: digest.done().sha256 };
  }
}

function digestOf(name: string, bytes: Buffer): FileDigest {
  const digest = new Digest(name);
  digest.add(bytes);
  return digest.done();
}
