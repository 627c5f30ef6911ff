import type { Origin } from './codes/names.js';
import type { IllnessKey, ProblemKey } from './codes/problems.js';
import type { AllergyKey, DeviceKey, ProcedureKey } from './codes/procedures.js';
import type { Sex } from './types.js';

/** One patient's part in the play: what the seed may not change. */
export interface Slot {
  origin: Origin;
  sex: Sex;
  /** Years; below one, a fraction. */
  age: number;
  /** Fixed rather than drawn, for the account that a visitor signs in with first. */
  name?: readonly [family: string, given: string];
  portal?: boolean;
  problems?: readonly ProblemKey[];
  illnesses?: readonly IllnessKey[];
  allergy?: AllergyKey;
  procedures?: readonly (readonly [key: ProcedureKey, yearsAgo: number])[];
  device?: DeviceKey;
  smoking?: 'former' | 'daily';
  /** Another slot whose account acts for this one; the surname is shared. */
  guardian?: readonly [slot: number, relationship: Relationship];
  /** A twin; the second has the birth date of the slot before. */
  birthOrder?: 1 | 2;
  /** Days before the day of the demonstration. */
  diedDaysAgo?: number;
  /** Seen this week, and the laboratory has not finished. */
  resultPending?: boolean;
  /** One older result was corrected after release. */
  resultCorrected?: boolean;
}

export type Relationship = 'mother' | 'father' | 'son' | 'daughter';

export const GUARDIAN_SLOT = { maria: 0, hyphenatedMother: 15, son: 16 } as const;

/* prettier-ignore */
export const ROSTER: readonly Slot[] = [
  { origin: 'spanish', sex: 'female', age: 43.4, name: ['González', 'María'], portal: true, problems: ['diabetes2', 'hypertension'], illnesses: ['bronchitis'], allergy: 'penicillin', procedures: [['cholecystectomy', 6.2]], resultPending: true, resultCorrected: true },
  { origin: 'spanish', sex: 'male', age: 6.3, illnesses: ['otitis', 'cold'], guardian: [GUARDIAN_SLOT.maria, 'mother'], birthOrder: 1 },
  { origin: 'spanish', sex: 'female', age: 6.3, problems: ['hayfever'], illnesses: ['cold'], guardian: [GUARDIAN_SLOT.maria, 'mother'], birthOrder: 2 },
  { origin: 'vietnamese', sex: 'female', age: 0.014, illnesses: ['jaundice'] },
  { origin: 'arabic', sex: 'male', age: 0.76, illnesses: ['cold'] },
  { origin: 'polish', sex: 'female', age: 2.2, problems: ['eczema'], illnesses: ['otitis', 'cold'], allergy: 'peanut' },
  { origin: 'yoruba', sex: 'male', age: 9.1, problems: ['asthma'], illnesses: ['ankle', 'pharyngitis'], procedures: [['tonsillectomy', 3.1]] },
  { origin: 'hyphenated', sex: 'female', age: 16.4, portal: true, problems: ['anxiety', 'migraine'], illnesses: ['pharyngitis'], guardian: [GUARDIAN_SLOT.hyphenatedMother, 'mother'] },
  { origin: 'japanese', sex: 'male', age: 19.6, illnesses: ['ankle', 'cold'], procedures: [['appendectomy', 2.3]] },
  { origin: 'irish', sex: 'female', age: 24.8, problems: ['migraine', 'ironAnemia'], illnesses: ['cystitis'] },
  { origin: 'hawaiian', sex: 'other', age: 29.5, problems: ['anxiety', 'hayfever'], illnesses: ['backPain'] },
  { origin: 'turkish', sex: 'male', age: 33.7, portal: true, problems: ['diabetes1'], illnesses: ['cold'], allergy: 'sulfa' },
  { origin: 'hindi', sex: 'female', age: 36.1, problems: ['hypothyroid'], illnesses: ['cystitis', 'cold'], allergy: 'latex' },
  { origin: 'greek', sex: 'male', age: 41.9, problems: ['obesity', 'reflux', 'apnea'], illnesses: ['backPain'], smoking: 'daily' },
  { origin: 'french', sex: 'male', age: 45.3, problems: ['hypertension', 'hyperlipidemia'], illnesses: ['bronchitis'] },
  { origin: 'hyphenated', sex: 'female', age: 52.6, portal: true, problems: ['depression', 'hypothyroid'], illnesses: ['cystitis'], procedures: [['mammography', 1.2], ['colonoscopy', 4.1]], resultCorrected: true },
  { origin: 'english', sex: 'male', age: 58.2, portal: true, problems: ['coronary', 'hyperlipidemia', 'hypertension'], procedures: [['angioplasty', 3.3], ['ecg', 0.6], ['colonoscopy', 5.2]], smoking: 'former' },
  { origin: 'czech', sex: 'female', age: 61.7, problems: ['kneeArthritis', 'obesity', 'asthma'], illnesses: ['bronchitis'], procedures: [['kneeReplacement', 1.6], ['mammography', 0.9]], device: 'kneeReplacement', allergy: 'codeine' },
  { origin: 'russian', sex: 'male', age: 66.4, problems: ['copd', 'hyperlipidemia'], illnesses: ['pneumonia', 'bronchitis'], procedures: [['spirometry', 0.8]], smoking: 'former' },
  { origin: 'chinese', sex: 'female', age: 69.9, problems: ['diabetes2', 'kidney3', 'hypertension'], illnesses: ['cystitis'], procedures: [['colonoscopy', 3.4]] },
  { origin: 'nordic', sex: 'male', age: 73.3, problems: ['fibrillation', 'prostate', 'hypertension'], illnesses: ['cold'], procedures: [['pacemaker', 2.1], ['ecg', 0.4]], device: 'pacemaker' },
  { origin: 'irish', sex: 'female', age: 78.5, problems: ['osteoporosis', 'hypothyroid'], illnesses: ['bronchitis'], procedures: [['mammography', 2.5]], smoking: 'former' },
  { origin: 'polish', sex: 'male', age: 84.2, problems: ['heartFailure', 'coronary', 'kidney3'], illnesses: ['decompensation', 'pneumonia'], procedures: [['echocardiography', 0.7], ['ecg', 0.3]], smoking: 'former', diedDaysAgo: 93 },
  { origin: 'english', sex: 'female', age: 89.1, problems: ['dementia', 'hypertension'], illnesses: ['cystitis'], guardian: [GUARDIAN_SLOT.son, 'son'] },
  { origin: 'hawaiian', sex: 'female', age: 97.2, problems: ['arthritis', 'fibrillation'], illnesses: ['pneumonia'], allergy: 'sulfa' },
];
