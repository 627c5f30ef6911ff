import { Hl7Context, Hl7Message, Hl7Segment } from '@medplum/core';
import { HL7_ERRORS, type Hl7Error, type Hl7Place } from './fault.js';
import type { Hl7Header } from './message.js';

/** AA: taken. AE: wrong, and on the work list. AR: not taken, and not kept. */
export type AckCode = 'AA' | 'AE' | 'AR';

export interface Verdict {
  code: AckCode;
  errors: readonly { error: Hl7Error; place: Hl7Place; detail: string }[];
}

export const ACCEPTED: Verdict = { code: 'AA', errors: [] };

/** Chapter 2.9.3: whether a commit (MSH-15) and an application acknowledgement (MSH-16) are asked for. */
const COMMIT = { AA: 'CA', AE: 'CA', AR: 'CR' } as const;
const MAX_ERRORS = 20;

interface Answering {
  now: Date;
  /** MSH-10 of the answer, unique here, of 20 letters at most (versions before 2.7). */
  nextId: () => string;
}

/**
 * What is answered, in this order: nothing, one or two acknowledgements. Without MSH-15 and -16 (original mode) one; with them
 * (enhanced mode) CA or CR as MSH-15 wants it, and AA, AE or AR as MSH-16 does. A message whose MSH cannot be read gets one with
 * empty fields.
 */
export function answersTo(header: Hl7Header | null, verdict: Verdict, answering: Answering): string[] {
  const [accept, application] = [header?.segment.get(15), header?.segment.get(16)];
  if (accept === undefined && application === undefined) return [ackOf(header, verdict.code, verdict, answering)];
  const commit = COMMIT[verdict.code];
  return [
    ...(isAsked(accept, commit === 'CA') ? [ackOf(header, commit, verdict, answering)] : []),
    ...(isAsked(application, verdict.code === 'AA') ? [ackOf(header, verdict.code, verdict, answering)] : []),
  ];
}

/** Table 0155: always, never, on errors, on success. */
function isAsked(condition: string | undefined, isSuccess: boolean): boolean {
  if (condition === 'ER') return !isSuccess;
  if (condition === 'SU') return isSuccess;
  return condition === 'AL';
}

const timeStamp = (now: Date): string => `${now.toISOString().slice(0, 19).replaceAll(/[-:T]/g, '')}+0000`;

function ackOf(header: Hl7Header | null, code: string, verdict: Verdict, { now, nextId }: Answering): string {
  const raw = (field: number): string => header?.segment.raw(field) ?? '';
  const context = header === null ? new Hl7Context() : contextOf(header);
  const version = header?.segment.get(12) ?? '2.5.1';
  const { componentSeparator: c } = context;
  const event = header?.segment.get(9, 2) === undefined ? '' : escaped(header.event, context);
  const type = ['ACK', event, header?.segment.get(9, 3) === undefined ? '' : 'ACK']
    .join(c)
    .replace(new RegExp(`[${RegExp.escape(c)}]+$`), '');
  const msh = [
    'MSH',
    context.getMsh2(),
    raw(5),
    raw(6),
    raw(3),
    raw(4),
    timeStamp(now),
    '',
    type,
    nextId(),
    raw(11) || 'P',
    raw(12) || version,
  ];
  const fields = raw(18) === '' ? msh : [...msh, '', '', '', '', '', raw(18)];
  const errors = code === 'CA' ? [] : verdict.errors.slice(0, MAX_ERRORS);
  const words = errors[0] === undefined ? '' : escaped(errors[0].detail, context);
  const segments = [
    new Hl7Segment(fields, context),
    new Hl7Segment(['MSA', code, raw(10), ...(isBefore25(version) && words !== '' ? [words] : [])], context),
    ...errors.map((error) => new Hl7Segment(errorOf(error, context, isBefore25(version)), context)),
  ];
  return `${new Hl7Message(segments, context).toString()}\r`;
}

const isBefore25 = (version: string): boolean => Number(/^2\.(\d)/.exec(version)?.[1] ?? '1') < 5;

type OneError = Verdict['errors'][number];

/** ERR-1 before 2.5, ERR-2 to ERR-8 from then on. */
function errorOf({ error, place, detail }: OneError, context: Hl7Context, isOld: boolean): string[] {
  const { componentSeparator: c, subcomponentSeparator: s } = context;
  const where = [place.segment ?? '', String(place.sequence ?? ''), String(place.field ?? '')];
  while (where.at(-1) === '') where.pop();
  if (isOld)
    return [
      'ERR',
      [...where, ...Array<string>(3 - where.length).fill(''), [error, HL7_ERRORS[error], 'HL70357'].join(s)].join(c),
    ];
  return [
    'ERR',
    '',
    where.join(c),
    [error, HL7_ERRORS[error], 'HL70357'].join(c),
    'E',
    '',
    '',
    '',
    escaped(detail, context),
  ];
}

function contextOf({ segment }: Hl7Header): Hl7Context {
  const [component, repetition, escape, part] = segment.raw(2);
  return new Hl7Context('\r', segment.raw(1), component, repetition, escape, part);
}

/** Text of ours between the sender's separators. */
function escaped(text: string, context: Hl7Context): string {
  const { escapeCharacter: e } = context;
  const marks: Readonly<Record<string, string>> = {
    [context.fieldSeparator]: 'F',
    [context.componentSeparator]: 'S',
    [context.subcomponentSeparator]: 'T',
    [context.repetitionSeparator]: 'R',
    [e]: 'E',
  };
  return [...text].map((letter) => (marks[letter] === undefined ? letter : `${e}${marks[letter]}${e}`)).join('');
}

/** A batch of answers to a batch (chapter 2.10.3.2). */
export const batchOf = (answers: readonly string[]): string => `BHS|^~\\&\r${answers.join('')}BTS|${answers.length}\r`;
