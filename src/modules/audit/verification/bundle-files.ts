import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { lstat, readdir } from 'node:fs/promises';
import { join, sep } from 'node:path';
import type { Readable } from 'node:stream';
import { openPromise, type Entry, type ZipFile } from 'yauzl';
import { finding, Refusal, Unverifiable } from './findings.js';

/** Where the bytes of a bundle come from: a folder or a ZIP. */
interface Source {
  /** Names with `/`, and their sizes in bytes. */
  readonly sizes: ReadonlyMap<string, number>;
  open(name: string): Promise<Readable>;
  close(): void;
}

async function folderSource(path: string): Promise<Source> {
  const sizes = new Map<string, number>();
  for (const entry of await readdir(path, { recursive: true, withFileTypes: true })) {
    if (entry.isDirectory()) continue;
    const full = join(entry.parentPath, entry.name);
    const name = full.slice(join(path, sep).length).replaceAll(sep, '/');
    if (!entry.isFile()) throw new Unverifiable(`${name} is no file`);
    sizes.set(name, (await lstat(full)).size);
  }
  return { sizes, open: (name) => Promise.resolve(createReadStream(join(path, name))), close: () => undefined };
}

async function zipSource(path: string): Promise<Source> {
  let zip: ZipFile;
  const entries = new Map<string, Entry>();
  try {
    zip = await openPromise(path, { lazyEntries: true, autoClose: false, strictFileNames: true });
    for await (const entry of zip.eachEntry()) {
      if (entry.fileName.endsWith('/')) continue;
      // Two files of one name: programs differ in which they show.
      if (entries.has(entry.fileName))
        throw new Refusal(finding('insertion', entry.fileName, 'the bundle has two files of this name'));
      entries.set(entry.fileName, entry);
    }
  } catch (error) {
    if (error instanceof Refusal) throw error;
    throw new Unverifiable(`${path} is not a readable ZIP file: ${(error as Error).message}`);
  }
  return {
    sizes: new Map([...entries].map(([name, { uncompressedSize }]) => [name, uncompressedSize])),
    open: (name) => zip.openReadStreamPromise(entries.get(name)!),
    close: () => zip.close(),
  };
}

/** An error of the operating system; anything else that reading a packed file meets is the file's fault. */
const isOfSystem = (error: unknown): boolean => typeof (error as { syscall?: unknown }).syscall === 'string';

/** The files of a bundle, read as streams. Remembers the SHA-256 of each that was read to its end. */
export class BundleFiles {
  private readonly digests = new Map<string, string>();

  private constructor(
    private readonly source: Source,
    private readonly onBytes: (count: number) => void,
  ) {}

  /** `onBytes` is told how much was read. Throws {@link Unverifiable} for what is neither a folder nor a ZIP. */
  static async open(path: string, onBytes: (count: number) => void): Promise<BundleFiles> {
    const stats = await lstat(path).catch(() => null);
    if (!stats) throw new Unverifiable(`${path} is not there`);
    return new BundleFiles(await (stats.isDirectory() ? folderSource(path) : zipSource(path)), onBytes);
  }

  get names(): string[] {
    return [...this.source.sizes.keys()];
  }

  get bytes(): number {
    return [...this.source.sizes.values()].reduce((sum, size) => sum + size, 0);
  }

  has(name: string): boolean {
    return this.source.sizes.has(name);
  }

  async *chunks(name: string): AsyncGenerator<Buffer> {
    const hash = createHash('sha256');
    try {
      for await (const chunk of (await this.source.open(name)) as AsyncIterable<Buffer>) {
        hash.update(chunk);
        this.onBytes(chunk.length);
        yield chunk;
      }
    } catch (error) {
      if (error instanceof Refusal || isOfSystem(error)) throw error;
      throw new Refusal(finding('edit', name, 'the packed file is damaged'));
    }
    this.digests.set(name, hash.digest('hex'));
  }

  /** A small file, whole. */
  async read(name: string, most: number): Promise<Buffer> {
    if ((this.source.sizes.get(name) ?? 0) > most)
      throw new Refusal(finding('edit', name, `the file is larger than ${most} bytes`));
    const chunks: Buffer[] = [];
    for await (const chunk of this.chunks(name)) chunks.push(chunk);
    return Buffer.concat(chunks);
  }

  async sha256(name: string): Promise<string> {
    if (!this.digests.has(name)) for await (const _ of this.chunks(name));
    return this.digests.get(name)!;
  }

  close(): void {
    this.source.close();
  }
}
