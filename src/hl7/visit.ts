import { conceptOf, identifierOf, numberOf, personOf, placeOf, some, tableConcept } from './datatypes.js';
import { sourceIdOf } from './ids.js';
import type { Mapping } from './mapping.js';
import type { Segment } from './segment.js';
import { v2Table } from './systems.js';

const ACT = 'http://terminology.hl7.org/CodeSystem/v3-ActCode';
/** Table 0004, as far as v3 has a word for it. */
const CLASSES: Readonly<Record<string, string>> = { E: 'EMER', I: 'IMP', O: 'AMB', P: 'PRENC', R: 'AMB', B: 'IMP' };
const PARTICIPANTS: readonly (readonly [number, string])[] = [
  [7, 'ATND'],
  [8, 'REF'],
  [9, 'CON'],
  [17, 'ADM'],
];
const PARTICIPATION = 'http://terminology.hl7.org/CodeSystem/v3-ParticipationType';

/** A visit is known by its number; else by its patient and when they came, because nobody is admitted twice at once. */
export function visitIdOf(pv1: Segment | undefined, patientId: string, { zone }: Mapping): string | undefined {
  const cx = pv1?.first(19);
  if (cx?.get(1) !== undefined) return sourceIdOf('Encounter', ...numberOf(cx));
  const from = pv1?.time(44, zone);
  return from === undefined ? undefined : sourceIdOf('Encounter', 'from', patientId, from);
}

/** PV1 with PV2; undefined where there is no visit, or none that could be told from another. */
export function encounterOf(
  pv1: Segment,
  pv2: Segment | undefined,
  patientId: string,
  mapping: Mapping,
): object | undefined {
  const { sender, zone, meta } = mapping;
  const id = visitIdOf(pv1, patientId, mapping);
  const kind = pv1.get(2)?.toUpperCase();
  if (id === undefined || kind === 'N') return undefined;
  const [start, end] = [pv1.time(44, zone), pv1.time(45, zone)];
  const identifier = identifierOf(pv1.first(19), sender, pv1.get(19, 5) ?? 'VN');
  const place = placeOf(pv1.first(3));
  return {
    resourceType: 'Encounter',
    id,
    meta,
    identifier: some([identifier]),
    status: end !== undefined ? 'finished' : kind === 'P' ? 'planned' : 'in-progress',
    class: classOf(kind),
    type: some([tableConcept(pv1.first(4), '0007', sender)]),
    serviceType: tableConcept(pv1.first(10), '0069', sender),
    subject: { reference: `Patient/${patientId}` },
    participant: some(
      PARTICIPANTS.flatMap(([field, code]) =>
        pv1.all(field).map((xcn) => {
          const individual = personOf(xcn, sender);
          return individual && { type: [{ coding: [{ system: PARTICIPATION, code }] }], individual };
        }),
      ),
    ),
    period: start === undefined && end === undefined ? undefined : { start, end },
    reasonCode: some([conceptOf(pv2?.first(3), sender)]),
    hospitalization: hospitalizationOf(pv1, mapping),
    location: place === undefined ? undefined : [{ location: { display: place } }],
  };
}

function classOf(kind: string | undefined): object {
  if (kind === undefined) return { system: v2Table('0004'), code: 'U', display: 'Unknown' };
  const code = Object.hasOwn(CLASSES, kind) ? CLASSES[kind] : undefined;
  return code === undefined
    ? { system: v2Table('0004'), code: kind.trim().replaceAll(/\s+/g, ' ') }
    : { system: ACT, code };
}

function hospitalizationOf(pv1: Segment, { sender }: Mapping): object | undefined {
  const admitSource = tableConcept(pv1.first(14), '0023', sender);
  const dischargeDisposition = tableConcept(pv1.first(36), '0112', sender);
  return admitSource === undefined && dischargeDisposition === undefined
    ? undefined
    : { admitSource, dischargeDisposition };
}
