import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { isUtf8 } from 'node:buffer';
import { Injectable } from '@nestjs/common';
import { readAdvice } from '../../fhir/index.js';
import { decode, Hl7Fault } from '../../hl7/index.js';
import { authorize, type SignedIn } from '../../platform/access/context.js';
import { Vault } from '../../platform/database/vault.js';
import { Cursors, limitOf } from '../../platform/http/cursors.js';
import { staleVersion } from '../../platform/http/if-match.js';
import { RawJson, type Page } from '../../platform/http/presenter.js';
import { notFound, Problem } from '../../platform/http/problem.js';
import { newId } from '../../platform/ids.js';
import { Hl7Messages } from './hl7-messages.js';
import { ImportJobs } from './import-jobs.js';
import { outcomeOf } from './import.view.js';
import { ImportWorker } from './import-worker.js';
import type { QuarantineItem, QuarantineQuery, QuarantineView, RetryAccepted } from './quarantine.dto.js';
import { QuarantineRepository, type QuarantineRow, type SealedQuarantine } from './quarantine.repository.js';
import { MESSAGE, quarantinePlace, QuarantineStore } from './quarantine.store.js';
import { bodyTooLarge, noHl7Feed, otherRecord, quarantineSettled, wrongMediaType } from './records.errors.js';

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
    private readonly messages: Hl7Messages,
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
    const bytes = await bytesOf(body);
    const row = await this.find(ctx, id, 'update');
    if (row.version !== version) throw staleVersion();
    if (row.state !== 'open') throw quarantineSettled();
    if (row.type === MESSAGE) return this.correctMessage(ctx, row, bytes);
    const text = textOf(bytes);
    const { resourceType, facts, findings } = await this.worker.inspect(text);
    if (resourceType !== undefined && (resourceType !== row.type || facts.sourceId !== row.sourceId))
      throw otherRecord();
    if (resourceType === undefined) {
      const [finding] = findings;
      throw new Problem(400, `records.${finding?.code ?? 'malformed-json'}`, finding?.detail ?? 'This is no resource.');
    }
    return this.put(ctx, row, text, findings);
  }

  /** Another text of the same message, by its id and sender: looked at as the feed's own. */
  private async correctMessage(ctx: SignedIn, row: SealedQuarantine, bytes: Buffer): Promise<QuarantineView> {
    const { inspector } = this.worker;
    const feed = this.messages.feedOf(row.source);
    if (feed === undefined) throw noHl7Feed();
    const text = readText(bytes, feed.charset);
    const sent = await this.vault.open(ctx, quarantinePlace(row.id, 'resource'), Buffer.from(row.resource, 'base64'));
    const before = await this.messages.prepare(sent.toString('utf8'), feed, inspector);
    const prepared = await this.messages.prepare(text, feed, inspector);
    const { header, fault } = prepared;
    if (header === null)
      throw new Problem(400, 'records.not-a-message', fault?.message ?? 'This is no HL7 v2 message.');
    if (header.controlId !== row.sourceId || header.sender !== before.header?.sender) throw otherRecord();
    return this.put(ctx, row, text, this.messages.check(prepared, row.source));
  }

  private async put(
    ctx: SignedIn,
    row: SealedQuarantine,
    text: string,
    findings: Parameters<QuarantineRepository['correct']>[3],
  ): Promise<QuarantineView> {
    const sealed = await this.store.sealed(ctx, row.source, row.id, 'corrected', text);
    if (!(await this.rows.correct(ctx, row, sealed.toString('base64'), findings))) throw staleVersion();
    return this.view(ctx, await this.find(ctx, row.id, 'read'));
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
    const open = (column: 'resource' | 'corrected', sealed: string): Promise<Buffer> =>
      this.vault.open(ctx, quarantinePlace(row.id, column), Buffer.from(sealed, 'base64'));
    const sent = await open('resource', resource);
    const put = corrected === null ? null : await open('corrected', corrected);
    const nothing = { resource: null, corrected: null, message: null, correctedMessage: null };
    if (row.type === MESSAGE)
      return {
        ...itemOf(rest),
        ...nothing,
        message: sent.toString('utf8'),
        correctedMessage: put?.toString('utf8') ?? null,
      };
    return { ...itemOf(rest), ...nothing, resource: new RawJson(sent), corrected: put && new RawJson(put) };
  }
}

async function bytesOf(body: unknown): Promise<Buffer> {
  if (!(body instanceof Readable)) throw wrongMediaType();
  let bytes = 0;
  const bounded = async function* (): AsyncGenerator<Buffer> {
    for await (const chunk of body as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > MAX_BYTES) throw bodyTooLarge(MAX_BYTES);
      yield chunk;
    }
  };
  return buffer(bounded());
}

/** Letters by MSH-18, as the feed's own messages are read. */
function readText(bytes: Buffer, charset: string): string {
  try {
    return decode(bytes, charset).text;
  } catch (error) {
    if (error instanceof Hl7Fault) throw new Problem(400, 'records.not-a-message', error.message);
    throw error;
  }
}

function textOf(text: Buffer): string {
  if (!isUtf8(text)) throw new Problem(400, 'records.invalid-utf8', readAdvice('invalid-utf8'));
  return text.toString('utf8');
}
