import type { AnalyteKey, PanelKey } from './labs.js';
import type { MedicationKey } from './medications.js';

export interface Problem {
  snomed: string;
  icd10: string;
  text: string;
  medications?: readonly MedicationKey[];
  /** What is watched at follow-up visits. */
  panels?: readonly PanelKey[];
  /** What is added to the yearly check-up. */
  yearly?: readonly PanelKey[];
  /** Where this patient's values centre, in place of a healthy person's. */
  shifts?: Partial<Record<AnalyteKey, number>>;
  raisesPressure?: true;
  goal?: string;
  sensitive?: boolean;
}

/** The problem list: what lasts. */
/* prettier-ignore */
export const PROBLEMS = {
  diabetes2: { snomed: '44054006', icd10: 'E11.9', text: 'Type 2 diabetes mellitus', medications: ['metformin'], panels: ['a1c'], yearly: ['albuminRatio'], shifts: { a1c: 7.2, glucose: 142, triglyceride: 165 }, goal: 'Haemoglobin A1c below 7.0 %' },
  diabetes1: { snomed: '46635009', icd10: 'E10.9', text: 'Type 1 diabetes mellitus', medications: ['glargine', 'lispro'], panels: ['a1c'], yearly: ['albuminRatio'], shifts: { a1c: 7.5, glucose: 158 }, goal: 'Haemoglobin A1c below 7.0 % without hypoglycaemia' },
  hypertension: { snomed: '59621000', icd10: 'I10', text: 'Essential hypertension', medications: ['lisinopril', 'hydrochlorothiazide'], raisesPressure: true, goal: 'Blood pressure below 130/80 mmHg' },
  hyperlipidemia: { snomed: '55822004', icd10: 'E78.5', text: 'Hyperlipidemia', medications: ['simvastatin'], panels: ['lipid'], shifts: { cholesterol: 224, triglyceride: 160 }, goal: 'LDL cholesterol below 100 mg/dL' },
  kidney3: { snomed: '433144002', icd10: 'N18.30', text: 'Chronic kidney disease stage 3', yearly: ['albuminRatio'], shifts: { creatinine: 1.34, bun: 27, potassium: 4.5, albuminRatio: 85, hemoglobin: 11.9 } },
  coronary: { snomed: '53741008', icd10: 'I25.10', text: 'Coronary arteriosclerosis', medications: ['aspirin', 'metoprolol'], goal: 'Walk 30 minutes on five days a week' },
  heartFailure: { snomed: '84114007', icd10: 'I50.9', text: 'Heart failure', medications: ['furosemide', 'metoprolol'], panels: ['ntProBnp'], shifts: { ntProBnp: 1850, sodium: 136 }, goal: 'Weigh daily and report a gain over 2 kg in 3 days' },
  fibrillation: { snomed: '49436004', icd10: 'I48.91', text: 'Atrial fibrillation', medications: ['warfarin'], panels: ['inr'], shifts: { inr: 2.5 }, goal: 'INR between 2.0 and 3.0' },
  hypothyroid: { snomed: '40930008', icd10: 'E03.9', text: 'Hypothyroidism', medications: ['levothyroxine'], panels: ['tsh'], yearly: ['freeT4'], shifts: { tsh: 4.1, freeT4: 1.0 } },
  asthma: { snomed: '195967001', icd10: 'J45.909', text: 'Asthma', medications: ['albuterol', 'fluticasone'], goal: 'No more than two days a week with symptoms' },
  copd: { snomed: '13645005', icd10: 'J44.9', text: 'Chronic obstructive lung disease', medications: ['tiotropium', 'albuterol'], goal: 'Stay free of tobacco' },
  apnea: { snomed: '78275009', icd10: 'G47.33', text: 'Obstructive sleep apnea syndrome' },
  obesity: { snomed: '414916001', icd10: 'E66.9', text: 'Obesity', goal: 'Lose 5 % of body weight in six months' },
  reflux: { snomed: '235595009', icd10: 'K21.9', text: 'Gastroesophageal reflux disease', medications: ['omeprazole'] },
  depression: { snomed: '35489007', icd10: 'F32.A', text: 'Depressive disorder', medications: ['sertraline'], goal: 'PHQ-2 score below 3', sensitive: true },
  anxiety: { snomed: '21897009', icd10: 'F41.1', text: 'Generalized anxiety disorder', medications: ['escitalopram'], goal: 'Weekly counselling for three months', sensitive: true },
  migraine: { snomed: '37796009', icd10: 'G43.909', text: 'Migraine', medications: ['sumatriptan'] },
  ironAnemia: { snomed: '87522002', icd10: 'D50.9', text: 'Iron deficiency anemia', medications: ['iron'], panels: ['ferritin'], yearly: ['cbc'], shifts: { hemoglobin: 10.8, mcv: 75, ferritin: 9 } },
  eczema: { snomed: '24079001', icd10: 'L20.9', text: 'Atopic dermatitis', medications: ['hydrocortisone'] },
  hayfever: { snomed: '367498001', icd10: 'J30.2', text: 'Seasonal allergic rhinitis', medications: ['loratadine'] },
  kneeArthritis: { snomed: '239873007', icd10: 'M17.9', text: 'Osteoarthritis of knee', medications: ['acetaminophen'] },
  arthritis: { snomed: '396275006', icd10: 'M19.90', text: 'Osteoarthritis', medications: ['acetaminophen'] },
  osteoporosis: { snomed: '64859006', icd10: 'M81.0', text: 'Osteoporosis', medications: ['alendronate'], goal: 'No falls in the next twelve months' },
  prostate: { snomed: '266569009', icd10: 'N40.0', text: 'Benign prostatic hyperplasia', medications: ['tamsulosin'], panels: ['psa'], shifts: { psa: 3.4 } },
  dementia: { snomed: '26929004', icd10: 'G30.9', text: "Alzheimer's disease", medications: ['donepezil'], goal: 'Safe at home with daily support' },
} as const satisfies Record<string, Problem>;

