import { Hl7Message } from '@medplum/core';
import { Hl7Fault } from './fault.js';
import { Segment } from './segment.js';
import { momentOf, offsetOf, type SenderZone } from './times.js';

/** What is known of a sender beforehand. */
export interface Hl7Sender {
  /** The feed (a URI): systems that are the sender's own hang on it. */
  source: string;
  /** Assigning authorities and code systems of the sender → URIs. */
  systems: Readonly<Record<string, string>>;
  /** IANA zone of times without one. */
  timeZone: string;
  /** MSH-11 that is taken: P (production), T (training), D (debugging). */
  processingIds: readonly string[];
}

export interface Hl7Header {
  segment: Segment;
  /** MSH-3 and MSH-4 in their short form (namespace). */
  application: string;
  facility: string;
  /** MSH-3 and MSH-4 as sent: with MSH-10 what a message is known by. */
  sender: string;
  /** MSH-9.1 and MSH-9.2. */
  type: string;
  event: string;
  controlId: string;
}

export interface ReadMessage {
  header: Hl7Header;
  segments: readonly Segment[];
}

export const MAX_SEGMENTS = 20_000;
const MAX_CONTROL_ID = 199;
const NAME = /^[A-Z][A-Z0-9]{2}$/;
const SEPARATORS = /^MSH([^\w\s"])([^\w\s"])([^\w\s"])([^\w\s"])([^\w\s"])/;
const VERSION = /^2(?:\.[1-9](?:\.[12])?)?$/;

const HEADER = { line: 1, segment: 'MSH', sequence: 1 };

/**
 * One message of a text whose first segment is MSH. Segments end with CR; where there is none, with LF. An LF between CRs is part
 * of a text: else whoever types a text could add segments of their own.
 */
export function readMessage(text: string): ReadMessage {
  const marks = SEPARATORS.exec(text)?.slice(1) ?? [];
  if (new Set(marks).size !== 5)
    throw new Hl7Fault(
      'no-message',
      '100',
      HEADER,
      'This is no HL7 v2 message: it does not begin with MSH and five separators.',
      true,
    );
  const lines = segmentsOf(text).map((line, at) =>
    at === 0 ? line : line.replaceAll('\n', `${marks[3]}.br${marks[3]}`),
  );
  if (lines.length > MAX_SEGMENTS)
    throw new Hl7Fault('too-many-segments', '100', HEADER, `A message has ${MAX_SEGMENTS} segments at most.`, true);
  const message = Hl7Message.parse(lines.join('\r'));
  const counts = new Map<string, number>();
  const segments = message.segments.map((segment, at) => {
    const sequence = (counts.get(segment.name) ?? 0) + 1;
    counts.set(segment.name, sequence);
    if (!NAME.test(segment.name) || (segment.name === 'MSH') !== (at === 0))
      throw new Hl7Fault(
        'segment-name',
        '100',
        { line: at + 1 },
        'This line does not begin with the name of a segment.',
      );
    return new Segment(segment, at + 1, sequence);
  });
  return { header: headerOf(segments[0]!), segments };
}

/** Lines of a text, without their ends and without empty ones at the end. */
export function segmentsOf(text: string): string[] {
  const lines = text.includes('\r') ? text.replaceAll('\r\n', '\r').split('\r') : text.split('\n');
  return lines.filter((line) => line.trim() !== '');
}

function headerOf(segment: Segment): Hl7Header {
  const controlId = segment.get(10) ?? '';
  if (controlId.length > MAX_CONTROL_ID) throw segment.fault('control-id', '102', 10, 'MSH-10 is too long.', true);
  return {
    segment,
    application: segment.get(3) ?? '',
    facility: segment.get(4) ?? '',
    sender: `${segment.raw(3)}|${segment.raw(4)}`,
    type: (segment.get(9, 1) ?? '').toUpperCase(),
    event: (segment.get(9, 2) ?? '').toUpperCase(),
    controlId,
  };
}

/** What every message must say of itself: chapter 2.14.9 of HL7 v2, and table 0003 as far as it is taken here. */
export function checkHeader(
  { segment, type, event, controlId }: Hl7Header,
  sender: Hl7Sender,
  events: ReadonlySet<string>,
): void {
  if (controlId === '') throw segment.fault('missing-field', '101', 10, 'A message needs an id.', true);
  const types = new Set([...events].map((one) => one.split('^')[0]));
  if (!types.has(type)) throw segment.fault('message-type', '200', 9, 'Messages of this type are not taken.', true);
  if (!events.has(`${type}^${event}`))
    throw segment.fault('event', '201', 9, 'Messages of this event are not taken.', true);
  if (!sender.processingIds.includes(segment.get(11) ?? ''))
    throw segment.fault(
      'processing-id',
      '202',
      11,
      'Messages of this processing id are not taken from this feed.',
      true,
    );
  if (!VERSION.test(segment.get(12) ?? ''))
    throw segment.fault('version', '203', 12, 'This version of HL7 is not taken.', true);
}

/** When the message was made, and the zone in which its sender tells times. */
export function clockOf(
  { segment }: Hl7Header,
  { timeZone }: Hl7Sender,
): { sentAt: string | undefined; zone: SenderZone } {
  const text = segment.get(7);
  const zone = { timeZone, offset: text === undefined ? undefined : offsetOf(text) };
  const sentAt = text === undefined ? undefined : momentOf(text, zone);
  if (text !== undefined && sentAt === undefined) throw segment.fault('time', '102', 7, 'This is no time of HL7.');
  return { sentAt, zone };
}
