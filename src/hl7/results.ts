import { attachmentOf } from './attachments.js';
import { conceptOf, entityIdentifier, entityNumber, notesOf, personOf, some, tableConcept } from './datatypes.js';
import { sourceIdOf } from './ids.js';
import type { Mapping } from './mapping.js';
import { rangesOf, valueOf } from './observation-value.js';
import type { Segment } from './segment.js';
import { v2Table } from './systems.js';

/** A resource of a message, and the line of the segment that it was made of. */
export interface Mapped {
  line: number;
  resource: object;
}

/** One OBR with what belongs to it. */
export interface Order {
  obr: Segment;
  results: { obx: Segment; notes: Segment[] }[];
  notes: Segment[];
  specimens: Segment[];
}

/** Table 0085. D and W take back what was said; a U without a value means one that is not in the message. */
const STATUS: Readonly<Record<string, string>> = {
  F: 'final',
  V: 'final',
  U: 'final',
  P: 'preliminary',
  R: 'preliminary',
  S: 'preliminary',
  B: 'preliminary',
  C: 'corrected',
  A: 'amended',
  I: 'registered',
  O: 'registered',
  X: 'cancelled',
  N: 'unknown',
  D: 'entered-in-error',
  W: 'entered-in-error',
};
/** Table 0123. */
const REPORT_STATUS: Readonly<Record<string, string>> = {
  F: 'final',
  C: 'corrected',
  P: 'preliminary',
  R: 'partial',
  A: 'partial',
  M: 'partial',
  N: 'corrected',
  I: 'registered',
  O: 'registered',
  S: 'registered',
  X: 'cancelled',
  Y: 'unknown',
  Z: 'unknown',
};
const ABSENT: Readonly<Record<string, string>> = {
  registered: 'temp-unknown',
  preliminary: 'temp-unknown',
  cancelled: 'not-performed',
};
const ABSENT_SYSTEM = 'http://terminology.hl7.org/CodeSystem/data-absent-reason';
const INTERPRETATION = 'http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation';
const CATEGORY = 'http://terminology.hl7.org/CodeSystem/observation-category';
/** Table 0074: what is an image, and what a test of something else than a specimen; all the rest is a laboratory's. */
const IMAGING: ReadonlySet<string> = new Set(['CT', 'CUS', 'NMR', 'NMS', 'OUS', 'RAD', 'RUS', 'RX', 'VUS', 'XRC']);
const TESTING: ReadonlySet<string> = new Set(['AU', 'CTH', 'EC', 'EN', 'PF', 'OSL', 'VR']);

const category = (section: string): string =>
  IMAGING.has(section) ? 'imaging' : TESTING.has(section) ? 'procedure' : 'laboratory';

interface Subject {
  patientId: string;
  encounterId: string | undefined;
}

/** The report of an order, and its results. */
export function resultsOf(order: Order, subject: Subject, mapping: Mapping): Mapped[] {
  const { obr } = order;
  const { sender, zone, meta } = mapping;
  const number = obr.first(3) ?? obr.first(2);
  if (number?.get(1) === undefined)
    throw obr.fault(
      'order-number',
      '101',
      3,
      'Neither OBR-3 nor OBR-2 has a number: a result could not be told from another.',
    );
  const key = [...entityNumber(number), obr.get(4) ?? ''];
  const section = (obr.get(24) ?? '').toUpperCase();
  const shared = {
    meta,
    subject: { reference: `Patient/${subject.patientId}` },
    encounter: subject.encounterId && { reference: `Encounter/${subject.encounterId}` },
  };
  const taken = obr.time(7, zone) ?? order.specimens[0]?.time(17, zone);
  const context = { key, taken, section, shared, report: codeOf(obr.get(25)) };
  const [files, values] = split(order.results);
  const observations = groups(values).map((group) => observationOf(group, context, mapping));
  const [specimen] = order.specimens;
  const report = {
    resourceType: 'DiagnosticReport',
    id: sourceIdOf('DiagnosticReport', ...key),
    ...shared,
    contained: specimen === undefined ? undefined : [specimenOf(specimen, mapping)],
    identifier: some([entityIdentifier(obr.first(3), sender), entityIdentifier(obr.first(2), sender)]),
    status: statusIn(obr, 25, REPORT_STATUS, 'unknown'),
    category: section === '' ? [labCategory] : [{ coding: [{ system: v2Table('0074'), code: section }] }],
    code: conceptOf(obr.first(4), sender) ?? { text: 'Report' },
    effectiveDateTime: taken,
    issued: instant(obr, 22, mapping),
    performer: some([personOf(obr.first(28), sender)]),
    resultsInterpreter: some([interpreter(obr)]),
    specimen: specimen === undefined ? undefined : [{ reference: '#specimen' }],
    result: some(observations.map(({ resource }) => ({ reference: `Observation/${(resource as { id: string }).id}` }))),
    conclusion: notesOf(order.notes),
    presentedForm: some(files.map(({ obx }) => attachmentOf(obx, mapping))),
  };
  return [{ line: obr.line, resource: report }, ...observations];
}

const codeOf = (code: string | undefined): string => (code ?? '').toUpperCase();
const labCategory = { coding: [{ system: v2Table('0074'), code: 'LAB' }] };

/** FHIR's instant wants a time of the day. */
function instant(segment: Segment, field: number, { zone }: Mapping): string | undefined {
  const time = segment.time(field, zone);
  return time?.includes('T') ? time : undefined;
}

