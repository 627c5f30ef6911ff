import { createHash } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { LRUCache } from 'lru-cache';
import {
  consistencyProof,
  formatReceipt,
  fromTiles,
  inclusionProof,
  parseCheckpoint,
  parseNote,
  TILE,
  tilePath,
  type Subtree,
  type SubtreeHashes,
} from '../../../tlog/index.js';
import { LogGap, TreeRepository } from '../tree/tree.repository.js';
import { ExportEntries } from './export-entries.js';
import { CSV, DISCLOSURES, fhir, NDJSON, proofs, type LineFile } from './export-formats.js';
import { planOf, tilesOf } from './export-plan.js';
import { readmeOf } from './export-readme.js';
import type { ByteRange } from '../../../platform/http/byte-range.js';
import type { FixedExport, ReadyExport, Segment } from './export.repository.js';

const TEXT = 'text/plain; charset=utf-8';
const JSON_TYPE = 'application/json';

/**
 * Raised whenever a file of an export comes out otherwise than before (README, table, FHIR form, order in the bundle): what an
 * earlier version has prepared can then not be had any more.
 */
export const FORMS = 1;

/** All of a file. */
export const WHOLE: ByteRange = { start: 0, end: Infinity };

/** A file that is small whatever the export: made at once. */
export interface SmallFile {
  name: string;
  mediaType: string;
  bytes: () => Promise<Buffer>;
}

/** Everything that may be fetched by itself. */
export const FILE_NAMES = [
  'README.txt',
  'manifest.json',
  'checkpoint',
  'checkpoint.previous',
  'consistency.json',
  'export.tlog-proof',
  'events.ndjson',
  'events.csv',
  'events.fhir.ndjson',
  'proofs.ndjson',
  'disclosures.ndjson',
] as const;

const json = (value: unknown): Buffer => Buffer.from(`${JSON.stringify(value, null, 2)}\n`);
/** Kept while proofs are made: tiles (4 MB), and hashes of subtrees, nearly all of which a leaf's proof shares with its neighbour's (4 MB). */
const KEPT = { tiles: 512, subtrees: 20_000 };

/** The files of an export, each made from the log whenever it is asked for, with the same bytes each time. */
@Injectable()
export class ExportFiles {
  constructor(
    private readonly tree: TreeRepository,
    private readonly entries: ExportEntries,
  ) {}

  lineFiles(row: FixedExport): LineFile[] {
    const { kind } = planOf(row.filter, row.ownIdx, row.treeSize);
    return [
      NDJSON,
      ...(row.formats.includes('csv') ? [CSV] : []),
      ...(row.formats.includes('fhir') ? [fhir(row.baseUrl)] : []),
      ...(kind === 'events' ? [proofs(row.treeSize, this.hashes(row.treeSize))] : []),
      ...(row.isDisclosing ? [DISCLOSURES] : []),
    ];
  }

  /** All but the manifest, which tells of the others. */
  smallFiles(row: FixedExport): SmallFile[] {
    const hashes = this.hashes(row.treeSize);
    const small = (name: string, mediaType: string, bytes: () => Promise<Buffer> | Buffer): SmallFile => ({
      name,
      mediaType,
      bytes: async () => bytes(),
    });
    const { previousSize, previousCheckpoint, treeSize } = row;
    const previous =
      previousSize === null
        ? []
        : [
            small('checkpoint.previous', TEXT, () => Buffer.from(previousCheckpoint!)),
            small('consistency.json', JSON_TYPE, async () => {
              const proof = await consistencyProof(previousSize, treeSize, hashes);
              return json({
                oldSize: previousSize,
                newSize: treeSize,
                hashes: proof.map((one) => one.toString('base64')),
              });
            }),
          ];
    return [
      small('README.txt', TEXT, () => Buffer.from(readmeOf(row))),
      small('checkpoint', TEXT, () => Buffer.from(row.checkpoint)),
      ...previous,
      small('export.tlog-proof', TEXT, async () => {
        const leaf = await this.tree.leaf(row.ownIdx);
        if (!leaf) throw new LogGap(0, row.ownIdx);
        const proof = await inclusionProof(row.ownIdx, treeSize, hashes);
        const receipt = { index: row.ownIdx, proof, checkpoint: row.checkpoint, extra: leaf.line };
        return Buffer.from(formatReceipt(receipt));
      }),
    ];
  }

  /** A small file of a ready export by its name; null: it has none of that name. */
  async small(row: ReadyExport, name: string): Promise<{ mediaType: string; bytes: Buffer } | null> {
    if (name === 'manifest.json') return { mediaType: JSON_TYPE, bytes: this.manifest(row) };
    const file = this.smallFiles(row).find((one) => one.name === name);
    return file ? { mediaType: file.mediaType, bytes: await file.bytes() } : null;
  }

