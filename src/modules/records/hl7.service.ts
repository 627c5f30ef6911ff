import { buffer } from 'node:stream/consumers';
import { Readable } from 'node:stream';
import { Inject, Injectable } from '@nestjs/common';
import {
  answersTo,
  batchOf,
  decode,
  encode,
  EVENTS,
  Hl7Fault,
  messagesOf,
  peekHeader,
  type Hl7Header,
  type Verdict,
} from '../../hl7/index.js';
import { AuditSink } from '../../platform/access/audit-sink.js';
import { authorize, type SignedIn } from '../../platform/access/context.js';
import type { Touch } from '../../platform/access/trail.js';
import { Clock } from '../../platform/clock.js';
import { CONFIG, type Config } from '../../platform/config/config.js';
import type { Hl7Feed } from '../../platform/config/hl7-feeds.js';
import { Database } from '../../platform/database/database.js';
import { notFound } from '../../platform/http/problem.js';
import { newId } from '../../platform/ids.js';
import { Logger } from '../../platform/logging/logger.js';
import { Hl7Messages, isSenderOf, type Prepared } from './hl7-messages.js';
import { Hl7Repository } from './hl7.repository.js';
import type { Upload } from './import.service.js';
import { ImportWorker } from './import-worker.js';
import { bodyTooLarge, HL7_TYPES, importsBusy, noHl7Feed, notAMessage } from './records.errors.js';
import { Turns } from './turns.js';

// A message is in memory a few times while it is worked.
const AT_ONCE = { running: 4, waiting: 200 };

interface Answered {
  header: Hl7Header | null;
  verdict: Verdict;
}

/** Bytes that were sent as one piece: a message, or a batch of them. */
interface Sent {
  charset: string;
  isBatch: boolean;
  messages: string[];
}

export interface Hl7Answer {
  /** Acknowledgements, each by itself; a batch's are one. */
  answers: Buffer[];
  /** The worst of the verdicts. */
  status: number;
  /** Of each message, in words of our own: its kind where it is one that is taken, and how it was acknowledged. */
  verdicts: readonly { kind: string; code: Verdict['code'] }[];
}

const STATUS = { AA: 200, AE: 422, AR: 400 } as const;
const LATER = 'The portal cannot take messages right now: send it again.';

/** HL7 v2 messages as they come: over HTTP in the request of their feed, over MLLP with no more than what they say of themselves. */
@Injectable()
export class Hl7Service {
  /** Apart, so that slow uploads of one feed do not hold up what others have sent whole. */
  private readonly uploads = new Turns(AT_ONCE, importsBusy);
  private readonly frames = new Turns(AT_ONCE, importsBusy);
  private readonly maxBytes: number;

  constructor(
    @Inject(CONFIG) config: Config,
    private readonly messages: Hl7Messages,
    private readonly rows: Hl7Repository,
    private readonly worker: ImportWorker,
    private readonly database: Database,
    private readonly sink: AuditSink,
    private readonly clock: Clock,
    private readonly logger: Logger,
  ) {
    this.maxBytes = config.hl7.maxBytes;
  }

  /** In the request's transaction: nothing is answered before it is committed, its event with it. */
  async overHttp(ctx: SignedIn, { body, mediaType, length }: Upload): Promise<Hl7Answer> {
    authorize(ctx, 'import', 'Import', { accountId: ctx.actor.id });
    if (ctx.actor.source === null) throw notFound();
    const feed = this.messages.feedOf(ctx.actor.source);
    if (feed === undefined) throw noHl7Feed();
    if (!(body instanceof Readable) || !HL7_TYPES.includes(mediaType)) throw notAMessage();
    if (length !== undefined && length > this.maxBytes) throw bodyTooLarge(this.maxBytes);
    const owner = { accountId: ctx.actor.id, source: feed.source };
    return this.uploads.take(async () => {
      const bytes = await this.bytesOf(body);
      return this.answered(bytes, feed, (prepared) =>
        this.messages.take(
          ctx,
          prepared,
          owner,
          { requestId: ctx.requestId, sessionId: ctx.actor.sessionId },
          this.worker.tools,
        ),
      );
    });
  }

  /**
   * As the account of the one feed that may send this, of those that the connection stands for. Each message is committed with its
   * event before it is acknowledged; what goes wrong here is said as AR 207, and never kept.
   */
  async overMllp(bytes: Buffer, feeds: readonly Hl7Feed[]): Promise<Hl7Answer> {
    const feed = feeds.find((one) => isFrom(bytes, one)) ?? feeds[0];
    if (feed === undefined) throw new Error('a connection that stands for no feed');
    try {
      return await this.frames.take(() =>
        this.answered(bytes, feed, async (prepared) => {
          const verdict = await this.commit(prepared, feed);
          if (verdict.code === 'AR') await this.refused(prepared);
          return verdict;
        }),
      );
    } catch (error) {
      this.logger.error('a message could not be taken', error);
      return this.answered(bytes, feed, () => Promise.resolve(unavailable()));
    }
  }

