import { oneOf } from './reading.errors.js';
import type { Measure, WriteRecord } from './writing.dto.js';

/** Who writes what about whom, and when. */
export interface Author {
  recordId: string;
  patientId: string;
  /** FHIR reference of who writes. */
  who: string;
  now: string;
}

const LOINC = 'http://loinc.org';
const UCUM = 'http://unitsofmeasure.org';

interface MeasureCode {
  code: string;
  display: string;
  unit: string;
  ucum: string;
  category: 'vital-signs' | 'laboratory';
}

const vital = (code: string, display: string, unit: string, ucum = unit): MeasureCode => ({
  ...{ code, display, unit, ucum },
  category: 'vital-signs',
});

/** Codes and units of the vital signs profiles (https://hl7.org/fhir/R4/observation-vitalsigns.html). */
const MEASURE_CODES: Readonly<Record<Measure, MeasureCode>> = {
  'body-weight': vital('29463-7', 'Body weight', 'kg'),
  'body-height': vital('8302-2', 'Body height', 'cm'),
  'body-temperature': vital('8310-5', 'Body temperature', '°C', 'Cel'),
  'heart-rate': vital('8867-4', 'Heart rate', 'beats/minute', '/min'),
  'respiratory-rate': vital('9279-1', 'Respiratory rate', 'breaths/minute', '/min'),
  'oxygen-saturation': vital('2708-6', 'Oxygen saturation in Arterial blood', '%'),
  'blood-pressure': vital('85354-9', 'Blood pressure panel with all children optional', 'mmHg', 'mm[Hg]'),
  'blood-glucose': {
    ...{ code: '2339-0', display: 'Glucose [Mass/volume] in Blood', unit: 'mg/dL', ucum: 'mg/dL' },
    category: 'laboratory',
  },
};

const text = JSON.stringify;
const coding = (code: string, display: string): string =>
  `{"coding":[{"system":"${LOINC}","code":"${code}","display":${text(display)}}],"text":${text(display)}}`;

/** The resource as text, so that a number keeps the digits that were typed. */
export function resourceOf(input: WriteRecord, author: Author): string {
  switch (input.kind) {
    case 'measurement':
      return measurement(input, author);
    case 'questionnaire':
      return questionnaire(input, author);
    case 'note':
      return document(author, { ...worded(input), ...NOTE, docStatus: 'final' });
    case 'history':
      return document(author, { ...worded(input), ...HISTORY, docStatus: 'final' });
  }
}

export const correctedNote = (input: { title: string; text: string }, author: Author): string =>
  document(author, { ...input, ...NOTE, docStatus: 'amended' });

const NOTE = { code: '11506-3', display: 'Progress note', isSupplied: false };
const HISTORY = { code: '11329-0', display: 'History general Narrative - Reported', isSupplied: true };

function worded({ title, text: words }: WriteRecord): { title: string; text: string } {
  if (title === undefined) throw oneOf('/title', 'It needs a title.');
  if (words === undefined) throw oneOf('/text', 'It needs a text.');
  return { title, text: words };
}

/** What patients supply says so by itself, wherever it goes. */
const meta = (now: string, isSupplied: boolean): string =>
  `"meta":{"lastUpdated":"${now}"${isSupplied ? ',"tag":[{"system":"urn:portico:origin","code":"patient-supplied","display":"Supplied by the patient"}]' : ''}}`;

interface DocumentText {
  title: string;
  text: string;
  code: string;
  display: string;
  docStatus: 'final' | 'amended';
  isSupplied: boolean;
}

function document({ recordId, patientId, who, now }: Author, one: DocumentText): string {
  const data = Buffer.from(one.text, 'utf8').toString('base64');
  return (
    `{"resourceType":"DocumentReference","id":"${recordId}",${meta(now, one.isSupplied)},"status":"current","docStatus":"${one.docStatus}",` +
    `"type":${coding(one.code, one.display)},"category":[{"coding":[{"system":"http://hl7.org/fhir/us/core/CodeSystem/us-core-documentreference-category","code":"clinical-note"}]}],` +
    `"subject":{"reference":"Patient/${patientId}"},"date":"${now}","author":[{"reference":"${who}"}],"description":${text(one.title)},` +
    `"content":[{"attachment":{"contentType":"text/plain; charset=utf-8","title":${text(one.title)},"data":"${data}"}}]}`
  );
}

function measurement(input: WriteRecord, { recordId, patientId, who, now }: Author): string {
  const { measure, value, second, at = now } = input;
  if (measure === undefined) throw oneOf('/measure', 'Say what was measured.');
  if (value === undefined) throw oneOf('/value', 'Say its value.');
  if (Date.parse(at) > Date.parse(now)) throw oneOf('/at', 'It was not measured in the future.');
  const isPressure = measure === 'blood-pressure';
  if (isPressure !== (second !== undefined))
    throw oneOf('/second', 'A blood pressure has two numbers, everything else one.');
  const { code, display, unit, ucum, category } = MEASURE_CODES[measure];
  const quantity = (number: string): string =>
    `{"value":${number},"unit":${text(unit)},"system":"${UCUM}","code":${text(ucum)}}`;
  const part = (name: string, words: string, number: string): string =>
    `{"code":${coding(name, words)},"valueQuantity":${quantity(number)}}`;
  const measured = isPressure
    ? `"component":[${part('8480-6', 'Systolic blood pressure', value)},${part('8462-4', 'Diastolic blood pressure', second!)}]`
    : `"valueQuantity":${quantity(value)}`;
  return (
    `{"resourceType":"Observation","id":"${recordId}",${meta(now, true)},"status":"final",` +
    `"category":[{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/observation-category","code":"${category}"}]}],"code":${coding(code, display)},` +
    `"subject":{"reference":"Patient/${patientId}"},"effectiveDateTime":"${at}","issued":"${now}","performer":[{"reference":"${who}"}],${measured}}`
  );
}

function questionnaire({ title, answers }: WriteRecord, { recordId, patientId, who, now }: Author): string {
  if (title === undefined) throw oneOf('/title', 'It needs a title.');
  if (!answers?.length) throw oneOf('/answers', 'It needs answers.');
  const items = answers.map(
    ({ question, answer }, at) =>
      `{"linkId":"${at + 1}","text":${text(question)},"answer":[{"valueString":${text(answer)}}]}`,
  );
  return (
    `{"resourceType":"QuestionnaireResponse","id":"${recordId}",${meta(now, true)},"status":"completed","subject":{"reference":"Patient/${patientId}"},` +
    `"_questionnaire":{"extension":[{"url":"http://hl7.org/fhir/StructureDefinition/display","valueString":${text(title)}}]},` +
    `"authored":"${now}","author":{"reference":"${who}"},"item":[${items.join(',')}]}`
  );
}
