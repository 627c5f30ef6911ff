import { entryOf, type ResourceText } from './feed.js';
import { known, type Hospital } from './hospital.js';
import { makePatient, type Caller } from './people.js';

const LOINC = 'http://loinc.org';

export interface Lab {
  id: string;
  at: string;
  /** The value's members as they are written. */
  value: string;
  code?: string;
  display?: string;
  category?: string;
  status?: string;
  more?: string;
}

/** An Observation about `Patient/pat`. */
export const labText = ({ id, at, value, code = '2823-3', display = 'Potassium', ...rest }: Lab): ResourceText => {
  const { category = 'laboratory', status = 'final', more = '' } = rest;
  return (
    `{"resourceType":"Observation","id":"${id}","status":"${status}","category":[{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/observation-category","code":"${category}"}]}],` +
    `"code":{"coding":[{"system":"urn:lab:local","code":"K-${code}"},{"system":"${LOINC}","code":"${code}","display":"${display}"}]},"subject":{"reference":"Patient/pat"},` +
    `"effectiveDateTime":"${at}"${value === '' ? '' : `,${value}`}${more}}`
  );
};

export const lab = (one: Lab): string => entryOf(labText(one));

/** Any other resource about `Patient/pat`; `more` are its members as they are written. */
export const about = (type: string, id: string, more: string, subject = 'subject'): string =>
  entryOf(`{"resourceType":"${type}","id":"${id}","${subject}":{"reference":"Patient/pat"},${more}}`);

export const coded = (system: string, code: string, text: string): string =>
  `{"coding":[{"system":"${system}","code":"${code}"}],"text":"${text}"}`;

const clinical = (kind: string, code: string): string =>
  `{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/${kind}","code":"${code}"}]}`;

const RANGE = `,"referenceRange":[{"low":{"value":3.50,"unit":"mmol/L"},"high":{"value":5.0,"unit":"mmol/L"}}]`;
const SNOMED = 'http://snomed.info/sct';
const RXNORM = 'http://www.nlm.nih.gov/research/umls/rxnorm';

