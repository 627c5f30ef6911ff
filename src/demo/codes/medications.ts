import type { Pair } from '../core/fhir.js';

export interface Medication {
  rxnorm: string;
  display: string;
  /** As a patient reads it on the label. */
  sig: string;
  /** Times in a period of so many hours. */
  every: readonly [times: number, hours: number];
  dose: readonly [value: string, unit: string, ucum: string];
  route: Route;
  asNeeded?: boolean;
  /** Under twelve years. */
  childDose?: string;
  /** How long one order lasts. */
  days: number;
}

export type Route = 'oral' | 'inhalation' | 'subcutaneous' | 'topical';

export const ROUTES: Record<Route, Pair> = {
  oral: ['26643006', 'Oral route'],
  inhalation: ['447694001', 'Respiratory tract route'],
  subcutaneous: ['34206005', 'Subcutaneous route'],
  topical: ['6064005', 'Topical route'],
};

const TABLET = ['1', 'tablet', '{tbl}'] as const;

/* prettier-ignore */
export const MEDICATIONS = {
  metformin: { rxnorm: '861007', display: 'metformin hydrochloride 500 MG Oral Tablet', sig: 'Take 1 tablet twice a day with meals', every: [2, 24], dose: TABLET, route: 'oral', days: 90 },
  glargine: { rxnorm: '274783', display: 'insulin glargine', sig: 'Inject 18 units under the skin at bedtime', every: [1, 24], dose: ['18', 'unit', '[IU]'], route: 'subcutaneous', days: 90 },
  lispro: { rxnorm: '86009', display: 'insulin lispro', sig: 'Inject 4.5 units under the skin before each meal', every: [3, 24], dose: ['4.50', 'unit', '[IU]'], route: 'subcutaneous', days: 90 },
  lisinopril: { rxnorm: '314076', display: 'lisinopril 10 MG Oral Tablet', sig: 'Take 1 tablet once a day', every: [1, 24], dose: TABLET, route: 'oral', days: 90 },
  hydrochlorothiazide: { rxnorm: '310798', display: 'hydrochlorothiazide 25 MG Oral Tablet', sig: 'Take half a tablet in the morning', every: [1, 24], dose: ['0.50', 'tablet', '{tbl}'], route: 'oral', days: 90 },
  simvastatin: { rxnorm: '312961', display: 'simvastatin 20 MG Oral Tablet', sig: 'Take 1 tablet in the evening', every: [1, 24], dose: TABLET, route: 'oral', days: 90 },
  aspirin: { rxnorm: '243670', display: 'aspirin 81 MG Oral Tablet', sig: 'Take 1 tablet once a day', every: [1, 24], dose: TABLET, route: 'oral', days: 90 },
  metoprolol: { rxnorm: '866412', display: '24 HR metoprolol succinate 100 MG Extended Release Oral Tablet', sig: 'Take half a tablet once a day', every: [1, 24], dose: ['0.50', 'tablet', '{tbl}'], route: 'oral', days: 90 },
  furosemide: { rxnorm: '313988', display: 'furosemide 40 MG Oral Tablet', sig: 'Take 1 tablet in the morning', every: [1, 24], dose: TABLET, route: 'oral', days: 90 },
  warfarin: { rxnorm: '855332', display: 'warfarin sodium 5 MG Oral Tablet', sig: 'Take half a tablet in the evening, as the INR clinic directs', every: [1, 24], dose: ['0.50', 'tablet', '{tbl}'], route: 'oral', days: 90 },
  levothyroxine: { rxnorm: '10582', display: 'levothyroxine', sig: 'Take 75 micrograms in the morning before food', every: [1, 24], dose: ['75', 'ug', 'ug'], route: 'oral', days: 90 },
  albuterol: { rxnorm: '435', display: 'albuterol', sig: 'Inhale 2 puffs every 6 hours if needed for wheezing', every: [1, 6], dose: ['2', 'puff', '{puff}'], route: 'inhalation', asNeeded: true, days: 180 },
  fluticasone: { rxnorm: '895994', display: '120 ACTUAT fluticasone propionate 0.044 MG/ACTUAT Metered Dose Inhaler', sig: 'Inhale 2 puffs twice a day', every: [2, 24], dose: ['2', 'puff', '{puff}'], route: 'inhalation', days: 90 },
  tiotropium: { rxnorm: '69120', display: 'tiotropium', sig: 'Inhale 18 micrograms once a day', every: [1, 24], dose: ['18', 'ug', 'ug'], route: 'inhalation', days: 90 },
  omeprazole: { rxnorm: '7646', display: 'omeprazole', sig: 'Take 20 mg before breakfast', every: [1, 24], dose: ['20', 'mg', 'mg'], route: 'oral', days: 90 },
  sertraline: { rxnorm: '312941', display: 'sertraline 50 MG Oral Tablet', sig: 'Take 1 tablet in the morning', every: [1, 24], dose: TABLET, route: 'oral', days: 90 },
  escitalopram: { rxnorm: '321988', display: 'escitalopram', sig: 'Take 10 mg once a day', every: [1, 24], dose: ['10', 'mg', 'mg'], route: 'oral', days: 90 },
  sumatriptan: { rxnorm: '37418', display: 'sumatriptan', sig: 'Take 50 mg at the start of a migraine', every: [1, 24], dose: ['50', 'mg', 'mg'], route: 'oral', asNeeded: true, days: 180 },
  iron: { rxnorm: '24947', display: 'ferrous sulfate', sig: 'Take 325 mg once a day', every: [1, 24], dose: ['325', 'mg', 'mg'], route: 'oral', days: 90 },
  hydrocortisone: { rxnorm: '5492', display: 'hydrocortisone', sig: 'Apply a thin layer of 1 % cream to the rash twice a day', every: [2, 24], dose: ['1', 'application', '{application}'], route: 'topical', asNeeded: true, days: 30 },
  loratadine: { rxnorm: '28889', display: 'loratadine', sig: 'Take 10 mg once a day in the season', every: [1, 24], dose: ['10', 'mg', 'mg'], route: 'oral', asNeeded: true, days: 90 },
  acetaminophen: { rxnorm: '313782', display: 'acetaminophen 325 MG Oral Tablet', sig: 'Take 2 tablets up to every 6 hours if needed for pain', every: [1, 6], dose: ['2', 'tablet', '{tbl}'], route: 'oral', asNeeded: true, days: 90 },
  alendronate: { rxnorm: '904419', display: 'alendronic acid 10 MG Oral Tablet', sig: 'Take 1 tablet in the morning, upright, with a full glass of water', every: [1, 24], dose: TABLET, route: 'oral', days: 90 },
  tamsulosin: { rxnorm: '77492', display: 'tamsulosin', sig: 'Take 0.4 mg after the same meal every day', every: [1, 24], dose: ['0.40', 'mg', 'mg'], route: 'oral', days: 90 },
  donepezil: { rxnorm: '135447', display: 'donepezil', sig: 'Take 5 mg at bedtime', every: [1, 24], dose: ['5', 'mg', 'mg'], route: 'oral', days: 90 },
  amoxicillin: { rxnorm: '723', display: 'amoxicillin', sig: 'Take the measured dose three times a day until finished', every: [3, 24], dose: ['500', 'mg', 'mg'], childDose: '250', route: 'oral', days: 7 },
  nitrofurantoin: { rxnorm: '7454', display: 'nitrofurantoin', sig: 'Take 100 mg twice a day with food', every: [2, 24], dose: ['100', 'mg', 'mg'], route: 'oral', days: 5 },
  naproxen: { rxnorm: '198014', display: 'naproxen 500 MG Oral Tablet', sig: 'Take 1 tablet twice a day with food', every: [2, 24], dose: TABLET, route: 'oral', days: 7 },
  ibuprofen: { rxnorm: '310965', display: 'ibuprofen 200 MG Oral Tablet', sig: 'Take 1 tablet every 6 hours if needed for pain', every: [1, 6], dose: TABLET, route: 'oral', asNeeded: true, days: 5 },
} as const satisfies Record<string, Medication>;

export type MedicationKey = keyof typeof MEDICATIONS;
