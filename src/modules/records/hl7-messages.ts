import type { KeyObject } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import {
  ACCEPTED,
  CHARSET_NAMES,
  Hl7Fault,
  readMessage,
  translate,
  type Hl7Header,
  type ReadMessage,
  type Translated,
  type Verdict,
} from '../../hl7/index.js';
import type { ResourceInspector } from '../../fhir/index.js';
import { CONFIG, ConfigError, type Config } from '../../platform/config/config.js';
import type { Hl7Feed } from '../../platform/config/hl7-feeds.js';
import { hmac, KeyRing } from '../../platform/crypto/index.js';
import { newId } from '../../platform/ids.js';
import { Hl7Repository, type Asking, type MessageKey } from './hl7.repository.js';
import { candidatesOf, keyOf, type Broken, type Candidate } from './import-candidates.js';
import type { InspectedEntry } from './import-intake.js';
import type { Delivery, ImportCtx } from './import-job.js';
import { ImportJobRepository } from './import-job.repository.js';
import { ImportRelease } from './import-release.js';
import { ImportReport } from './import-report.js';
import { Spills } from './attachment-spills.js';
import { ImportRun, MERGES, type Tools } from './import-run.js';
import { MESSAGE } from './quarantine.store.js';

type Finding = Broken['findings'][number];
type Errors = Verdict['errors'];

/** A message that was looked at, without a look at what is stored. */
export interface Prepared {
  text: string;
  /** Null: its MSH cannot be read. */
  header: Hl7Header | null;
  /** Why it cannot be taken; then there is nothing else. */
  fault: Hl7Fault | null;
  message: ReadMessage | null;
  sentAt: string | undefined;
  entries: InspectedEntry[];
  /** Only for patients that were never heard of. */
  priors: { sourceId: string; entry: InspectedEntry }[];
  merges: Translated['merges'];
}

/** Of letting go what waited for this message; what is left after so many, the import's job does. */
const MAX_STEPS = 3;
const MAC_HEAD = 'portico/hl7-message/1\0';

/** HL7 v2 messages → records, by the way of all imports; one that cannot be taken lies on the work list, as a whole. */
@Injectable()
export class Hl7Messages {
  private readonly feeds: ReadonlyMap<string, Hl7Feed>;
  private readonly hospitalMrnSystem: string;
  private readonly macKeys: readonly KeyObject[];

  constructor(
    @Inject(CONFIG) config: Config,
    private readonly rows: Hl7Repository,
    private readonly jobs: ImportJobRepository,
    ring: KeyRing,
  ) {
    const unknown = config.hl7.feeds.filter(({ charset }) => !CHARSET_NAMES.includes(charset));
    if (unknown.length > 0)
      throw new ConfigError(
        unknown.map(({ source }) => `HL7_FEEDS_FILE: ${source}: charset must be one of ${CHARSET_NAMES.join(', ')}`),
      );
    this.feeds = new Map(config.hl7.feeds.map((feed) => [feed.source, feed]));
    this.hospitalMrnSystem = config.hospital.mrnSystem;
    this.macKeys = ring.subkeys('records/hl7-message');
  }

  feedOf(source: string): Hl7Feed | undefined {
    return this.feeds.get(source);
  }

  /** Reads, translates and inspects a message; never throws for what is in it. */
  async prepare(text: string, feed: Hl7Feed, inspector: ResourceInspector): Promise<Prepared> {
    const prepared: Prepared = {
      text,
      header: null,
      fault: null,
      message: null,
      sentAt: undefined,
      entries: [],
      priors: [],
      merges: [],
    };
    try {
      const message = (prepared.message = readMessage(text));
      const header = (prepared.header = message.header);
      if (!isSenderOf(feed, header))
        throw header.segment.fault('sender', '103', 4, 'This sender is not on the list of the feed.', true);
      const { sentAt, records, priors, merges } = translate(message, feed, this.hospitalMrnSystem);
      const inspections = await inspector.inspectMany([...records, ...priors].map((one) => one.text));
      const all = [...records, ...priors].map((one, at) => ({
        index: one.line,
        part: at,
        resource: { text: one.text, inspection: inspections[at]! },
      }));
      prepared.entries = all.slice(0, records.length);
      prepared.priors = priors.map(({ sourceId }, at) => ({ sourceId, entry: all[records.length + at]! }));
      Object.assign(prepared, { sentAt, merges });
    } catch (error) {
      if (!(error instanceof Hl7Fault)) throw error;
      prepared.fault = error;
    }
    return prepared;
  }

