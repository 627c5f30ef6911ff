import type { Decimal, JsonObject } from './json.js';

export const SYSTEM = {
  loinc: 'http://loinc.org',
  snomed: 'http://snomed.info/sct',
  rxnorm: 'http://www.nlm.nih.gov/research/umls/rxnorm',
  cvx: 'http://hl7.org/fhir/sid/cvx',
  icd10: 'http://hl7.org/fhir/sid/icd-10-cm',
  ucum: 'http://unitsofmeasure.org',
  act: 'http://terminology.hl7.org/CodeSystem/v3-ActCode',
} as const;

const TERMINOLOGY = 'http://terminology.hl7.org/CodeSystem/';

export type Coding = readonly [system: string, code: string, display: string];

/** Code and display, where the system is understood. */
export type Pair = readonly [code: string, display: string];

export const coding = ([system, code, display]: Coding): JsonObject => ({ system, code, display });

export const concept = (codings: readonly Coding[], text?: string): JsonObject => ({
  coding: codings.map(coding),
  text: text ?? codings[0]?.[2],
});

export const loinc = (code: string, display: string): JsonObject => concept([[SYSTEM.loinc, code, display]]);
export const snomed = (code: string, display: string): JsonObject => concept([[SYSTEM.snomed, code, display]]);

/** A concept of one of HL7's own code systems, named by the last part of its address. */
export const hl7 = (system: string, code: string, display: string): JsonObject =>
  concept([[TERMINOLOGY + system, code, display]]);

export const quantity = (value: Decimal, unit: string, code = unit): JsonObject => ({
  value,
  unit,
  system: SYSTEM.ucum,
  code,
});

export const usCore = (name: string): string => `http://hl7.org/fhir/us/core/StructureDefinition/us-core-${name}`;

/** `meta.security` of what a chart treats as more sensitive than the rest. */
export const RESTRICTED_PSYCHIATRY: JsonObject[] = [
  { system: `${TERMINOLOGY}v3-Confidentiality`, code: 'R', display: 'restricted' },
  { system: SYSTEM.act, code: 'PSY', display: 'psychiatry disorder information sensitivity' },
];

export const narrative = (text: string): JsonObject => ({
  status: 'generated',
  div: `<div xmlns="http://www.w3.org/1999/xhtml"><p>${escapeXml(text)}</p></div>`,
});

const escapeXml = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