/** A chart in which everything that a summary tells is there once, or in a way that is easily told wrongly. */
export const CHART: readonly string[] = [
  lab({
    id: 'k1',
    at: '2025-01-05T08:00:00-05:00',
    value: `"valueQuantity":{"value":4.10,"unit":"mmol/L"}`,
    more: RANGE,
  }),
  lab({
    id: 'k2',
    at: '2025-06-05T08:00:00-05:00',
    value: `"valueQuantity":{"value":5.60,"unit":"mmol/L"}`,
    more: `${RANGE},"interpretation":[{"coding":[{"code":"H"}]}]`,
  }),
  lab({
    id: 'k3',
    at: '2025-09-30T23:30:00-05:00',
    status: 'preliminary',
    value: `"valueQuantity":{"value":5.0,"unit":"mmol/L"}`,
    more: RANGE,
  }),
  lab({
    id: 'crp',
    at: '2025-09-30T23:00:00-05:00',
    code: '1988-5',
    display: 'C reactive protein',
    value: `"valueQuantity":{"value":5,"comparator":"<","unit":"mg/L"}`,
  }),
  lab({
    id: 'gone',
    at: '2025-09-30T22:00:00-05:00',
    code: '2345-7',
    display: 'Glucose',
    value: `"dataAbsentReason":{"coding":[{"code":"not-performed"}]}`,
  }),
  lab({
    id: 'wrong',
    at: '2025-09-30T22:30:00-05:00',
    code: '718-7',
    display: 'Hemoglobin',
    status: 'entered-in-error',
    value: `"valueQuantity":{"value":1,"unit":"g/dL"}`,
  }),
  lab({
    ...{
      id: 'bp',
      at: '2025-09-30T09:00:00-05:00',
      code: '85354-9',
      display: 'Blood pressure',
      category: 'vital-signs',
      value: '',
    },
    more: `,"component":[{"code":{"text":"Systolic"},"valueQuantity":{"value":121.0,"unit":"mmHg"}},{"code":{"text":"Diastolic"},"valueQuantity":{"value":80,"unit":"mmHg"}}]`,
  }),
  about(
    'Condition',
    'asthma-old',
    `"clinicalStatus":${clinical('condition-clinical', 'active')},"code":${coded(SNOMED, '195967001', 'Asthma')},"onsetDateTime":"2010"`,
  ),
  about(
    'Condition',
    'asthma',
    `"clinicalStatus":${clinical('condition-clinical', 'recurrence')},"code":${coded(SNOMED, '195967001', 'Asthma')},"onsetDateTime":"2021-05"`,
  ),
  about(
    'Condition',
    'flu',
    `"clinicalStatus":${clinical('condition-clinical', 'resolved')},"code":${coded(SNOMED, '6142004', 'Influenza')},"onsetDateTime":"2024-01-02"`,
  ),
  about(
    'MedicationRequest',
    'salbutamol',
    `"status":"active","intent":"order","medicationCodeableConcept":${coded(RXNORM, '435', 'Salbutamol')},"authoredOn":"2024-03-01","dosageInstruction":[{"text":"Two puffs when needed"}]`,
  ),
  about(
    'MedicationRequest',
    'stopped',
    `"status":"stopped","intent":"order","medicationCodeableConcept":${coded(RXNORM, '723', 'Amoxicillin')},"authoredOn":"2024-03-02"`,
  ),
  about(
    'AllergyIntolerance',
    'peanut',
    `"clinicalStatus":${clinical('allergyintolerance-clinical', 'active')},"criticality":"high","code":${coded(SNOMED, '91935009', 'Peanut')},"reaction":[{"manifestation":[{"text":"Hives"}],"severity":"severe"}]`,
    'patient',
  ),
  about(
    'Immunization',
    'tetanus',
    `"status":"completed","vaccineCode":${coded('http://hl7.org/fhir/sid/cvx', '113', 'Td')},"occurrenceDateTime":"2019-04-01","lotNumber":"L7"`,
    'patient',
  ),
  about(
    'Immunization',
    'refused',
    `"status":"not-done","vaccineCode":${coded('http://hl7.org/fhir/sid/cvx', '140', 'Influenza')},"occurrenceDateTime":"2024-10-01"`,
    'patient',
  ),
  about(
    'Encounter',
    'visit',
    `"status":"finished","class":{"system":"http://terminology.hl7.org/CodeSystem/v3-ActCode","code":"AMB"},"type":[${coded(SNOMED, '185349003', 'Check-up')}],"period":{"start":"2025-09-30T08:30:00-05:00","end":"2025-09-30T09:30:00-05:00"}`,
  ),
  about(
    'Encounter',
    'planned',
    `"status":"planned","class":{"system":"http://terminology.hl7.org/CodeSystem/v3-ActCode","code":"AMB"},"period":{"start":"2027-01-30T08:30:00-05:00"}`,
  ),
];

/** Somebody who acts for a patient; of their sensitive records those with these labels alone are open to them. */
export async function makeProxyOf(
  { portal, admin }: Hospital,
  patientId: string,
  openLabels: readonly string[] = [],
): Promise<Caller & { id: string }> {
  const caller = await known(makePatient(portal, admin));
  await portal.owner.query(`UPDATE users.account_role SET role = 'proxy' WHERE account_id = $1`, [caller.id]);
  await portal.owner.query('UPDATE users.patient SET account_id = NULL WHERE account_id = $1', [caller.id]);
  await portal.owner.query(
    `INSERT INTO users.proxy_grant (proxy_grant_id, account_id, patient_id, open_labels, starts_at) VALUES (gen_random_uuid(), $1, $2, $3, now() - interval '1 day')`,
    [caller.id, patientId, openLabels],
  );
  return caller;
}