export type ProblemKey = keyof typeof PROBLEMS;

export interface Illness extends Problem {
  complaint: string;
  child: boolean;
  adult: boolean;
  fever?: boolean;
  xray?: boolean;
  emergency?: boolean;
}

/** What comes and goes: the diagnosis of one encounter. */
/* prettier-ignore */
export const ILLNESSES = {
  cold: { snomed: '54150009', icd10: 'J06.9', text: 'Upper respiratory infection', complaint: 'runny nose, cough and a sore throat for three days', child: true, adult: true, fever: true },
  pharyngitis: { snomed: '195662009', icd10: 'J02.9', text: 'Acute viral pharyngitis', complaint: 'sore throat and pain on swallowing', child: true, adult: true, fever: true },
  otitis: { snomed: '3110003', icd10: 'H66.90', text: 'Acute otitis media', complaint: 'ear pain since last night', child: true, adult: false, fever: true, medications: ['amoxicillin'] },
  bronchitis: { snomed: '10509002', icd10: 'J20.9', text: 'Acute bronchitis', complaint: 'a productive cough for ten days', child: false, adult: true, panels: ['crp'], shifts: { crp: 12 }, xray: true },
  cystitis: { snomed: '68566005', icd10: 'N39.0', text: 'Urinary tract infectious disease', complaint: 'burning on passing water and urgency', child: false, adult: true, medications: ['nitrofurantoin'], panels: ['crp'], shifts: { crp: 3 } },
  backPain: { snomed: '279039007', icd10: 'M54.50', text: 'Low back pain', complaint: 'low back pain after lifting', child: false, adult: true, medications: ['naproxen'] },
  ankle: { snomed: '44465007', icd10: 'S93.409A', text: 'Sprain of ankle', complaint: 'a twisted ankle, painful to walk on', child: true, adult: true, xray: true, emergency: true, medications: ['ibuprofen'] },
  pneumonia: { snomed: '233604007', icd10: 'J18.9', text: 'Pneumonia', complaint: 'fever, cough and shortness of breath', child: false, adult: true, fever: true, xray: true, panels: ['cbc', 'crp'], shifts: { crp: 96, wbc: 14.2 }, medications: ['amoxicillin'] },
  decompensation: { snomed: '42343007', icd10: 'I50.9', text: 'Congestive heart failure', complaint: 'swollen legs and breathlessness lying flat', child: false, adult: true, xray: true, panels: ['ntProBnp', 'metabolic'], shifts: { ntProBnp: 6400, sodium: 132 } },
  jaundice: { snomed: '387712008', icd10: 'P59.9', text: 'Neonatal jaundice', complaint: 'yellow skin on the second day of life', child: true, adult: false, panels: ['bilirubin'], shifts: { bilirubin: 9.4 } },
} as const satisfies Record<string, Illness>;

export type IllnessKey = keyof typeof ILLNESSES;
