import { Readable } from 'node:stream';
import { Injectable } from '@nestjs/common';
import { ZipFile } from 'yazl';
import { ExportFiles, WHOLE } from './export-files.js';
import type { ReadyExport } from './export.repository.js';

/** Times in a ZIP are those of its maker's clock on the wall: shifted, so that every replica writes the same, UTC. */
const wallTime = (time: Date): Date => new Date(time.getTime() + time.getTimezoneOffset() * 60_000);

/** The whole export as one ZIP (zip64 where it is needed), made while it is read: the same bytes each time, and never whole in memory. */
@Injectable()
export class ExportZip {
  constructor(private readonly files: ExportFiles) {}

  open(row: ReadyExport): Readable {
    const zip = new ZipFile();
    const out = zip.outputStream as Readable;
    const options = { mtime: wallTime(row.createdAt), forceDosTimestamp: true };
    let source: Readable | null = null;
    const add = (name: string, compress: boolean, open: () => AsyncIterable<Buffer> | Iterable<Buffer>) =>
      zip.addReadStreamLazy(name, { ...options, compress }, (done) => {
        // Only the ZIP's own errors come to the ZIP.
        source = Readable.from(open(), { objectMode: false }).once('error', (error) => out.destroy(error));
        done(null, source);
      });
    const once = async function* (bytes: () => Promise<Buffer>) {
      yield await bytes();
    };
    // One that fails breaks the whole off: half a bundle must not look like one.
    (zip as unknown as NodeJS.EventEmitter).on('error', (error: Error) => out.destroy(error));
    out.once('close', () => source?.destroy());
    const [readme, ...small] = this.files.smallFiles(row);
    const manifest = { name: 'manifest.json', bytes: () => Promise.resolve(this.files.manifest(row)) };
    for (const { name, bytes } of [readme!, manifest, ...small]) add(name, true, () => once(bytes));
    for (const file of this.files.lineFiles(row)) add(file.name, true, () => this.files.content(row, file, WHOLE));
    for (const { name, bytes } of this.files.tiles(row)) add(name, false, () => once(bytes));
    zip.end();
    return out;
  }
}