  /**
   * Takes a message in the caller's transaction, as the feed's account: stored with its events (AA), on the work list (AE), or not at
   * all (AR). The same message again changes nothing.
   */
  async take(
    ctx: ImportCtx,
    prepared: Prepared,
    owner: Pick<Delivery, 'accountId' | 'source'>,
    asking: Asking,
    tools: Tools,
  ): Promise<Verdict> {
    const { header, fault, text } = prepared;
    if (header === null || fault?.isReject === true) return { code: 'AR', errors: errorsOf(prepared, null) };
    await tools.feed.begin(ctx, owner.source);
    const key = this.keyOf(header, text);
    const before = await this.rows.taken(ctx, owner.source, key);
    const importId = before ?? newId();
    ctx.touch({ patientId: null, type: 'Import', id: importId });
    if (before !== null) return ACCEPTED;
    const delivery: Delivery = { importId, ...owner, fileId: null, messageId: header.controlId };
    await this.rows.open(ctx, delivery, Buffer.byteLength(text), asking);
    const report = new ImportReport('hl7-v2');
    const findings = await this.store(ctx, prepared, delivery, report, tools);
    if (findings.length > 0) await this.setAside(ctx, prepared, delivery, findings, tools);
    await this.tell(ctx, delivery, findings.length > 0 ? asideReport(findings) : report, tools);
    return findings.length === 0 ? ACCEPTED : { code: 'AE', errors: errorsOf(prepared, report) };
  }

  /** Stores all that came of a message, or nothing: then it says why. Also for one that is tried again. */
  async store(
    ctx: ImportCtx,
    prepared: Prepared,
    delivery: Delivery,
    report: ImportReport,
    tools: Tools,
  ): Promise<Finding[]> {
    const { fault, header, entries, priors, merges } = prepared;
    if (fault !== null || header === null) return findingsOf(prepared, null);
    await tools.feed.begin(ctx, delivery.source);
    const keys = priors.map(({ sourceId }) => ({ type: 'Patient', sourceId }));
    const known = new Set((await tools.feed.known(ctx, delivery.source, keys)).map(({ sourceId }) => sourceId));
    const unheardOf = priors.filter(({ sourceId }) => !known.has(sourceId)).map(({ entry }) => entry);
    const identified = candidatesOf([...entries, ...unheardOf], report, delivery.source);
    if (merges.length === 0) await this.keepApart(ctx, identified.candidates, delivery, report, tools);
    // A message is in memory as a whole: nothing of it was stored ahead.
    const spills = new Spills(() => Promise.resolve(undefined));
    if (!report.mustFail) await new ImportRun(ctx, delivery, report, tools, spills).store(identified);
    if (report.mustFail) return findingsOf(prepared, report);
    await this.merge(ctx, merges, delivery, report, tools);
    await this.rows.take(ctx, delivery, `${header.type}^${header.event}`, this.keyOf(header, prepared.text));
    return [];
  }

  /**
   * A number that is used for somebody else now (laboratories and registrations begin anew) must not take a record out of a chart and
   * put another person's in its place.
   */
  private async keepApart(
    ctx: ImportCtx,
    candidates: readonly Candidate[],
    { source }: Delivery,
    report: ImportReport,
    tools: Tools,
  ): Promise<void> {
    const known = new Map((await tools.feed.known(ctx, source, candidates)).map((record) => [keyOf(record), record]));
    const patient = candidates.find(({ type }) => type === 'Patient');
    const chart = patient === undefined ? null : (known.get(keyOf(patient))?.patientId ?? null);
    for (const candidate of candidates) {
      const owner = known.get(keyOf(candidate))?.patientId ?? null;
      if (candidate.type !== 'Patient' && owner !== null && owner !== chart) report.reject(candidate, ...OF_ANOTHER);
    }
  }

  /** What is wrong with a message as far as that can be told without storing it. */
  check(prepared: Prepared, source: string): Finding[] {
    const report = new ImportReport('hl7-v2');
    if (prepared.fault === null)
      candidatesOf([...prepared.entries, ...prepared.priors.map(({ entry }) => entry)], report, source);
    return prepared.fault !== null || report.mustFail ? findingsOf(prepared, report) : [];
  }

