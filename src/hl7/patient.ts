import {
  addressOf,
  contactPointOf,
  identifierOf,
  nameOf,
  numberOf,
  some,
  tableConcept,
  type Identifier,
} from './datatypes.js';
import type { Mapping } from './mapping.js';
import type { Repetition, Segment } from './segment.js';
import { sourceIdOf } from './ids.js';

const MRN = 'MR';
const SSN = {
  type: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v2-0203', code: 'SS' }] },
  system: 'http://hl7.org/fhir/sid/us-ssn',
};
const SEXES: Readonly<Record<string, string>> = {
  F: 'female',
  M: 'male',
  U: 'unknown',
  O: 'other',
  A: 'other',
  N: 'other',
  X: 'other',
};
const YES = 'Y';
const BIRTH_TIME = 'http://hl7.org/fhir/StructureDefinition/patient-birthTime';

/**
 * By which of their numbers a patient is known: a medical record number, the hospital's own first; where no number says what it
 * is, the first. Numbers of another kind (insurance, driver's licence) name nobody.
 */
function chosen(list: readonly Repetition[], { sender, hospitalMrnSystem }: Mapping): Repetition | undefined {
  const mrns = list.filter((cx) => cx.get(1) !== undefined && cx.get(5) === MRN);
  const own = mrns.find((cx) => identifierOf(cx, sender)?.system === hospitalMrnSystem);
  return (
    own ??
    mrns[0] ??
    list.find((cx) => cx.get(1) !== undefined && cx.get(5) === undefined) ??
    list.find((cx) => cx.get(5) === 'PI')
  );
}

export interface PatientNumber {
  sourceId: string;
  identifiers: Identifier[];
}

/** PID-3 or MRG-1. A field without a number that could be one is a fault: nobody is found by a name. */
export function numberIn(segment: Segment, field: number, mapping: Mapping): PatientNumber {
  const list = segment.all(field);
  const cx = chosen(list, mapping);
  if (cx === undefined)
    throw segment.fault('patient-number', '101', field, 'There is no number here by which a patient could be known.');
  const identifiers = list.flatMap((one) => {
    // A number that does not say what it is, and by which they are known, is their medical record number.
    const type = one === cx ? (one.get(5) ?? MRN) : one.get(5);
    return identifierOf(one, mapping.sender, type) ?? [];
  });
  return { sourceId: sourceIdOf('Patient', ...numberOf(cx)), identifiers };
}

/** PID, with the NK1 that stand behind it. */
export function patientOf(pid: Segment, kin: readonly Segment[], mapping: Mapping): object {
  const { sender, meta } = mapping;
  const { sourceId, identifiers } = numberIn(pid, 3, mapping);
  const ssn = pid.get(19);
  const order = pid.get(25);
  return {
    resourceType: 'Patient',
    id: sourceId,
    meta,
    identifier: [...identifiers, ...(ssn === undefined ? [] : [{ ...SSN, value: ssn }])],
    active: true,
    name: some([...pid.all(5).map(nameOf), ...pid.all(9).map(nameOf)]),
    telecom: some([
      ...pid.all(13).map((xtn) => contactPointOf(xtn, 'home')),
      ...pid.all(14).map((xtn) => contactPointOf(xtn, 'work')),
    ]),
    gender: pid.get(8) === undefined ? undefined : (SEXES[pid.get(8)!.toUpperCase()] ?? 'unknown'),
    ...birthOf(pid, mapping),
    ...deathOf(pid, mapping),
    address: some(pid.all(11).map(addressOf)),
    maritalStatus: tableConcept(pid.first(16), '0002', sender),
    ...(order !== undefined && /^[1-9]\d{0,2}$/.test(order)
      ? { multipleBirthInteger: Number(order) }
      : { multipleBirthBoolean: pid.get(24) === undefined ? undefined : pid.get(24) === YES }),
    contact: some(kin.map((one) => contactOf(one, mapping))),
    communication: some(
      [pid.first(15)].map((language) => {
        const concept = tableConcept(language, '0296', sender);
        return concept && { language: concept };
      }),
    ),
  };
}

/** Of whom nothing but a number is known: the one that an A40 says is somebody else. */
export const priorOf = (
  { sourceId, identifiers }: PatientNumber,
  names: readonly Repetition[],
  { meta }: Mapping,
): object => ({
  resourceType: 'Patient',
  id: sourceId,
  meta,
  identifier: identifiers,
  active: false,
  name: some(names.map(nameOf)),
});

function birthOf(pid: Segment, { zone }: Mapping): object {
  const time = pid.time(7, zone);
  if (time === undefined) return {};
  const [birthDate] = time.split('T');
  return {
    birthDate,
    _birthDate: time === birthDate ? undefined : { extension: [{ url: BIRTH_TIME, valueDateTime: time }] },
  };
}

function deathOf(pid: Segment, { zone }: Mapping): object {
  const deceasedDateTime = pid.time(29, zone);
  if (deceasedDateTime !== undefined) return { deceasedDateTime };
  const said = pid.get(30);
  return said === undefined ? {} : { deceasedBoolean: said === YES };
}

function contactOf(nk1: Segment, { sender }: Mapping): object | undefined {
  const [name] = nk1.all(2).map(nameOf);
  const telecom = some([
    ...nk1.all(5).map((xtn) => contactPointOf(xtn, 'home')),
    ...nk1.all(6).map((xtn) => contactPointOf(xtn, 'work')),
  ]);
  const [address] = nk1.all(4).map(addressOf);
  if (name === undefined && telecom === undefined && address === undefined) return undefined;
  const relationship = some([tableConcept(nk1.first(3), '0063', sender), tableConcept(nk1.first(7), '0131', sender)]);
  return { relationship, name, telecom, address };
}
