import { createHash } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import type { Ctx } from '../../../platform/access/context.js';
import type { Place } from '../../../platform/crypto/index.js';
import { Database } from '../../../platform/database/database.js';
import { Vault } from '../../../platform/database/vault.js';
import type { ByteRange } from '../../../platform/http/byte-range.js';
import type { DownloadFile, DownloadJob } from './download-job.js';
import { DownloadRepository } from './download.repository.js';

/** Bytes of a piece; all but a file's last one have exactly so many, so that a byte's piece is found by division. */
const PIECE_BYTES = 512 * 1024;

type Work = Pick<Ctx, 'db' | 'now' | 'afterCommit'>;

const placeOf = (downloadId: string, name: string, ordinal: number): Place => ({
  table: 'download_chunk',
  row: `${downloadId}/${name}/${ordinal}`,
  column: 'body',
});

/** One file on its way into the database: full pieces are stored as they come. */
export class FileWriter {
  private readonly hash = createHash('sha256');
  private rest: Buffer[] = [];
  private restBytes = 0;
  private ordinal = 0;
  private bytes = 0;

  constructor(
    private readonly name: string,
    private readonly mediaType: string,
    private readonly put: (ordinal: number, piece: Buffer) => Promise<void>,
  ) {}

  async add(content: string | Uint8Array): Promise<void> {
    const bytes = Buffer.from(content);
    this.hash.update(bytes);
    this.bytes += bytes.length;
    this.rest.push(bytes);
    this.restBytes += bytes.length;
    while (this.restBytes >= PIECE_BYTES) {
      const all = Buffer.concat(this.rest);
      await this.put(this.ordinal++, all.subarray(0, PIECE_BYTES));
      this.rest = [all.subarray(PIECE_BYTES)];
      this.restBytes = all.length - PIECE_BYTES;
    }
  }

  async done(): Promise<DownloadFile> {
    if (this.restBytes > 0) await this.put(this.ordinal, Buffer.concat(this.rest));
    const { name, mediaType, bytes } = this;
    return { name, mediaType, bytes, sha256: this.hash.digest('hex') };
  }
}

/** Files of downloads, sealed in pieces under the patient's key: any replica can serve them, and memory does not grow with them. */
@Injectable()
export class DownloadFiles {
  constructor(
    private readonly database: Database,
    private readonly vault: Vault,
    private readonly downloads: DownloadRepository,
  ) {}

  /** What a predecessor that died left of the file goes first; each piece is stored with how far the work is. */
  async write(job: DownloadJob, now: () => Date, name: string, mediaType: string): Promise<FileWriter> {
    await this.apart(job.accountId, now(), async (work) => {
      await this.downloads.progress(work, job);
      await work.db.query('DELETE FROM records.download_chunk WHERE download_id = $1 AND name = $2', [job.id, name]);
      await work.db.query('DELETE FROM records.download_file WHERE download_id = $1 AND name = $2', [job.id, name]);
    });
    return new FileWriter(name, mediaType, (ordinal, piece) =>
      this.apart(job.accountId, now(), async (work) => {
        await this.downloads.progress(work, job);
        const place = placeOf(job.id, name, ordinal);
        const sealed = await this.vault.seal(work, `patient:${job.patientId}`, place, piece);
        await work.db.query(
          'INSERT INTO records.download_chunk (download_id, name, ordinal, body) VALUES ($1, $2, $3, $4)',
          [job.id, name, ordinal, sealed.toString('base64')],
        );
      }),
    );
  }

  /** The file is whole from here on. */
  async finish({ db, now }: Work, { id }: DownloadJob, file: DownloadFile): Promise<void> {
    await db.query(
      'INSERT INTO records.download_file (download_id, name, media_type, bytes, sha256, made_at) VALUES ($1, $2, $3, $4, $5, $6)',
      [id, file.name, file.mediaType, file.bytes, file.sha256, now],
    );
  }

  /** These bytes of a file, piece by piece, as the account: a chart that is closed to it meanwhile breaks off. */
  async *read(accountId: string, downloadId: string, name: string, { start, end }: ByteRange): AsyncGenerator<Buffer> {
    for (let at = start; at <= end;) {
      const ordinal = Math.floor(at / PIECE_BYTES);
      const begin = ordinal * PIECE_BYTES;
      const piece = await this.piece(accountId, downloadId, name, ordinal);
      yield piece.subarray(at - begin, end + 1 - begin);
      at = begin + PIECE_BYTES;
    }
  }

  private async piece(accountId: string, downloadId: string, name: string, ordinal: number): Promise<Buffer> {
    const db = this.database.openRead(accountId);
    try {
      const [row] = await db.query<{ body: string }>(
        'SELECT body FROM records.download_chunk WHERE download_id = $1 AND name = $2 AND ordinal = $3',
        [downloadId, name, ordinal],
      );
      if (!row) throw new Error(`a piece of a download is not there: ${downloadId}/${ordinal}`);
      return await this.vault.open({ db }, placeOf(downloadId, name, ordinal), Buffer.from(row.body, 'base64'));
    } finally {
      await db.release();
    }
  }

  private async apart(accountId: string, now: Date, work: (own: Work) => Promise<void>): Promise<void> {
    const afterCommit: (() => void)[] = [];
    await this.database.write(accountId, (db) =>
      work({ db, now, afterCommit: (action) => void afterCommit.push(action) }),
    );
    for (const action of afterCommit) action();
  }
}
