export interface ProcedureCode {
  snomed: string;
  display: string;
  /** A surgeon's or a bedside one. */
  category: readonly [code: string, display: string];
}

const SURGICAL = ['387713003', 'Surgical procedure'] as const;
const DIAGNOSTIC = ['103693007', 'Diagnostic procedure'] as const;

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

/* prettier-ignore */
export const ALLERGIES = {
  penicillin: { system: 'rxnorm', code: '7980', display: 'penicillin G', category: 'medication', criticality: 'high', reaction: ['247472004', 'Wheal'], severity: 'moderate' },
  sulfa: { system: 'rxnorm', code: '10831', display: 'sulfamethoxazole / trimethoprim', category: 'medication', criticality: 'low', reaction: ['271807003', 'Eruption of skin'], severity: 'mild' },
  codeine: { system: 'rxnorm', code: '2670', display: 'codeine', category: 'medication', criticality: 'low', reaction: ['422587007', 'Nausea'], severity: 'mild' },
  peanut: { system: 'snomed', code: '762952008', display: 'Peanut', category: 'food', criticality: 'high', reaction: ['39579001', 'Anaphylaxis'], severity: 'severe' },
  latex: { system: 'snomed', code: '111088007', display: 'Latex', category: 'environment', criticality: 'low', reaction: ['247472004', 'Wheal'], severity: 'mild' },
} as const;

export type AllergyKey = keyof typeof ALLERGIES;
