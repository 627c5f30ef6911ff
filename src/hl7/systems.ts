import type { Hl7Sender } from './message.js';

/** https://terminology.hl7.org/CodeSystem-v2-0396.html, as far as laboratories and wards use it. */
const CODE_SYSTEMS: Readonly<Record<string, string>> = {
  LN: 'http://loinc.org',
  SCT: 'http://snomed.info/sct',
  SNM3: 'http://snomed.info/sct',
  UCUM: 'http://unitsofmeasure.org',
  I10: 'http://hl7.org/fhir/sid/icd-10',
  I10C: 'http://hl7.org/fhir/sid/icd-10-cm',
  ICD10CM: 'http://hl7.org/fhir/sid/icd-10-cm',
  I9: 'http://hl7.org/fhir/sid/icd-9-cm',
  I9CDX: 'http://hl7.org/fhir/sid/icd-9-cm',
  I9C: 'http://hl7.org/fhir/sid/icd-9-cm',
  C4: 'http://www.ama-assn.org/go/cpt',
  CPT4: 'http://www.ama-assn.org/go/cpt',
  RXNORM: 'http://www.nlm.nih.gov/research/umls/rxnorm',
  NDC: 'http://hl7.org/fhir/sid/ndc',
  CVX: 'http://hl7.org/fhir/sid/cvx',
};
const TABLE = /^HL7(\d{4})$/;
const OID = /^[0-2](?:\.(?:0|[1-9]\d*))+$/;
const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
const ABSOLUTE = /^(?:https?:\/\/|urn:)[^\s]+$/i;

export const v2Table = (table: string): string => `http://terminology.hl7.org/CodeSystem/v2-${table}`;

const own = <T>(map: Readonly<Record<string, T>>, key: string): T | undefined =>
  Object.hasOwn(map, key) ? map[key] : undefined;

/** The system that a sender's short name of a code system means: one of HL7's, one that was agreed on, or the sender's own. */
export function codeSystemOf(name: string | undefined, oid: string | undefined, sender: Hl7Sender): string | undefined {
  const agreed = name === undefined ? undefined : own(sender.systems, name);
  if (agreed !== undefined) return agreed;
  if (oid !== undefined && OID.test(oid)) return `urn:oid:${oid}`;
  if (name === undefined) return undefined;
  const table = TABLE.exec(name)?.[1];
  return table === undefined ? (own(CODE_SYSTEMS, name.toUpperCase()) ?? namedBy(name, sender)) : v2Table(table);
}

/** Who gives out an identifier (HD: namespace, universal id, its type). Without a word of it, the feed itself. */
export function authorityOf(hd: readonly [string?, string?, string?], sender: Hl7Sender): string {
  const [namespace, universal] = hd;
  const agreed = [namespace, universal, ''].flatMap((name) =>
    name === undefined || (name === '' && (namespace ?? universal) !== undefined)
      ? []
      : (own(sender.systems, name) ?? []),
  )[0];
  if (agreed !== undefined) return agreed;
  if (universal !== undefined && OID.test(universal)) return `urn:oid:${universal}`;
  if (universal !== undefined && UUID.test(universal)) return `urn:uuid:${universal.toLowerCase()}`;
  if (universal !== undefined && ABSOLUTE.test(universal)) return universal;
  const name = namespace ?? universal;
  return name === undefined ? sender.source : namedBy(name, sender);
}

const namedBy = (name: string, { source }: Hl7Sender): string => `${source}#${encodeURIComponent(name.toWellFormed())}`;
