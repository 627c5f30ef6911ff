import { quantityWords } from './gist-value.js';
import { at, first, listOf, member, textAt, textOf } from './values.js';
import { short, wordsOf } from './words.js';

type Detail = (resource: unknown) => string | undefined;

const text =
  (...path: string[]): Detail =>
  (resource) =>
    short(textAt(resource, ...path));

const concept =
  (...path: string[]): Detail =>
  (resource) =>
    wordsOf(first(at(resource, ...path)));

/** All of a list, in one line. */
const all =
  (name: string, one: Detail): Detail =>
  (resource) => {
    const words = listOf(member(resource, name)).flatMap((item) => one(item) ?? []);
    return words.length > 0 ? short(words.join('; ')) : undefined;
  };

/** The first of several elements that says something. */
const either =
  (...details: Detail[]): Detail =>
  (resource) =>
    details.map((detail) => detail(resource)).find((words) => words !== undefined);

const dose: Detail = (dosage) => {
  const rate = first(member(dosage, 'doseAndRate'));
  const amount = quantityWords(member(rate, 'doseQuantity'));
  const words = [amount, wordsOf(member(dosage, 'route')), wordsOf(at(dosage, 'timing', 'code'))];
  const said = words.filter((word) => word !== undefined);
  return said.length > 0 ? said.join(', ') : undefined;
};

const dosage = (name: string): Detail => all(name, either(text('text'), text('patientInstruction'), dose));

const reaction: Detail = (resource) => {
  const manifestation = all('manifestation', wordsOf)(resource);
  const severity = textAt(resource, 'severity');
  return manifestation === undefined || severity === undefined ? manifestation : `${manifestation} (${severity})`;
};

const note = all('note', text('text'));

/** Words of a record beside its name, its value and its time, by type. */
const DETAILS: Readonly<Record<string, Readonly<Record<string, Detail>>>> = {
  AllergyIntolerance: {
    clinicalStatus: concept('clinicalStatus'),
    verificationStatus: concept('verificationStatus'),
    criticality: text('criticality'),
    kind: text('type'),
    reactions: all('reaction', reaction),
  },
  Condition: {
    clinicalStatus: concept('clinicalStatus'),
    verificationStatus: concept('verificationStatus'),
    severity: concept('severity'),
    bodySite: all('bodySite', wordsOf),
    ended: either(text('abatementDateTime'), text('abatementPeriod', 'end'), text('abatementString')),
    note,
  },
  DiagnosticReport: { conclusion: text('conclusion') },
  DocumentReference: { title: text('content', 'attachment', 'title'), author: concept('author') },
  Encounter: {
    class: concept('class'),
    ended: text('period', 'end'),
    provider: concept('serviceProvider'),
    reason: either(all('reasonCode', wordsOf)),
  },
  Immunization: {
    statusReason: concept('statusReason'),
    dose: either(text('protocolApplied', 'doseNumberPositiveInt'), text('protocolApplied', 'doseNumberString')),
    lotNumber: text('lotNumber'),
    note,
  },
  MedicationAdministration: { dosage: (resource) => dose(member(resource, 'dosage')) },
  MedicationDispense: { dosage: dosage('dosageInstruction') },
  MedicationRequest: {
    intent: text('intent'),
    dosage: dosage('dosageInstruction'),
    reason: all('reasonCode', wordsOf),
    note,
  },
  MedicationStatement: { dosage: dosage('dosage'), reason: all('reasonCode', wordsOf), note },
  Observation: { note, method: concept('method') },
  Procedure: { outcome: concept('outcome'), reason: all('reasonCode', wordsOf), note },
};

export function detailsOf(type: string, resource: unknown): Record<string, string> {
  const wanted = Object.hasOwn(DETAILS, type) ? DETAILS[type]! : {};
  return Object.fromEntries(
    Object.entries(wanted).flatMap(([name, detail]) => {
      const words = textOf(detail(resource));
      return words === undefined ? [] : [[name, words]];
    }),
  );
}
