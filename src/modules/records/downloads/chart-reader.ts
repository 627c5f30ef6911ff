import { Injectable } from '@nestjs/common';
import { demographicsOf } from '../../../fhir/index.js';
import { AbilityFactory, type Person } from '../../../platform/access/ability-factory.js';
import type { SignedIn } from '../../../platform/access/context.js';
import { ctxOfNobody } from '../../../platform/access/operator.js';
import type { Touch } from '../../../platform/access/trail.js';
import { Clock } from '../../../platform/clock.js';
import { Database } from '../../../platform/database/database.js';
import { Vault } from '../../../platform/database/vault.js';
import { Events } from '../../../platform/events/events.js';
import type { RawJson } from '../../../platform/http/presenter.js';
import { Charts, People, type RegisteredPatient } from '../../users/index.js';
import { AttachmentService, type StoredAttachment } from '../attachment.service.js';
import { ChartService, type Glance } from '../chart.service.js';
import { recordsOf } from '../record-line.js';
import type { RecordView } from '../record.dto.js';
import { RecordRepository } from '../record.repository.js';
import type { DownloadJob } from './download-job.js';

/** Records of one statement: a page's resources are in memory together. */
const PAGE = 100;
/** Points of a trend on paper. */
const POINTS = 60;

/** Told of every record that was read. */
type Touched = (touch: Touch) => void;

/** Who treats the patient as well takes the copy as patient or for them: what is held back is not in it. */
const asPatient = (person: Person): Person => ({
  ...person,
  roles: new Set([...person.roles].filter((role) => role === 'patient' || role === 'proxy')),
  panel: new Set(),
});

/**
 * A chart as whoever asked for the download sees it while it is written: the statements of lists and summary, under their rules and row
 * policies of now. Nothing here decides what they see.
 */
@Injectable()
export class ChartReader {
  constructor(
    private readonly database: Database,
    private readonly people: People,
    private readonly abilities: AbilityFactory,
    private readonly records: RecordRepository,
    private readonly charts: ChartService,
    private readonly attachments: AttachmentService,
    private readonly registry: Charts,
    private readonly vault: Vault,
    private readonly events: Events,
    private readonly clock: Clock,
  ) {}

  /** Latest first, page by page. */
  async *pages(job: DownloadJob, touched: Touched): AsyncGenerator<RecordView[], void, undefined> {
    for (let after: readonly [string, string] | null = null, isMore = true; isMore;) {
      const page: { views: RecordView[]; last: readonly [string, string] | null; isFull: boolean } = await this.as(
        job,
        touched,
        async (ctx) => {
          const filter = { ...job.filter.part, oldestFirst: false, after, limit: PAGE };
          const rows = await this.records.list(ctx, job.patientId, filter);
          const last = rows.at(-1);
          return {
            views: await recordsOf(ctx, this.vault, rows),
            last: last ? ([last.sort_at, last.record_id] as const) : null,
            isFull: rows.length === PAGE,
          };
        },
      );
      if (page.views.length > 0) yield page.views;
      ({ last: after, isFull: isMore } = page);
    }
  }

  /** Contents that lie apart from the record. */
  stored(job: DownloadJob, { id, version }: RecordView, touched: Touched): Promise<StoredAttachment[]> {
    return this.as(job, touched, (ctx) => this.attachments.stored(ctx, id, version));
  }

  count(job: DownloadJob): Promise<number> {
    return this.as(
      job,
      () => undefined,
      (ctx) => this.records.count(ctx, job.patientId, job.filter.part),
    );
  }

  glance(job: DownloadJob, touched: Touched): Promise<Glance> {
    return this.as(job, touched, (ctx) => this.charts.glance(ctx, job.patientId, job.filter.part, POINTS));
  }

  /** As the register has the patient; for those who do not see it, such as proxies, as the chart's own record of them; else null. */
  person(job: DownloadJob): Promise<RegisteredPatient | null> {
    return this.as(
      job,
      () => undefined,
      async (ctx) => {
        const { patientId } = job;
        const registered = await this.registry.registered(ctx, patientId);
        if (registered) return registered;
        const filter = { types: ['Patient'], oldestFirst: false, after: null, limit: PAGE };
        const row = (await this.records.list(ctx, patientId, filter)).find(({ record_id: id }) => id === patientId);
        if (!row) return null;
        const [view] = await recordsOf(ctx, this.vault, [row]);
        const { family, given, birthDate } = demographicsOf(
          JSON.parse((view!.resource as RawJson).bytes.toString('utf8')),
        );
        return { family: family ?? '', given, birthDate: birthDate ?? null, sex: 'unknown' };
      },
    );
  }

  /** With the roles, charts and grants that the account has at this moment. */
  private async as<T>(job: DownloadJob, touched: Touched, work: (ctx: SignedIn) => Promise<T>): Promise<T> {
    const now = this.clock.now();
    const db = this.database.openRead(job.accountId);
    try {
      const person = asPatient((await this.people.loadPerson(db, job.accountId, now)).person);
      const assurance = { acr: 'aal1', amr: [], authTime: job.createdAt } as const;
      const actor = { ...person, sessionId: job.sessionId, assurance, ability: this.abilities.for(person) };
      const base = ctxOfNobody(db, now, this.events, []);
      return await work({ ...base, actor, requestId: job.requestId, touch: touched });
    } finally {
      await db.release();
    }
  }
}
