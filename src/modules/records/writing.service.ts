import { Injectable } from '@nestjs/common';
import { inspect } from '../../fhir/index.js';
import { authorize, type SignedIn } from '../../platform/access/context.js';
import type { Action } from '../../platform/access/vocabulary.js';
import { hmac, KeyRing } from '../../platform/crypto/index.js';
import { Vault } from '../../platform/database/vault.js';
import { staleVersion } from '../../platform/http/if-match.js';
import { notFound } from '../../platform/http/problem.js';
import { newId } from '../../platform/ids.js';
import { alreadyDecided, alreadyRetracted, notOfPortal, notSupplied, oneOf } from './reading.errors.js';
import { recordsOf, withdrawnText, WITHDRAWN, type RecordRow } from './record-line.js';
import { auditCategory, dayOf, packRecord, scopeOf, sealRecord } from './record-text.js';
import { RecordWords } from './record-words.js';
import type { RecordView } from './record.dto.js';
import { RecordRepository } from './record.repository.js';
import { isTreating } from './visibility.js';
import type { CorrectNote, WriteRecord } from './writing.dto.js';
import { correctedNote, resourceOf, type Author } from './writing.rules.js';
import { PORTAL, WritingRepository, type OwnRow, type WrittenVersion } from './writing.repository.js';

const MAC_HEAD = 'portico/record-written/1\0';

/** What people write themselves: notes of clinicians, what patients supply. What came from a feed is corrected where it came from. */
@Injectable()
export class WritingService {
  constructor(
    private readonly records: RecordRepository,
    private readonly writing: WritingRepository,
    private readonly words: RecordWords,
    private readonly vault: Vault,
    private readonly ring: KeyRing,
  ) {}

  async write(ctx: SignedIn, patientId: string, input: WriteRecord): Promise<RecordView> {
    authorize(ctx, 'create', 'Record', { patientId });
    const isClinician = isTreating(ctx, patientId);
    if (isClinician !== (input.kind === 'note'))
      throw oneOf('/kind', isClinician ? 'A clinician writes a note.' : 'A note is written by a clinician.');
    const author = this.author(ctx, newId(), patientId);
    const version = await this.version(ctx, author, { text: resourceOf(input, author), version: 1 });
    await this.writing.insert(ctx, version, isClinician ? 'clinician' : 'patient');
    return this.written(ctx, author.recordId);
  }

  /** A correction is a new version; what stood there stays in the history. */
  async correct(ctx: SignedIn, recordId: string, expected: number, input: CorrectNote): Promise<RecordView> {
    const [record, own] = await this.own(ctx, 'update', recordId, expected);
    if (own.origin !== 'clinician') throw notOfPortal();
    const author = this.author(ctx, recordId, record.patient_id);
    const version = await this.version(ctx, author, { text: correctedNote(input, author), version: expected + 1 });
    await this.writing.replace(ctx, version);
    return this.written(ctx, recordId, expected);
  }

  /** Entered in error: out of every list, and for the patient nothing but its id. A patient withdraws what they supplied. */
  async retract(ctx: SignedIn, recordId: string, expected: number, reason: string): Promise<RecordView> {
    const [record, own] = await this.own(ctx, 'retract', recordId, expected);
    const isSuppliers = own.origin === 'patient' && !isTreating(ctx, record.patient_id);
    if (own.origin !== 'clinician' && !isSuppliers) throw notOfPortal();
    const author = this.author(ctx, recordId, record.patient_id);
    const text = withdrawnText(record.type, recordId);
    const version = await this.version(ctx, author, { text, version: expected + 1, reason, before: record });
    await this.writing.replace(ctx, version);
    return this.written(ctx, recordId, expected);
  }

  /** Whether the team goes by what the patient supplied: only then is it among the values of a summary. */
  async decide(ctx: SignedIn, recordId: string, action: 'accept' | 'decline', expected: number): Promise<RecordView> {
    const [, own] = await this.own(ctx, action, recordId, expected);
    if (own.origin !== 'patient') throw notSupplied();
    if (own.acceptance !== 'pending') throw alreadyDecided();
    await this.writing.decide(ctx, recordId, action === 'accept' ? 'accepted' : 'declined');
    return this.written(ctx, recordId);
  }

  private author({ actor, now }: SignedIn, recordId: string, patientId: string): Author {
    const isPatient = actor.patientIds.includes(patientId);
    const who =
      isPatient || actor.practitionerId === null ? `Patient/${patientId}` : `Practitioner/${actor.practitionerId}`;
    return { recordId, patientId, who, now: now.toISOString() };
  }

  /** The record, seen and locked, in the version that the caller has read. */
  private async own(ctx: SignedIn, action: Action, id: string, expected: number): Promise<[RecordRow, OwnRow]> {
    const record = await this.records.find(ctx, id);
    if (!record || record.is_deleted) throw notFound();
    authorize(ctx, action, 'Record', { patientId: record.patient_id });
    if (record.source !== PORTAL) throw action === 'accept' || action === 'decline' ? notSupplied() : notOfPortal();
    const own = await this.writing.lock(ctx, id);
    if (!own) throw notOfPortal();
    if (own.version !== expected) throw staleVersion();
    if (own.status === WITHDRAWN) throw alreadyRetracted();
    return [record, own];
  }

  private async version(
    ctx: SignedIn,
    { recordId, patientId, now }: Author,
    { text, version, reason, before }: { text: string; version: number; reason?: string; before?: RecordRow },
  ): Promise<WrittenVersion> {
    const { facts, resourceType = '', findings } = inspect(text);
    // What people type is held to what a feed's records are: a title of blanks is no title.
    if (!before && findings.some(({ severity }) => severity === 'error'))
      throw oneOf('', 'This does not make a good FHIR record.');
    const key = await this.vault.keyFor(ctx, scopeOf(patientId, PORTAL));
    // It stays where it stood; what it was is nobody's to find any more.
    const sortAt = before ? before.sort_at : (facts.effectiveAt ?? now);
    const head = reason === undefined ? facts : { ...facts, gist: { details: { reason } } };
    return {
      ...{ recordId, patientId, type: resourceType, version, category: facts.category, status: facts.status ?? '' },
      codeSystem: facts.code?.system ?? '',
      code: facts.code?.code ?? '',
      effectiveAt: facts.effectiveAt ?? null,
      sortAt,
      day: before ? before.sort_at.slice(0, 10) : dayOf(facts, sortAt),
      codes: facts.marks.codes,
      words: before ? [] : this.words.of(facts.display),
      senderLabels: facts.marks.senderLabels,
      contentMac: hmac(this.ring.subkey('records/content'), MAC_HEAD, text),
      ...sealRecord(key, { recordId, version, packed: packRecord(head, text) }),
    };
  }

  private async written(ctx: SignedIn, id: string, previousVersion?: number): Promise<RecordView> {
    const record = await this.records.find(ctx, id);
    if (!record) throw notFound();
    const { patient_id: patientId, type, category, version } = record;
    if (previousVersion !== undefined)
      ctx.touch({ patientId, type, id, category: auditCategory(category), version, previousVersion });
    const [view] = await recordsOf(ctx, this.vault, [record]);
    return view!;
  }
}
