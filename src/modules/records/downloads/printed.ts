import type { RegisteredPatient } from '../../users/index.js';
import type { StoredAttachment } from '../attachment.service.js';
import type { Glance } from '../chart.service.js';
import type { LineView, RecordView, ValueView } from '../record.dto.js';
import type { DownloadJob } from './download-job.js';

/** What a file of a download is made from. */
export interface Printed {
  job: DownloadJob;
  madeAt: Date;
  hospital: string;
  person: PrintedPerson;
  /** All records that are asked for and open, latest first; may be read more than once. */
  pages: () => AsyncGenerator<RecordView[], void, undefined>;
  /** Contents of a record's attachments that lie apart from it. */
  stored: (view: RecordView) => Promise<StoredAttachment[]>;
  glance: () => Promise<Glance>;
}

export interface PrintedPerson {
  patientId: string;
  /** Empty where whoever asked is not told by the register. */
  name: string;
  birthDate: string;
  registered: RegisteredPatient | null;
}

export function personOf(registered: RegisteredPatient | null, patientId: string): PrintedPerson {
  const name = registered ? [...registered.given, registered.family].filter(Boolean).join(' ') : '';
  return { patientId, name, birthDate: registered?.birthDate ?? '', registered };
}

export const SECTION_TITLES = {
  problems: 'Problems',
  medications: 'Medicines',
  allergies: 'Allergies and intolerances',
  immunizations: 'Vaccinations',
} as const;

/** Types in words, where FHIR's name is not one. */
const TYPES: Readonly<Record<string, string>> = {
  AllergyIntolerance: 'Allergy',
  CarePlan: 'Care plan',
  CareTeam: 'Care team',
  DiagnosticReport: 'Report',
  DocumentReference: 'Document',
  ImagingStudy: 'Imaging',
  MedicationAdministration: 'Medicine given',
  MedicationDispense: 'Medicine handed out',
  MedicationRequest: 'Prescription',
  MedicationStatement: 'Medicine taken',
  QuestionnaireResponse: 'Questionnaire',
  Encounter: 'Visit',
  Immunization: 'Vaccination',
};

export const typeWords = (type: string): string =>
  (Object.hasOwn(TYPES, type) ? TYPES[type] : undefined) ?? type.replace(/(?<=[a-z])(?=[A-Z])/g, ' ');

/** A day or instant as a person reads it; what the sender wrote where it is partial. */
export const whenOf = ({ effectiveText, effectiveAt }: Pick<LineView, 'effectiveText' | 'effectiveAt'>): string =>
  (effectiveText ?? effectiveAt ?? '').replace('T', ' ').slice(0, 16);

export function valueWords(value: ValueView): string {
  const range = value.ranges?.length ? ` (range ${value.ranges.join('; ')})` : '';
  const flags = value.flags?.length ? ` [${value.flags.map(({ text }) => text).join('; ')}]` : '';
  return `${value.text}${range}${flags}`;
}

/** An instant alone, as far as the minute. */
const INSTANT = /^(\d{4}-\d\d-\d\d)T(\d\d:\d\d)\S*$/;
const DETAIL_WORDS = (name: string): string => name.replace(/(?<=[a-z])(?=[A-Z])/g, ' ').toLowerCase();

/** Value, parts and further words of a line, each a sentence of its own. */
export function saidOf({ value, parts, details }: Pick<LineView, 'value' | 'parts' | 'details'>): string[] {
  return [
    ...(value ? [valueWords(value)] : []),
    ...parts.map((part) => `${part.display}: ${valueWords(part.value)}`),
    ...Object.entries(details).map(([name, text]) => `${DETAIL_WORDS(name)}: ${text.replace(INSTANT, '$1 $2')}`),
  ];
}

/** Who wrote it, for a reader who must not take what a patient supplied for a finding of the team. */
export function originWords({ origin, acceptance, source, asOf }: LineView): string {
  if (origin === 'patient')
    return `supplied by the patient${acceptance === 'accepted' ? ', accepted by the care team' : ''}`;
  return origin === 'clinician' ? 'written by the care team' : `from ${source} as of ${asOf.slice(0, 10)}`;
}

/** What part of the chart it is, in words. */
export function scopeWords({ filter }: DownloadJob): string {
  const { from, to, types } = filter;
  const days = from && to ? `from ${from} to ${to}` : from ? `from ${from} on` : to ? `up to ${to}` : 'of all days';
  return types.length > 0 ? `Records ${days}: ${types.map(typeWords).join(', ')}` : `Records ${days}`;
}

export const NOTICE =
  'It holds what this person may see at the time of its making. Where a section has no entry, nothing is recorded here that they may see; it does not mean that there is nothing.';

export const madeWords = (madeAt: Date): string => `${madeAt.toISOString().slice(0, 16).replace('T', ' ')} UTC`;
