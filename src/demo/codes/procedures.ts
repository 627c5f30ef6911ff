import type { Pair } from '../core/fhir.js';

export interface ProcedureCode {
  snomed: string;
  display: string;
  /** A surgeon's or a bedside one. */
  category: Pair;
}

const SURGICAL: Pair = ['387713003', 'Surgical procedure'];
const DIAGNOSTIC: Pair = ['103693007', 'Diagnostic procedure'];

/* prettier-ignore */
export const PROCEDURES = {
  colonoscopy: { snomed: '73761001', display: 'Colonoscopy', category: DIAGNOSTIC },
  appendectomy: { snomed: '80146002', display: 'Appendectomy', category: SURGICAL },
  cholecystectomy: { snomed: '45595009', display: 'Laparoscopic cholecystectomy', category: SURGICAL },
  mammography: { snomed: '71651007', display: 'Mammography', category: DIAGNOSTIC },
  ecg: { snomed: '29303009', display: 'Electrocardiographic procedure', category: DIAGNOSTIC },
  echocardiography: { snomed: '40701008', display: 'Echocardiography', category: DIAGNOSTIC },
  angioplasty: { snomed: '415070008', display: 'Percutaneous coronary intervention', category: SURGICAL },
  pacemaker: { snomed: '307280005', display: 'Implantation of cardiac pacemaker', category: SURGICAL },
  kneeReplacement: { snomed: '609588000', display: 'Total knee replacement', category: SURGICAL },
  spirometry: { snomed: '127783003', display: 'Spirometry', category: DIAGNOSTIC },
  tonsillectomy: { snomed: '173422009', display: 'Tonsillectomy', category: SURGICAL },
} as const satisfies Record<string, ProcedureCode>;

export type ProcedureKey = keyof typeof PROCEDURES;

/* prettier-ignore */
export const DEVICES = {
  pacemaker: { snomed: '14106009', display: 'Cardiac pacemaker', maker: 'Northlight Cardiac (demonstration)', model: 'NL-2 DDDR' },
  kneeReplacement: { snomed: '304120007', display: 'Total knee replacement prosthesis', maker: 'Tern Orthopaedics (demonstration)', model: 'TK-7' },
} as const;

export type DeviceKey = keyof typeof DEVICES;

const REACTIONS: Record<'wheal' | 'rash' | 'nausea' | 'anaphylaxis', Pair> = {
  wheal: ['247472004', 'Wheal'],
  rash: ['271807003', 'Eruption of skin'],
  nausea: ['422587007', 'Nausea'],
  anaphylaxis: ['39579001', 'Anaphylaxis'],
};

/* prettier-ignore */
export const ALLERGIES = {
  penicillin: { system: 'rxnorm', code: '7980', display: 'penicillin G', category: 'medication', criticality: 'high', reaction: REACTIONS.wheal, severity: 'moderate' },
  sulfa: { system: 'rxnorm', code: '10831', display: 'sulfamethoxazole / trimethoprim', category: 'medication', criticality: 'low', reaction: REACTIONS.rash, severity: 'mild' },
  codeine: { system: 'rxnorm', code: '2670', display: 'codeine', category: 'medication', criticality: 'low', reaction: REACTIONS.nausea, severity: 'mild' },
  peanut: { system: 'snomed', code: '762952008', display: 'Peanut', category: 'food', criticality: 'high', reaction: REACTIONS.anaphylaxis, severity: 'severe' },
  latex: { system: 'snomed', code: '111088007', display: 'Latex', category: 'environment', criticality: 'low', reaction: REACTIONS.wheal, severity: 'mild' },
} as const;

export type AllergyKey = keyof typeof ALLERGIES;
