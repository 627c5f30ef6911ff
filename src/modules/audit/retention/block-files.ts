import { hash } from 'node:crypto';
import { mkdir, readdir, readFile, rm, stat, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { gunzip, gzip } from 'node:zlib';
import { createFile, syncFolder } from '../../../platform/durable-file.js';
import { entryBundle, parseEntryBundle, TILE, tilePath } from '../../../tlog/index.js';
import { ArchiveDamaged, ArchiveUnavailable } from './archive.errors.js';

const pack = promisify(gzip);
const unpack = promisify(gunzip);

const READ_ONLY = 0o444;
/** 256 entries of 65,535 bytes at most, each behind its length. */
const MOST_BYTES = TILE * 65_537;
const SHA256_BYTES = 32;

/** Entries of a block: from `first` to before `end`. */
export interface Span {
  block: number;
  first: number;
  end: number;
}

/** The two files of 256 entries: the entries, and their hashes. */
export type Part = 'entries' | 'tile';

const isCode = (error: unknown, code: string): boolean => (error as { code?: unknown }).code === code;
const sha256 = (bytes: Buffer): Buffer => hash('sha256', bytes, 'buffer');
const nameOf = (block: number): string => `block-${String(block).padStart(6, '0')}`;

/** Within the block's folder: C2SP tlog-tiles, the entries packed. */
const pathOf = (part: Part, tile: number): string =>
  part === 'entries'
    ? `${tilePath({ level: 'entries', n: tile, width: TILE })}.gz`
    : tilePath({ level: 0, n: tile, width: TILE });

/** Where in a block's digests the one of a file stands: entry bundles first, then hash tiles. */
export const digestPlace = ({ first, end }: Span, part: Part, tile: number): number =>
  (tile - first / TILE + (part === 'entries' ? 0 : (end - first) / TILE)) * SHA256_BYTES;

/** What `sha256sum -c` checks, and what the block's digest is the hash of. */
export function sumsOf({ first, end }: Span, digests: Buffer): string {
  const names = (['entries', 'tile'] as const).flatMap((part) =>
    Array.from({ length: (end - first) / TILE }, (_, at) => pathOf(part, first / TILE + at)),
  );
  return names
    .map((name, at) => `${digests.toString('hex', at * SHA256_BYTES, (at + 1) * SHA256_BYTES)}  ${name}\n`)
    .join('');
}

export const digestOf = (span: Span, digests: Buffer): Buffer => sha256(Buffer.from(sumsOf(span, digests)));

/**
 * Blocks of the log as files, a folder each: `tile/entries/….gz`, `tile/0/…`, `SHA256SUMS` and the checkpoint that covers it.
 * Written once (O_EXCL), on disk (fsync) when a call resolves, and never believed without the digest that was recorded.
 */
export class BlockFiles {
  constructor(private readonly root: string) {}

  /** Folder and name, as people are told of it. */
  name({ block }: Pick<Span, 'block'>, part: Part, tile: number): string {
    return `${nameOf(block)}/${pathOf(part, tile)}`;
  }

  /** Rejects, naming the folder, where no archive is. It is never made here: an empty mount point is no archive. */
  async requireRoot(): Promise<void> {
    const found = await stat(this.root).catch(() => null);
    if (!found?.isDirectory()) throw new ArchiveUnavailable(`${this.root} is no folder`);
  }

  /** 256 entries and their hashes; gives the digests and sizes of both files. What stands there from a try before stays. */
  async writeTile(span: Span, tile: number, lines: readonly Buffer[], hashes: Buffer) {
    const bundle = await pack(entryBundle(lines));
    await this.put(join(nameOf(span.block), pathOf('entries', tile)), bundle);
    await this.put(join(nameOf(span.block), pathOf('tile', tile)), hashes);
    return { entries: sha256(bundle), tile: sha256(hashes), bytes: bundle.length + hashes.length };
  }

  /** The rest of a block's folder, for whoever has the folder alone. */
  async writeSums(span: Span, digests: Buffer, checkpoint: string): Promise<void> {
    await this.put(join(nameOf(span.block), 'SHA256SUMS'), Buffer.from(sumsOf(span, digests)));
    // Named by its content: a second try may come under a newer one.
    const name = `checkpoint-${hash('sha256', checkpoint, 'hex').slice(0, 16)}`;
    await this.put(join(nameOf(span.block), name), Buffer.from(checkpoint));
  }

  /** Rejects with {@link ArchiveDamaged} where `SHA256SUMS` is not what the digests make it. */
  async requireSums(span: Span, digests: Buffer): Promise<void> {
    await this.file(span, 'SHA256SUMS', digestOf(span, digests));
  }

  async entries(span: Span, tile: number, digest: Buffer): Promise<Buffer[]> {
    const path = pathOf('entries', tile);
    const bundle = await unpack(await this.file(span, path, digest), { maxOutputLength: MOST_BYTES });
    return parseEntryBundle(bundle);
  }

  hashes(span: Span, tile: number, digest: Buffer): Promise<Buffer> {
    return this.file(span, pathOf('tile', tile), digest);
  }

  /** Numbers of the blocks that have a folder. */
  async blocks(): Promise<Set<number>> {
    const names = await readdir(this.root);
    return new Set(names.flatMap((name) => (/^block-\d{6,}$/.test(name) ? [Number(name.slice(6))] : [])));
  }

  async remove({ block }: Pick<Span, 'block'>): Promise<void> {
    await rm(join(this.root, nameOf(block)), { recursive: true, force: true });
  }

  private async file({ block }: Span, path: string, digest: Buffer): Promise<Buffer> {
    const name = `${nameOf(block)}/${path}`;
    const bytes = await readFile(join(this.root, name)).catch(async (error: unknown) => {
      if (!isCode(error, 'ENOENT') && !isCode(error, 'ENOTDIR'))
        throw new ArchiveUnavailable(`${name}: ${String(error)}`);
      await this.requireRoot();
      throw new ArchiveDamaged(name, true);
    });
    if (!sha256(bytes).equals(digest)) throw new ArchiveDamaged(name, false);
    return bytes;
  }

  private async put(name: string, bytes: Buffer): Promise<void> {
    const path = join(this.root, name);
    const made = await mkdir(dirname(path), { recursive: true, mode: 0o755 });
    // New folders have to survive a loss of power like what is in them.
    if (made) for (let at = dirname(path); at.length >= dirname(made).length; at = dirname(at)) await syncFolder(at);
    try {
      await createFile(path, bytes, READ_ONLY);
    } catch (error) {
      if (!isCode(error, 'EEXIST')) throw error;
      const found = await readFile(path);
      if (found.equals(bytes)) return;
      // A process that was killed leaves the beginning of a file. Anything else is somebody else's, and is not touched.
      if (!bytes.subarray(0, found.length).equals(found))
        throw new ArchiveUnavailable(
          `${path} belongs to another log or was made otherwise: look at it, and move it away`,
        );
      await unlink(path);
      await createFile(path, bytes, READ_ONLY);
    }
  }
}
