import { createHash } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import { authorize, type SignedIn } from '../../../platform/access/context.js';
import { after } from '../../../platform/clock.js';
import { CONFIG, type Config } from '../../../platform/config/config.js';
import { randomCode, type Place } from '../../../platform/crypto/index.js';
import { Vault } from '../../../platform/database/vault.js';
import { Cursors, limitOf } from '../../../platform/http/cursors.js';
import type { Page } from '../../../platform/http/presenter.js';
import { newId } from '../../../platform/ids.js';
import { Outbox } from '../../../platform/outbox/outbox.js';
import type {
  CreateTransmission,
  DownloadsQuery,
  SentTransmissionView,
  TransmissionState,
  TransmissionView,
} from './download.dto.js';
import { DownloadFiles } from './download-files.js';
import type { DownloadFile, DownloadRow } from './download-job.js';
import { DownloadService } from './download.service.js';
import { noSuchFile, tooManyTransmissions, transmissionTooLarge } from './downloads.errors.js';
import { encryptedZip, type ZipEntry } from './encrypted-zip.js';
import { TransmissionRepository, type TransmissionRow } from './transmission.repository.js';

/** More is no patient who sends copies to doctors. */
const MOST_A_DAY = 20;
/** 120 bit: the file lies in strangers' mailboxes for years. */
const PASSPHRASE_GROUPS = 6;
/** Text packs to a tenth: so many times the limit are worth trying, and no more are held in memory. */
const MOST_UNPACKED = 4;
const ARCHIVE = 'health-record.zip';

const NOT_SENT =
  'Nobody has got this copy: the mail could not be sent. Look whether the address is right, and send it again; its passphrase will be a new one. Or fetch the files yourself and hand them over.';

const placeOf = (id: string): Place => ({ table: 'transmission', row: id, column: 'recipient' });

/**
 * Sends a copy of a chart to any address that the patient names (45 CFR 170.315(e)(1)(i)(C)), encrypted. The passphrase is
 * answered once to whoever sends, is kept nowhere, and is never in the mail.
 */
@Injectable()
export class TransmissionService {
  constructor(
    @Inject(CONFIG) private readonly config: Config,
    private readonly downloads: DownloadService,
    private readonly files: DownloadFiles,
    private readonly transmissions: TransmissionRepository,
    private readonly outbox: Outbox,
    private readonly vault: Vault,
    private readonly cursors: Cursors,
  ) {}

  async send(ctx: SignedIn, downloadId: string, input: CreateTransmission): Promise<SentTransmissionView> {
    const { row, files } = await this.downloads.ready(ctx, downloadId);
    const { patientId } = row;
    authorize(ctx, 'create', 'Transmission', { patientId });
    if ((await this.transmissions.sentSince(ctx, after(ctx.now, -86_400))) >= MOST_A_DAY) throw tooManyTransmissions();
    const chosen = this.chosen(files, input.files);
    const passphrase = randomCode(PASSPHRASE_GROUPS);
    const zip = await encryptedZip(this.entries(ctx, row, chosen), passphrase, ctx.now);
    if (zip.length > this.config.downloads.mailLimit) throw this.tooLarge(zip.length);
    const id = newId();
    const sent: TransmissionRow = {
      ...{ id, downloadId, patientId, accountId: ctx.actor.id, files: chosen.map(({ name }) => name) },
      recipient: (await this.vault.seal(ctx, `patient:${patientId}`, placeOf(id), input.to)).toString('base64'),
      ...{ bytes: zip.length, sha256: createHash('sha256').update(zip).digest('hex'), sentAt: ctx.now },
    };
    await this.transmissions.insert(ctx, sent);
    await this.outbox.mail(ctx, this.mail(input.to, zip), id);
    ctx.touch({ patientId, type: 'ChartDownload', id: downloadId });
    ctx.touch({ patientId, type: 'Transmission', id });
    return { ...viewOf(sent, input.to, 'waiting'), passphrase };
  }

  async list(ctx: SignedIn, patientId: string, query: DownloadsQuery): Promise<Page<TransmissionView>> {
    authorize(ctx, 'list', 'Transmission', { patientId });
    const list = `transmissions:${patientId}`;
    const [before] = this.cursors.open<[string]>(ctx, list, query) ?? [null];
    const rows = await this.transmissions.list(ctx, patientId, before, limitOf(query) + 1);
    const opened = await this.vault.openAll(
      ctx,
      rows.map(({ id, recipient }) => ({ place: placeOf(id), sealed: Buffer.from(recipient, 'base64') })),
    );
    const unsent = await this.outbox.unsent(
      ctx,
      rows.map(({ id }) => id),
    );
    const addresses = new Map(rows.map(({ id }, at) => [id, opened[at]!.toString('utf8')]));
    if (rows.length === 0) ctx.touch({ patientId, type: 'Patient', id: patientId });
    return this.cursors.page(
      ctx,
      list,
      query,
      rows,
      ({ id }) => [id],
      (row) => {
        ctx.touch({ patientId, type: 'Transmission', id: row.id });
        return viewOf(row, addresses.get(row.id)!, unsent.get(row.id) ?? 'handed-over');
      },
    );
  }

  /** None of them is read before all of them are known to be small enough: what packs, packs to less. */
  private chosen(files: readonly DownloadFile[], names: readonly string[] | undefined): DownloadFile[] {
    const chosen = names ? files.filter(({ name }) => names.includes(name)) : [...files];
    if (chosen.length === 0 || (names && chosen.length < names.length)) throw noSuchFile();
    const bytes = chosen.reduce((sum, file) => sum + file.bytes, 0);
    if (bytes > MOST_UNPACKED * this.config.downloads.mailLimit) throw this.tooLarge(bytes);
    return chosen;
  }

  private tooLarge(bytes: number) {
    return transmissionTooLarge(bytes, this.config.downloads.mailLimit);
  }

  private async *entries(ctx: SignedIn, row: DownloadRow, files: readonly DownloadFile[]): AsyncGenerator<ZipEntry> {
    for (const { name, bytes } of files) {
      const pieces =
        bytes === 0
          ? []
          : await Array.fromAsync(this.files.read(ctx.actor.id, row.id, name, { start: 0, end: bytes - 1 }));
      yield { name, bytes: Buffer.concat(pieces) };
    }
  }

  /** Nothing of the patient: who gets it was told by them, or knows nothing of it. */
  private mail(to: string, zip: Buffer) {
    const { name } = this.config.hospital;
    return {
      to,
      subject: `A copy of a health record, by way of ${name}`,
      text: [
        `Somebody has asked ${name} to send you this copy of a health record.`,
        `It is encrypted (ZIP, AES-256): open ${ARCHIVE} with 7-Zip, WinZip, Keka or the like. The passphrase comes to you from the person who sends it, by another way; ${name} does not know it.`,
        'If you do not know what this is about, delete it: without the passphrase nobody can read it.',
      ].join('\n\n'),
      attachments: [
        {
          filename: ARCHIVE,
          contentType: 'application/zip',
          content: zip.toString('base64'),
          encoding: 'base64' as const,
        },
      ],
    };
  }
}

function viewOf(row: TransmissionRow, to: string, status: TransmissionState): TransmissionView {
  const { id, downloadId, files, bytes, sha256, accountId } = row;
  const advice = status === 'failed' ? NOT_SENT : null;
  return { id, downloadId, to, files, bytes, sha256, accountId, sentAt: row.sentAt.toISOString(), status, advice };
}
