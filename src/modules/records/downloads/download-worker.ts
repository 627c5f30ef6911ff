import { Inject, Injectable } from '@nestjs/common';
import { AuditSink } from '../../../platform/access/audit-sink.js';
import type { Touch } from '../../../platform/access/trail.js';
import { Clock } from '../../../platform/clock.js';
import { CONFIG, type Config } from '../../../platform/config/config.js';
import { Database } from '../../../platform/database/database.js';
import { attachmentsOf } from './attachments.js';
import { ChartReader } from './chart-reader.js';
import { DownloadFailure, type DownloadJob, type Turn } from './download-job.js';
import { DownloadFiles } from './download-files.js';
import { DownloadRepository } from './download.repository.js';
import type { Format } from './download.dto.js';
import { collectionOf } from './fhir-collection.js';
import { pageOf } from './html/page.js';
import { summaryOf } from './ips/summary.js';
import { PdfThread } from './pdf/pdf-thread.js';
import { pdfHeadOf, pdfSourceOf } from './pdf/printed-pdf.js';
import { personOf, type Printed } from './printed.js';

const FILES: Record<Format, { name: string; mediaType: string }> = {
  fhir: { name: 'health-record.json', mediaType: 'application/fhir+json' },
  ips: { name: 'patient-summary.json', mediaType: 'application/fhir+json' },
  html: { name: 'health-record.html', mediaType: 'text/html; charset=utf-8' },
  pdf: { name: 'health-record.pdf', mediaType: 'application/pdf' },
};

type MayGoOn = () => void;
type Content = AsyncIterable<string | Uint8Array>;

/** Writes the files of one download; each that is whole is kept, with the event of what was read for it. */
@Injectable()
export class DownloadWorker {
  constructor(
    @Inject(CONFIG) private readonly config: Config,
    private readonly downloads: DownloadRepository,
    private readonly files: DownloadFiles,
    private readonly reader: ChartReader,
    private readonly database: Database,
    private readonly sink: AuditSink,
    private readonly clock: Clock,
    private readonly pdf: PdfThread,
  ) {}

  /** `mayGoOn` is asked between pages. Throws Superseded when the turn was lost, DownloadFailure when another try would be for nothing. */
  async work(turn: Turn, mayGoOn: MayGoOn): Promise<void> {
    const job = await this.database.write(turn.accountId, (db) => this.downloads.begin({ db }, turn));
    if (!job) throw new DownloadFailure('access-ended');
    const whole = await this.whole(job);
    const units = job.formats.length + 1;
    const each = await this.reader.count(job);
    job.recordsTotal = units * each;
    job.records = each * job.formats.filter((format) => whole.has(FILES[format].name)).length;
    for (const format of job.formats) if (!whole.has(FILES[format].name)) await this.format(job, format, mayGoOn);
    await this.attachments(job, mayGoOn);
    job.records = job.recordsTotal;
    await this.database.write(job.accountId, async (db) => {
      await this.downloads.progress({ db }, job);
      await this.downloads.ready({ db, now: this.clock.now() }, job);
    });
  }

  private async whole({ id, accountId }: DownloadJob): Promise<Set<string>> {
    const db = this.database.openRead(accountId);
    try {
      return new Set((await this.downloads.files({ db }, [id])).get(id)?.map(({ name }) => name));
    } finally {
      await db.release();
    }
  }

  private async format(job: DownloadJob, format: Format, mayGoOn: MayGoOn): Promise<void> {
    const touches: Touch[] = [];
    const printed = await this.printed(job, touches, mayGoOn);
    const contents: Record<Format, () => Content> = {
      fhir: () => collectionOf(printed),
      ips: () => summaryOf(printed),
      html: () => pageOf(printed),
      pdf: () => this.pdf.write(pdfHeadOf(printed, this.config), pdfSourceOf(printed)),
    };
    await this.file(job, FILES[format], contents[format](), touches);
  }

  /** Documents that stand in records come along as files of their own. */
  private async attachments(job: DownloadJob, mayGoOn: MayGoOn): Promise<void> {
    let count = 0;
    const touches: Touch[] = [];
    const printed = await this.printed(job, touches, mayGoOn);
    for await (const views of printed.pages())
      for (const view of views)
        for await (const { extension, mediaType, bytes } of attachmentsOf(view, printed)) {
          const name = `attachment-${++count}.${extension}`;
          await this.file(job, { name, mediaType }, bytes, [
            { patientId: job.patientId, type: view.type, id: view.id },
          ]);
        }
  }

  private async printed(job: DownloadJob, touches: Touch[], mayGoOn: MayGoOn): Promise<Printed> {
    const { reader, clock, config } = this;
    const touched = (touch: Touch): void => void touches.push(touch);
    async function* pages() {
      for await (const views of reader.pages(job, touched)) {
        mayGoOn();
        job.records += views.length;
        yield views;
      }
    }
    return {
      job,
      madeAt: clock.now(),
      hospital: config.hospital.name,
      person: personOf(await this.reader.person(job), job.patientId),
      pages,
      stored: (view) => reader.stored(job, view, touched),
      glance: () => reader.glance(job, touched),
    };
  }

  private async file(
    job: DownloadJob,
    { name, mediaType }: { name: string; mediaType: string },
    content: Content,
    touches: readonly Touch[],
  ): Promise<void> {
    const writer = await this.files.write(job, () => this.clock.now(), name, mediaType);
    for await (const bytes of content) await writer.add(bytes);
    const file = await writer.done();
    const now = this.clock.now();
    const afterCommit: (() => void)[] = [];
    await this.database.write(job.accountId, async (db) => {
      await this.downloads.progress({ db }, job);
      await this.files.finish({ db, now, afterCommit: (action) => void afterCommit.push(action) }, job, file);
      await this.sink.work(db, {
        ...{ code: 'ChartDownload.create', act: 'R', accountId: job.accountId, sessionId: job.sessionId },
        ...{ requestId: job.requestId, at: now, touches: this.told(job, touches) },
      });
    });
    for (const action of afterCommit) action();
  }

  /** The download first, then what was read for it, each record once. */
  private told({ id, patientId }: DownloadJob, touches: readonly Touch[]): Touch[] {
    const each = new Map(touches.map((touch) => [touch.id, touch]));
    return [{ patientId, type: 'ChartDownload', id }, ...each.values()];
  }
}