  private async commit(prepared: Prepared, feed: Hl7Feed): Promise<Verdict> {
    if (!this.sink.takesRequests) return unavailable();
    const accountId = await this.rows.accountOf(feed.source);
    if (accountId === null)
      return { code: 'AR', errors: [{ ...NOBODY, detail: 'Nobody may speak for this feed now.' }] };
    const afterCommit: (() => void)[] = [];
    const touches: Touch[] = [];
    const [now, requestId] = [this.clock.now(), newId()];
    const verdict = await this.database.write(accountId, async (db) => {
      const ctx = {
        db,
        now,
        touch: (touch: Touch) => void touches.push(touch),
        afterCommit: (action: () => void) => void afterCommit.push(action),
      };
      const owner = { accountId, source: feed.source };
      const taken = await this.messages.take(ctx, prepared, owner, { requestId, sessionId: null }, this.worker.tools);
      if (touches.length > 0)
        await this.sink.work(db, {
          code: 'Import.import',
          act: 'C',
          accountId,
          sessionId: null,
          requestId,
          at: now,
          touches,
        });
      return taken;
    });
    for (const action of afterCommit) action();
    return verdict;
  }

  /** What was refused over MLLP has no request that would tell of it. */
  private async refused({ fault }: Prepared): Promise<void> {
    const at = this.clock.now();
    const fact = {
      code: 'Import.import',
      act: 'C' as const,
      accountId: '',
      sessionId: null,
      reason: fault?.code ?? 'not-now',
      at,
      outcome: 4 as const,
    };
    await this.database.write(null, (db) => this.sink.system(db, fact));
  }

  /** All messages of what was sent, one after the other, in their order. */
  private async answered(
    bytes: Buffer,
    feed: Hl7Feed,
    take: (prepared: Prepared) => Promise<Verdict>,
  ): Promise<Hl7Answer> {
    const results: Answered[] = [];
    let sent: Sent = { charset: 'UNICODE UTF-8', isBatch: false, messages: [] };
    try {
      const { text, charset } = decode(bytes, feed.charset);
      sent = { charset, ...messagesOf(text) };
    } catch (error) {
      if (!(error instanceof Hl7Fault)) throw error;
      results.push({ header: null, verdict: await take(unreadable(error)) });
    }
    for (const text of sent.messages) {
      const prepared = await this.messages.prepare(text, feed, this.worker.inspector);
      results.push({ header: prepared.header, verdict: await take(prepared) });
    }
    const answering = { now: this.clock.now(), nextId };
    const answers = results.flatMap(({ header, verdict }) => answersTo(header, verdict, answering));
    const texts = sent.isBatch ? [batchOf(answers)] : answers;
    const status = Math.max(200, ...results.map(({ verdict }) => STATUS[verdict.code]));
    const verdicts = results.map(({ header, verdict }) => ({ kind: kindOf(header), code: verdict.code }));
    return { answers: texts.map((text) => encode(text, sent.charset)), status, verdicts };
  }

  private async bytesOf(body: Readable): Promise<Buffer> {
    const { maxBytes } = this;
    let size = 0;
    const bounded = async function* (): AsyncGenerator<Buffer> {
      // Ending the loop early must not destroy the stream: that would cut the connection before the answer.
      for await (const chunk of body.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
        size += chunk.length;
        if (size > maxBytes) throw bodyTooLarge(maxBytes);
        yield chunk;
      }
    };
    try {
      return await buffer(bounded());
    } catch (error) {
      body.on('error', () => undefined);
      body.resume();
      throw error;
    }
  }
}

const NOBODY = { error: '207' as const, place: { line: 1, segment: 'MSH', sequence: 1 } };
const unavailable = (): Verdict => ({ code: 'AR', errors: [{ ...NOBODY, detail: LATER }] });

/** Whatever a sender may write is no label of a number. */
function kindOf(header: Hl7Header | null): string {
  const kind = header === null ? '' : `${header.type}^${header.event}`;
  return EVENTS.has(kind) ? kind : 'other';
}

/** By what the first message says of itself; whether that is so is looked at for each of them once more. */
function isFrom(bytes: Buffer, feed: Hl7Feed): boolean {
  const header = peekHeader(bytes, feed.charset);
  return header !== null && isSenderOf(feed, header);
}

const unreadable = (fault: Hl7Fault): Prepared => ({
  ...{ text: '', header: null, fault, message: null, sentAt: undefined },
  ...{ entries: [], priors: [], merges: [] },
});

/** Twenty letters: MSH-10 of versions before 2.7 holds no more. */
const nextId = (): string => newId().replaceAll('-', '').slice(-20);
