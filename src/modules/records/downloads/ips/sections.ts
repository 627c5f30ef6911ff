import { ONCE, SECTIONS } from '../../chart.service.js';
import type { RecordView } from '../../record.dto.js';

/** Codes of IPS 1.1 for what is not known: https://hl7.org/fhir/uv/ips/STU1.1/CodeSystem-absent-unknown-uv-ips.html */
const ABSENT = 'http://hl7.org/fhir/uv/ips/CodeSystem/absent-unknown-uv-ips';
const UNKNOWN = {
  extension: [{ url: 'http://hl7.org/fhir/StructureDefinition/data-absent-reason', valueCode: 'unknown' }],
};
const MOST = 100;

export interface IpsSection {
  title: string;
  loinc: string;
  display: string;
  /** Is this record one of it? */
  takes: (view: RecordView) => boolean;
  /** By what a record is named only once, by its latest; null: each is one of its own. */
  once: boolean;
  /** What stands there where nothing is known, in the three sections that every summary has; none: the section says so itself. */
  absent: ((subject: string) => object) | null;
}

const concept = (code: string, display: string): object => ({ coding: [{ system: ABSENT, code, display }] });
const active = (kind: string): object => ({
  coding: [{ system: `http://terminology.hl7.org/CodeSystem/${kind}`, code: 'active' }],
});

const inSection =
  (name: keyof typeof SECTIONS) =>
  ({ type, status, acceptance }: RecordView): boolean => {
    const { types, statuses }: { types: readonly string[]; statuses: readonly string[] } = SECTIONS[name];
    return types.includes(type) && statuses.includes(status ?? '') && isOfTeam(acceptance);
  };
/** What the patient supplied and the team has not accepted is in no summary. */
const isOfTeam = (acceptance: RecordView['acceptance']): boolean => acceptance === null || acceptance === 'accepted';

/** In the order of the guide. "No information" and never "none known": that nothing is recorded here does not say that there is nothing. */
export const IPS_SECTIONS: readonly IpsSection[] = [
  {
    ...{ title: 'Medication Summary', loinc: '10160-0', display: 'History of Medication use Narrative' },
    takes: inSection('medications'),
    once: ONCE.has('medications'),
    absent: (subject) => ({
      resourceType: 'MedicationStatement',
      status: 'unknown',
      medicationCodeableConcept: concept('no-medication-info', 'No information about medications'),
      subject: { reference: subject },
      _effectiveDateTime: UNKNOWN,
    }),
  },
  {
    ...{ title: 'Allergies and Intolerances', loinc: '48765-2', display: 'Allergies and adverse reactions Document' },
    takes: inSection('allergies'),
    once: ONCE.has('allergies'),
    absent: (patient) => ({
      resourceType: 'AllergyIntolerance',
      clinicalStatus: active('allergyintolerance-clinical'),
      code: concept('no-allergy-info', 'No information about allergies'),
      patient: { reference: patient },
    }),
  },
  {
    ...{ title: 'Problem List', loinc: '11450-4', display: 'Problem list - Reported' },
    takes: inSection('problems'),
    once: ONCE.has('problems'),
    absent: (subject) => ({
      resourceType: 'Condition',
      clinicalStatus: active('condition-clinical'),
      code: concept('no-problem-info', 'No information about problems'),
      subject: { reference: subject },
    }),
  },
  {
    ...{ title: 'Immunizations', loinc: '11369-6', display: 'History of Immunization Narrative' },
    takes: inSection('immunizations'),
    once: false,
    absent: null,
  },
  {
    ...{ title: 'Results', loinc: '30954-2', display: 'Relevant diagnostic tests/laboratory data Narrative' },
    takes: ({ type, category, acceptance }) =>
      type === 'Observation' && category.includes('laboratory') && isOfTeam(acceptance),
    once: true,
    absent: null,
  },
  {
    ...{ title: 'History of Procedures', loinc: '47519-4', display: 'History of Procedures Document' },
    takes: ({ type, status, acceptance }) =>
      type === 'Procedure' && ['completed', 'in-progress'].includes(status ?? '') && isOfTeam(acceptance),
    once: false,
    absent: null,
  },
];

/** Collects the latest of each section from records that come latest first. */
export class SectionRecords<Kept> {
  readonly kept = new Map<IpsSection, Kept[]>(IPS_SECTIONS.map((section) => [section, []]));
  private readonly seen = new Map<IpsSection, Set<string>>(IPS_SECTIONS.map((section) => [section, new Set()]));

  offer(view: RecordView, keep: () => Kept): void {
    for (const section of IPS_SECTIONS) {
      const kept = this.kept.get(section)!;
      if (kept.length >= MOST || !section.takes(view)) continue;
      const seen = this.seen.get(section)!;
      const key = section.once ? (view.code ?? view.id) : view.id;
      if (seen.has(key)) continue;
      seen.add(key);
      kept.push(keep());
    }
  }
}
