import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { isUtf8 } from 'node:buffer';
import { Injectable } from '@nestjs/common';
import { readAdvice } from '../../fhir/index.js';
import { authorize, type SignedIn } from '../../platform/access/context.js';
import { Vault } from '../../platform/database/vault.js';
import { Cursors, limitOf } from '../../platform/http/cursors.js';
import { staleVersion } from '../../platform/http/if-match.js';
import { RawJson, type Page } from '../../platform/http/presenter.js';
import { notFound, Problem } from '../../platform/http/problem.js';
import { newId } from '../../platform/ids.js';
import { ImportJobs } from './import-jobs.js';
import { outcomeOf } from './import.view.js';
import { ImportWorker } from './import-worker.js';
import type { QuarantineItem, QuarantineQuery, QuarantineView, RetryAccepted } from './quarantine.dto.js';
import { QuarantineRepository, type QuarantineRow, type SealedQuarantine } from './quarantine.repository.js';
import { quarantinePlace, QuarantineStore } from './quarantine.store.js';
import { bodyTooLarge, otherRecord, quarantineSettled, wrongMediaType } from './records.errors.js';

/** As large as an entry of an import may be. */
const MAX_BYTES = 16 * 1024 * 1024;

const itemOf = ({ findings, receivedAt, changedAt, ...row }: QuarantineRow): QuarantineItem => ({
  ...row,
  operationOutcome: outcomeOf(findings),
  receivedAt: receivedAt.toISOString(),
  changedAt: changedAt.toISOString(),
});

/** The work list of records that are no good R4: looked at, put right, tried again, or discarded for a reason. */
@Injectable()
export class QuarantineService {
  constructor(
    private readonly rows: QuarantineRepository,
    private readonly store: QuarantineStore,
    private readonly worker: ImportWorker,
    private readonly jobs: ImportJobs,
    private readonly vault: Vault,
    private readonly cursors: Cursors,
  ) {}

  async list(ctx: SignedIn, query: QuarantineQuery): Promise<Page<QuarantineItem>> {
    const [after] = this.cursors.open<[string]>(ctx, 'quarantine', query) ?? [null];
    const { state = 'open', source } = query;
    const rows = await this.rows.list(ctx, { state, source, after, limit: limitOf(query) + 1 });
    const page = this.cursors.page(ctx, 'quarantine', query, rows, ({ id }) => [id], itemOf);
    for (const { id } of page.items) ctx.touch({ patientId: null, type: 'Quarantine', id });
    return page;
  }

  async get(ctx: SignedIn, id: string): Promise<QuarantineView> {
    return this.view(ctx, await this.find(ctx, id, 'read'));
  }

  /** Puts another text in its place, looked at as an import would; whether it is good now, the answer says. */
  async correct(ctx: SignedIn, id: string, version: number, body: unknown): Promise<QuarantineView> {
    // Before the first statement: a slow sender holds no transaction open.
    const text = await textOf(body);
    const row = await this.find(ctx, id, 'update');
    if (row.version !== version) throw staleVersion();
    if (row.state !== 'open') throw quarantineSettled();
    const { resourceType, facts, findings } = await this.worker.inspect(text);
    if (resourceType !== undefined && (resourceType !== row.type || facts.sourceId !== row.sourceId))
      throw otherRecord();
    if (resourceType === undefined) {
      const [finding] = findings;
      throw new Problem(400, `records.${finding?.code ?? 'malformed-json'}`, finding?.detail ?? 'This is no resource.');
    }
    const sealed = await this.store.sealed(ctx, row.source, id, 'corrected', text);
    if (!(await this.rows.correct(ctx, row, sealed.toString('base64'), findings))) throw staleVersion();
    return this.view(ctx, await this.find(ctx, id, 'read'));
  }

  async retry(ctx: SignedIn, id: string): Promise<RetryAccepted> {
    await this.find(ctx, id, 'confirm');
    if (!(await this.rows.retry(ctx, id, newId()))) throw quarantineSettled();
    ctx.afterCommit(() => this.jobs.wake());
    return { id, state: 'retrying' };
  }

  async discard(ctx: SignedIn, id: string, reason: string): Promise<QuarantineView> {
    await this.find(ctx, id, 'decline');
    if (!(await this.rows.discard(ctx, id, reason))) throw quarantineSettled();
    return this.view(ctx, await this.find(ctx, id, 'read'));
  }

  private async find(
    ctx: SignedIn,
    id: string,
    action: 'read' | 'update' | 'confirm' | 'decline',
  ): Promise<SealedQuarantine> {
    const row = await this.rows.find(ctx, id);
    if (!row) throw notFound();
    authorize(ctx, action, 'Quarantine', row);
    ctx.touch({ patientId: null, type: 'Quarantine', id, version: row.version });
    return row;
  }

  private async view(ctx: SignedIn, row: SealedQuarantine): Promise<QuarantineView> {
    const { resource, corrected, ...rest } = row;
    const open = async (column: 'resource' | 'corrected', sealed: string): Promise<RawJson> =>
      new RawJson(await this.vault.open(ctx, quarantinePlace(row.id, column), Buffer.from(sealed, 'base64')));
    return {
      ...itemOf(rest),
      resource: await open('resource', resource),
      corrected: corrected === null ? null : await open('corrected', corrected),
    };
  }
}

async function textOf(body: unknown): Promise<string> {
  if (!(body instanceof Readable)) throw wrongMediaType();
  let bytes = 0;
  const bounded = async function* (): AsyncGenerator<Buffer> {
    for await (const chunk of body as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > MAX_BYTES) throw bodyTooLarge(MAX_BYTES);
      yield chunk;
    }
  };
  const text = await buffer(bounded());
  if (!isUtf8(text)) throw new Problem(400, 'records.invalid-utf8', readAdvice('invalid-utf8'));
  return text.toString('utf8');
}
