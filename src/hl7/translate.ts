import { documentOf } from './documents.js';
import { appointmentOf } from './appointments.js';
import type { Mapping } from './mapping.js';
import { checkHeader, clockOf, type Hl7Sender, type ReadMessage } from './message.js';
import { numberIn, patientOf, priorOf } from './patient.js';
import { resultsOf, type Mapped, type Order } from './results.js';
import type { Segment } from './segment.js';
import { encounterOf, visitIdOf } from './visit.js';
import { Hl7Fault } from './fault.js';

/** What is taken, as type and event (MSH-9). */
export const EVENTS: ReadonlySet<string> = new Set([
  'ORU^R01',
  'ADT^A01',
  'ADT^A04',
  'ADT^A08',
  'ADT^A31',
  'ADT^A40',
  'MDM^T02',
  'MDM^T10',
  'SIU^S12',
  'SIU^S13',
  'SIU^S14',
  'SIU^S15',
  'SIU^S17',
  'SIU^S26',
]);

/** A message as FHIR R4 resources, each with the line that it was made of. */
export interface Translated {
  /** By the sender's clock. */
  sentAt: string | undefined;
  records: { line: number; text: string }[];
  /** Patients of whom nothing but their number is known: only for those that were never heard of. */
  priors: { line: number; sourceId: string; text: string }[];
  /** Patients by their ids within the feed: the one goes on as the other. */
  merges: { line: number; from: string; into: string }[];
}

/** Throws {@link Hl7Fault} for a message that cannot be taken, and nothing else. */
export function translate({ header, segments }: ReadMessage, sender: Hl7Sender, hospitalMrnSystem: string): Translated {
  checkHeader(header, sender, EVENTS);
  const { sentAt, zone } = clockOf(header, sender);
  const mapping: Mapping = {
    sender,
    zone,
    hospitalMrnSystem,
    meta: sentAt === undefined ? undefined : { lastUpdated: sentAt },
  };
  if (header.event === 'A40') return { sentAt, ...mergesOf(segments, mapping) };
  const records = recordsOf(header.type, header.event, segments, mapping).map(({ line, resource }) => ({
    line,
    text: textOf(resource),
  }));
  return { sentAt, records, priors: [], merges: [] };
}

const textOf = (resource: object): string => JSON.stringify(resource).toWellFormed();

function recordsOf(type: string, event: string, segments: readonly Segment[], mapping: Mapping): Mapped[] {
  const named = (name: string): Segment[] => segments.filter((segment) => segment.name === name);
  const [pid, second] = named('PID');
  if (pid === undefined) throw missing('PID');
  // A text with a segment in it must not put records into somebody else's chart.
  if (second !== undefined)
    throw second.fault('second-patient', '100', undefined, 'A message speaks about one patient: send one for each.');
  const patient = patientOf(pid, named('NK1'), mapping);
  const patientId = (patient as { id: string }).id;
  const [pv1] = named('PV1');
  const encounter = pv1 === undefined ? undefined : encounterOf(pv1, named('PV2')[0], patientId, mapping);
  const isVisit = type === 'ADT' && event !== 'A31';
  const own = [
    { line: pid.line, resource: patient },
    ...(isVisit && encounter !== undefined ? [{ line: pv1!.line, resource: encounter }] : []),
  ];
  const subject = { patientId, encounterId: encounter === undefined ? undefined : visitIdOf(pv1, patientId, mapping) };
  if (type === 'ORU') return [...own, ...ordersOf(segments).flatMap((order) => resultsOf(order, subject, mapping))];
  if (type === 'MDM') return [...own, documentIn(segments, event, subject, mapping)];
  if (type === 'SIU')
    return [...own, appointmentOf(named('SCH')[0] ?? raise(missing('SCH')), segments, event, patientId, mapping)];
  return own;
}

const missing = (segment: string): Hl7Fault =>
  new Hl7Fault('missing-segment', '100', { line: 1, segment }, `The message has no ${segment}.`);

function raise(fault: Hl7Fault): never {
  throw fault;
}

/** ORU_R01: what stands behind an OBR is its own, until the next one. */
function ordersOf(segments: readonly Segment[]): Order[] {
  const orders: Order[] = [];
  for (const segment of segments) {
    const order = orders.at(-1);
    if (segment.name === 'OBR') orders.push({ obr: segment, results: [], notes: [], specimens: [] });
    else if (segment.name === 'OBX') {
      if (order === undefined)
        throw segment.fault('segment-order', '100', undefined, 'A result stands before its order (OBR).');
      // Behind SPM an OBX is about the specimen; those of the order come before it.
      order.results.push({ obx: segment, notes: [] });
    } else if (segment.name === 'NTE') (order?.results.at(-1)?.notes ?? order?.notes)?.push(segment);
    else if (segment.name === 'SPM') order?.specimens.push(segment);
  }
  if (orders.length === 0) throw missing('OBR');
  return orders;
}

/** MDM_T02: the OBX behind TXA are the document. */
function documentIn(
  segments: readonly Segment[],
  event: string,
  subject: { patientId: string; encounterId: string | undefined },
  mapping: Mapping,
): Mapped {
  const at = segments.findIndex(({ name }) => name === 'TXA');
  if (at < 0) throw missing('TXA');
  const content = segments.slice(at + 1).filter(({ name }) => name === 'OBX');
  return documentOf(segments[at]!, content, event, subject, mapping);
}

/** ADT_A39: pairs of PID, the one that goes on, and MRG, the one that it replaces. */
function mergesOf(segments: readonly Segment[], mapping: Mapping): Omit<Translated, 'sentAt'> {
  const found: Omit<Translated, 'sentAt'> = { records: [], priors: [], merges: [] };
  let pid: Segment | undefined;
  for (const segment of segments) {
    if (segment.name === 'PID') pid = segment;
    if (segment.name !== 'MRG') continue;
    if (pid === undefined)
      throw segment.fault('segment-order', '100', undefined, 'MRG stands behind the PID that goes on.');
    const { line } = segment;
    const [into, from] = [numberIn(pid, 3, mapping), numberIn(segment, 1, mapping)];
    if (into.sourceId === from.sourceId)
      throw segment.fault('same-patient', '103', 1, 'A patient is not merged with themselves.');
    found.records.push({ line: pid.line, text: textOf(patientOf(pid, [], mapping)) });
    found.priors.push({ line, sourceId: from.sourceId, text: textOf(priorOf(from, segment.all(7), mapping)) });
    found.merges.push({ line, from: from.sourceId, into: into.sourceId });
  }
  if (found.merges.length === 0) throw missing('MRG');
  return found;
}