  /** ADT^A40: https://www.hl7.eu/HL7v2x/v251/std251/ch03.html#Heading78 */
  private async merge(
    ctx: ImportCtx,
    merges: Translated['merges'],
    delivery: Delivery,
    report: ImportReport,
    tools: Tools,
  ): Promise<void> {
    if (merges.length === 0) return;
    const keys = merges.flatMap(({ from, into }) => [from, into]).map((sourceId) => ({ type: 'Patient', sourceId }));
    const known = await tools.feed.known(ctx, delivery.source, keys);
    const charts = new Map(known.map(({ sourceId, namedPatientId }) => [sourceId, namedPatientId]));
    for (const { from, into, line } of merges) {
      const [fromChart, intoChart] = [charts.get(from) ?? null, charts.get(into) ?? null];
      // One chart already: the two numbers are of one patient of the hospital.
      if (fromChart === intoChart) continue;
      const said = { from: fromChart ?? '', into: intoChart ?? '', kind: 'hl7-a40' as const, line };
      const merged =
        fromChart === null || intoChart === null ? 'unknown-chart' : await tools.merges.merge(ctx, delivery, said);
      const [code, detail] = MERGES[merged];
      report.warn({ index: line, type: 'Patient' }, code, 'MRG-1', detail);
    }
  }

  private async setAside(
    ctx: ImportCtx,
    { header, text, sentAt }: Prepared,
    delivery: Delivery,
    findings: Finding[],
    tools: Tools,
  ): Promise<void> {
    const sourceId = header!.controlId;
    const broken = { index: 1, type: MESSAGE, sourceId, text, findings, references: [], lastUpdated: sentAt };
    await tools.quarantine.put(ctx, delivery, [broken], new Map());
  }

  private async tell(ctx: ImportCtx, delivery: Delivery, report: ImportReport, tools: Tools): Promise<void> {
    const release = new ImportRelease(ctx, delivery, tools);
    let [released, isDone] = [0, false];
    for (let step = 0; step < MAX_STEPS && !isDone; step++) {
      const done = await release.step();
      released += done.released;
      isDone = done.isDone;
    }
    await this.jobs.issues(ctx, { id: delivery.importId, issues: 0 }, report.issues, null);
    await this.rows.close(ctx, delivery.importId, report, released, !isDone);
  }

  private keyOf({ sender, controlId }: Hl7Header, text: string): MessageKey {
    return { sender, controlId, macs: this.macKeys.map((key) => hmac(key, MAC_HEAD, text)) };
  }
}

const OF_ANOTHER = ['other-patient', '', 'This number is known, as one of another patient.'] as const;

/** From whom nobody agreed to take messages, none is taken. */
export const isSenderOf = ({ senders }: Hl7Feed, { application, facility }: Hl7Header): boolean =>
  senders.some(
    (one) => one.facility === facility && (one.application === undefined || one.application === application),
  );

/** A message is one piece of work, whatever is wrong in it. */
function asideReport(findings: readonly Finding[]): ImportReport {
  const report = new ImportReport('hl7-v2');
  for (const { code, path, detail } of findings) report.quarantine({ index: 1, type: MESSAGE }, code, path, detail);
  return report;
}

const segmentAt = ({ message }: Prepared, line: number | null) => message?.segments[(line ?? 0) - 1];

function errorsOf(prepared: Prepared, report: ImportReport | null): Errors {
  const { fault } = prepared;
  if (fault !== null) return [{ error: fault.error, place: fault.place, detail: fault.message }];
  return (report?.issues ?? [])
    .filter(({ severity }) => severity === 'error')
    .map(({ line, detail }) => {
      const segment = segmentAt(prepared, line);
      return {
        error: '102' as const,
        place: { line: line ?? 1, segment: segment?.name, sequence: segment?.sequence },
        detail,
      };
    });
}

function findingsOf(prepared: Prepared, report: ImportReport | null): Finding[] {
  const { fault } = prepared;
  if (fault !== null) {
    const { segment, sequence, field } = fault.place;
    const path = segment === undefined ? '' : `${segment}[${sequence ?? 1}]${field === undefined ? '' : `-${field}`}`;
    return [{ severity: 'error', code: fault.code, path, detail: fault.message }];
  }
  return (report?.issues ?? [])
    .filter(({ severity }) => severity === 'error')
    .map(({ code, path, detail, line }) => {
      const segment = segmentAt(prepared, line);
      return {
        severity: 'error',
        code,
        path: segment === undefined ? path : `${segment.name}[${segment.sequence}] ${path}`.trim(),
        detail,
      };
    });
}