  /** A range's tiles in the order of the bundle, each read when it is come to. */
  *tiles(row: FixedExport): Generator<{ name: string; bytes: () => Promise<Buffer> }> {
    const plan = planOf(row.filter, row.ownIdx, row.treeSize);
    if (plan.kind !== 'range') return;
    for (const tile of tilesOf(plan.from, plan.to, row.treeSize)) {
      const { level, n, width } = tile;
      yield { name: tilePath(tile), bytes: () => this.tree.tile(level, n * TILE, width) };
    }
  }

  /** The same bytes before and after the result was stored: the database keeps members in an order of its own. */
  manifest(row: ReadyExport): Buffer {
    const { filter, result } = row;
    const { kind } = planOf(filter, row.ownIdx, row.treeSize);
    const { origin, size, root } = parseCheckpoint(parseNote(row.checkpoint).body);
    return json({
      version: 1,
      id: row.id,
      kind,
      filter,
      lines: result.lines,
      firstSeq: result.firstSeq,
      lastSeq: result.lastSeq,
      checkpoint: { origin, size, root: root.toString('base64') },
      previousSize: row.previousSize,
      askedFor: { by: row.accountId, at: row.createdAt.toISOString(), reason: row.reason, seq: row.ownIdx },
      preparedAt: row.finishedAt.toISOString(),
      disclosures: row.isDisclosing,
      completeFor: result.patients.map(({ id, firstN, lastN }) => ({ id, firstN, lastN })),
      formats: {
        leaf: 1,
        ndjson: 1,
        csv: 1,
        fhir: '4.0.1',
        balp: '1.1.5',
        tree: 'RFC 6962',
        checkpoint: 'C2SP tlog-checkpoint v1.0.0',
      },
      files: result.files.map(({ name, bytes, sha256 }) => ({ name, bytes, sha256 })),
      tiles: result.tiles && { count: result.tiles.count, sha256: result.tiles.sha256 },
    });
  }

  /**
   * Bytes of a file with lines, part by part from the one in which they begin. Throws at the end of the first part that is not
   * what was prepared: the log has lost something, or somebody changed it.
   */
  async *content(row: ReadyExport, file: LineFile, { start, end }: ByteRange): AsyncGenerator<Buffer, void, undefined> {
    const offsetOf = ({ files }: Segment): number => files[file.name]!.offset;
    let at = Math.max(
      0,
      row.segments.findLastIndex((segment) => offsetOf(segment) <= start),
    );
    let hash = createHash('sha256');
    let position = offsetOf(row.segments[at]!);
    const wanted = (text: string): Buffer => {
      const bytes = Buffer.from(text);
      hash.update(bytes);
      const piece = bytes.subarray(Math.max(0, start - position), Math.max(0, end + 1 - position));
      position += bytes.length;
      return piece;
    };
    const close = (): void => {
      if (hash.digest('hex') !== row.segments[at]!.files[file.name]!.sha256)
        throw new Error(`${file.name} of the export ${row.id} is not what was prepared`);
      at++;
      hash = createHash('sha256');
    };
    if (at === 0 && file.head !== '') yield wanted(file.head);
    for await (const { entries } of this.entries.pages(row, row.segments[at]!.after)) {
      for (let rest = entries; rest.length > 0;) {
        const border = row.segments[at + 1]?.after ?? Infinity;
        const inside = rest.filter(({ index }) => index <= border);
        rest = rest.slice(inside.length);
        const piece = inside.length > 0 ? wanted(await file.lines(inside)) : null;
        if (piece?.length) yield piece;
        if (rest.length === 0) continue;
        close();
        if (position > end) return;
      }
    }
    close();
    // Whole parts at the end that are gone.
    if (at < row.segments.length) throw new Error(`${file.name} of the export ${row.id} has lost its end`);
  }

  /** The tree as it was at that size. */
  private hashes(treeSize: number): SubtreeHashes {
    const tiles = new LRUCache<string, Buffer>({ max: KEPT.tiles });
    return remembering(
      fromTiles(treeSize, async (tile) => {
        const path = tilePath(tile);
        const bytes = tiles.get(path) ?? (await this.tree.tile(tile.level, tile.n * TILE, tile.width));
        tiles.set(path, bytes);
        return bytes;
      }),
    );
  }
}

function remembering(hashes: SubtreeHashes): SubtreeHashes {
  const known = new LRUCache<string, Buffer>({ max: KEPT.subtrees });
  const nameOf = ({ level, n }: Subtree) => `${level}/${n}`;
  return async (wanted) => {
    const found = new Map(wanted.map((one) => [nameOf(one), known.get(nameOf(one))]));
    const missing = wanted.filter((one) => found.get(nameOf(one)) === undefined);
    const read = missing.length === 0 ? [] : await hashes(missing);
    missing.forEach((one, at) => {
      known.set(nameOf(one), read[at]);
      found.set(nameOf(one), read[at]);
    });
    return wanted.map((one) => found.get(nameOf(one))!);
  };
}