function statusIn(segment: Segment, field: number, table: Readonly<Record<string, string>>, absent: string): string {
  const code = segment.get(field);
  if (code === undefined) return absent;
  const status = Object.hasOwn(table, codeOf(code)) ? table[codeOf(code)] : undefined;
  // A status that nobody knows could be one that takes the result back.
  if (status === undefined) throw segment.fault('status', '103', field, 'This status is in no table of HL7.');
  return status;
}

/** OBR-32 is a name within a larger type; its first part has what we need. */
function interpreter(obr: Segment): object | undefined {
  const words = [2, 3, 4].flatMap((part) => obr.get(32, 1, part) ?? []);
  const value = obr.get(32, 1, 1);
  const [family, ...given] = words;
  const display = family === undefined ? value : [...given, family].join(' ');
  return display === undefined ? undefined : { display };
}

const isFile = (obx: Segment): boolean => ['ED', 'RP'].includes(codeOf(obx.get(2)));

type Result = Order['results'][number];

const split = (results: readonly Result[]): [Result[], Result[]] => [
  results.filter(({ obx }) => isFile(obx)),
  results.filter(({ obx }) => !isFile(obx)),
];

/** Results with the same code and sub-id: lines of one text, else results of their own, told apart by their order. */
interface Group {
  key: string[];
  results: Result[];
}

const TEXTS: ReadonlySet<string> = new Set(['TX', 'FT', 'ST']);

function groups(results: readonly Result[]): Group[] {
  const found = new Map<string, Group[]>();
  for (const result of results) {
    const { obx } = result;
    obx.required(3);
    const key = [obx.get(3, 1) ?? '', obx.get(3, 3) ?? '', obx.get(4) ?? ''];
    const same = found.get(key.join('^')) ?? [];
    const last = same.at(-1);
    const isLine = last?.results.every((one) => TEXTS.has(codeOf(one.obx.get(2)))) && TEXTS.has(codeOf(obx.get(2)));
    if (last && isLine) last.results.push(result);
    else
      found.set(key.join('^'), [
        ...same,
        { key: same.length === 0 ? key : [...key, String(same.length)], results: [result] },
      ]);
  }
  return [...found.values()].flat();
}

interface Context {
  key: string[];
  taken: string | undefined;
  section: string;
  shared: object;
  /** OBR-25. */
  report: string;
}

function observationOf({ key, results }: Group, context: Context, mapping: Mapping): Mapped {
  const { obx } = results[0]!;
  const { sender, zone } = mapping;
  const status = statusIn(obx, 11, STATUS, Object.hasOwn(STATUS, context.report) ? STATUS[context.report]! : 'unknown');
  const value = results.length === 1 ? valueOf(obx, mapping) : textOf(results);
  if (value === undefined && codeOf(obx.get(11)) === 'U')
    throw obx.fault('value-elsewhere', '101', 5, 'A final status without the value: send the result with it.');
  const method = conceptOf(obx.first(17), sender);
  const resource = {
    resourceType: 'Observation',
    id: sourceIdOf('Observation', ...context.key, ...key),
    ...context.shared,
    status,
    category: [{ coding: [{ system: CATEGORY, code: category(context.section) }] }],
    code: conceptOf(obx.first(3), sender),
    effectiveDateTime: obx.time(14, zone) ?? context.taken,
    issued: instant(obx, 19, mapping),
    performer: some([personOf(obx.first(16), sender), organization(obx)]),
    ...value,
    dataAbsentReason:
      value === undefined ? { coding: [{ system: ABSENT_SYSTEM, code: ABSENT[status] ?? 'unknown' }] } : undefined,
    interpretation: some(obx.all(8).map((flag) => interpretationOf(flag.get(1)))),
    note: notes(results),
    method,
    referenceRange: rangesOf(obx, mapping),
  };
  return { line: obx.line, resource };
}

/** Lines of a text that was sent a segment a line. */
function textOf(results: readonly Result[]): object | undefined {
  const lines = results.map(({ obx }) =>
    obx
      .all(5)
      .map(({ text }) => text ?? '')
      .join('\n'),
  );
  return lines.every((line) => line === '') ? undefined : { valueString: lines.join('\n') };
}

const organization = (obx: Segment): object | undefined => {
  const display = obx.get(23) ?? obx.get(15, 2) ?? obx.get(15);
  return display === undefined ? undefined : { display };
};

function interpretationOf(flag: string | undefined): object | undefined {
  if (flag === undefined || !/^\S+$/.test(flag)) return flag === undefined ? undefined : { text: flag };
  return { coding: [{ system: INTERPRETATION, code: flag }] };
}

function notes(results: readonly Result[]): object[] | undefined {
  const text = notesOf(results.flatMap((result) => result.notes));
  return text === undefined ? undefined : [{ text }];
}

function specimenOf(spm: Segment, mapping: Mapping): object {
  const { sender, zone } = mapping;
  const number = spm.get(2, 2, 1) ?? spm.get(2, 1, 1);
  const collectedDateTime = spm.time(17, zone);
  return {
    resourceType: 'Specimen',
    id: 'specimen',
    identifier: number === undefined ? undefined : [{ value: number }],
    type: tableConcept(spm.first(4), '0487', sender),
    receivedTime: spm.time(18, zone),
    collection: collectedDateTime === undefined ? undefined : { collectedDateTime },
  };
}
