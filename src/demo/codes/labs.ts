export interface Analyte {
  loinc: string;
  display: string;
  unit: string;
  /** UCUM; the unit itself where they are the same. */
  ucum?: string;
  digits: number;
  /** A healthy adult's value and its spread. */
  mean: number;
  spread: number;
  low?: number;
  high?: number;
  /** Women's and children's ranges where a laboratory prints another one. */
  female?: Range;
  child?: Range;
  /** The smallest value that the method can tell; below it the result is `<` this. */
  detectable?: number;
}

export interface Range {
  mean: number;
  low?: number;
  high?: number;
}

/* prettier-ignore */
export const ANALYTES = {
  glucose: { loinc: '2345-7', display: 'Glucose [Mass/volume] in Serum or Plasma', unit: 'mg/dL', digits: 0, mean: 90, spread: 6, low: 70, high: 99 },
  bun: { loinc: '3094-0', display: 'Urea nitrogen [Mass/volume] in Serum or Plasma', unit: 'mg/dL', digits: 0, mean: 14, spread: 3, low: 7, high: 20 },
  creatinine: { loinc: '2160-0', display: 'Creatinine [Mass/volume] in Serum or Plasma', unit: 'mg/dL', digits: 2, mean: 0.95, spread: 0.09, low: 0.7, high: 1.3, female: { mean: 0.75, low: 0.5, high: 1.1 }, child: { mean: 0.5, low: 0.2, high: 0.8 } },
  egfr: { loinc: '98979-8', display: 'Glomerular filtration rate [Volume Rate/Area] in Serum, Plasma or Blood by Creatinine-based formula (CKD-EPI 2021)/1.73 sq M', unit: 'mL/min/1.73 m2', ucum: 'mL/min/{1.73_m2}', digits: 0, mean: 90, spread: 0, low: 60 },
  sodium: { loinc: '2951-2', display: 'Sodium [Moles/volume] in Serum or Plasma', unit: 'mmol/L', digits: 0, mean: 140, spread: 1.5, low: 135, high: 145 },
  potassium: { loinc: '2823-3', display: 'Potassium [Moles/volume] in Serum or Plasma', unit: 'mmol/L', digits: 1, mean: 4.2, spread: 0.25, low: 3.5, high: 5.1 },
  chloride: { loinc: '2075-0', display: 'Chloride [Moles/volume] in Serum or Plasma', unit: 'mmol/L', digits: 0, mean: 102, spread: 1.5, low: 98, high: 107 },
  bicarbonate: { loinc: '2028-9', display: 'Carbon dioxide, total [Moles/volume] in Serum or Plasma', unit: 'mmol/L', digits: 0, mean: 25, spread: 1.3, low: 22, high: 29 },
  calcium: { loinc: '17861-6', display: 'Calcium [Mass/volume] in Serum or Plasma', unit: 'mg/dL', digits: 1, mean: 9.5, spread: 0.25, low: 8.6, high: 10.3 },
  cholesterol: { loinc: '2093-3', display: 'Cholesterol [Mass/volume] in Serum or Plasma', unit: 'mg/dL', digits: 0, mean: 178, spread: 10, high: 200 },
  triglyceride: { loinc: '2571-8', display: 'Triglyceride [Mass/volume] in Serum or Plasma', unit: 'mg/dL', digits: 0, mean: 105, spread: 22, high: 150 },
  hdl: { loinc: '2085-9', display: 'Cholesterol in HDL [Mass/volume] in Serum or Plasma', unit: 'mg/dL', digits: 0, mean: 52, spread: 5, low: 40, female: { mean: 60, low: 50 } },
  ldl: { loinc: '13457-7', display: 'Cholesterol in LDL [Mass/volume] in Serum or Plasma by calculation', unit: 'mg/dL', digits: 0, mean: 100, spread: 0, high: 130 },
  a1c: { loinc: '4548-4', display: 'Hemoglobin A1c/Hemoglobin.total in Blood', unit: '%', digits: 1, mean: 5.3, spread: 0.15, low: 4, high: 5.6 },
  wbc: { loinc: '6690-2', display: 'Leukocytes [#/volume] in Blood by Automated count', unit: '10*3/uL', digits: 1, mean: 6.8, spread: 1, low: 4, high: 11, child: { mean: 8.5, low: 5, high: 14.5 } },
  hemoglobin: { loinc: '718-7', display: 'Hemoglobin [Mass/volume] in Blood', unit: 'g/dL', digits: 1, mean: 15, spread: 0.5, low: 13.5, high: 17.5, female: { mean: 13.5, low: 12, high: 15.5 }, child: { mean: 12.7, low: 11, high: 15 } },
  mcv: { loinc: '787-2', display: 'MCV [Entitic volume] by Automated count', unit: 'fL', digits: 1, mean: 90, spread: 2, low: 80, high: 100, child: { mean: 82, low: 73, high: 95 } },
  hematocrit: { loinc: '4544-3', display: 'Hematocrit [Volume Fraction] of Blood by Automated count', unit: '%', digits: 1, mean: 44, spread: 0, low: 40, high: 52, female: { mean: 40, low: 36, high: 46 }, child: { mean: 38, low: 33, high: 45 } },
  rbc: { loinc: '789-8', display: 'Erythrocytes [#/volume] in Blood by Automated count', unit: '10*6/uL', digits: 2, mean: 4.9, spread: 0, low: 4.3, high: 5.9, female: { mean: 4.4, low: 3.8, high: 5.2 }, child: { mean: 4.6, low: 3.9, high: 5.5 } },
  mch: { loinc: '785-6', display: 'MCH [Entitic mass] by Automated count', unit: 'pg', digits: 1, mean: 30, spread: 0, low: 27, high: 33, child: { mean: 28, low: 24, high: 32 } },
  platelets: { loinc: '777-3', display: 'Platelets [#/volume] in Blood by Automated count', unit: '10*3/uL', digits: 0, mean: 250, spread: 35, low: 150, high: 400 },
  tsh: { loinc: '3016-3', display: 'Thyrotropin [Units/volume] in Serum or Plasma', unit: 'm[IU]/L', digits: 2, mean: 1.9, spread: 0.4, low: 0.4, high: 4.5 },
  freeT4: { loinc: '3024-7', display: 'Thyroxine (T4) free [Mass/volume] in Serum or Plasma', unit: 'ng/dL', digits: 2, mean: 1.2, spread: 0.1, low: 0.8, high: 1.8 },
  albuminRatio: { loinc: '9318-7', display: 'Albumin/Creatinine [Mass Ratio] in Urine', unit: 'mg/g', digits: 0, mean: 4, spread: 3, high: 30, detectable: 5 },
  crp: { loinc: '1988-5', display: 'C reactive protein [Mass/volume] in Serum or Plasma', unit: 'mg/L', digits: 0, mean: 3, spread: 1.5, high: 10, detectable: 5 },
  ferritin: { loinc: '2276-4', display: 'Ferritin [Mass/volume] in Serum or Plasma', unit: 'ng/mL', digits: 0, mean: 95, spread: 20, low: 30, high: 400, female: { mean: 60, low: 15, high: 150 } },
  bilirubin: { loinc: '1975-2', display: 'Bilirubin.total [Mass/volume] in Serum or Plasma', unit: 'mg/dL', digits: 1, mean: 0.6, spread: 0.15, low: 0.2, high: 1.2, child: { mean: 9.4, high: 12 } },
  ntProBnp: { loinc: '33762-6', display: 'Natriuretic peptide.B prohormone N-Terminal [Mass/volume] in Serum or Plasma', unit: 'pg/mL', digits: 0, mean: 90, spread: 20, high: 125 },
  inr: { loinc: '6301-6', display: 'INR in Platelet poor plasma by Coagulation assay', unit: '{INR}', digits: 1, mean: 1, spread: 0.05, low: 0.9, high: 1.1 },
  psa: { loinc: '2857-1', display: 'Prostate specific Ag [Mass/volume] in Serum or Plasma', unit: 'ng/mL', digits: 2, mean: 1.5, spread: 0.35, high: 4 },
  lead: { loinc: '5671-3', display: 'Lead [Mass/volume] in Blood', unit: 'ug/dL', digits: 1, mean: 1, spread: 0.5, high: 3.5, detectable: 1 },
} as const satisfies Record<string, Analyte>;

export type AnalyteKey = keyof typeof ANALYTES;

export interface Panel {
  loinc: string;
  display: string;
  title: string;
  analytes: readonly AnalyteKey[];
}

/** A panel of one analyte is ordered and reported under the analyte's own code. */
const single = (key: AnalyteKey, title: string): Panel => ({
  loinc: ANALYTES[key].loinc,
  display: ANALYTES[key].display,
  title,
  analytes: [key],
});

export const PANELS = {
  metabolic: {
    loinc: '24321-2',
    display: 'Basic metabolic 2000 panel - Serum or Plasma',
    title: 'Basic metabolic panel',
    analytes: ['glucose', 'bun', 'creatinine', 'egfr', 'sodium', 'potassium', 'chloride', 'bicarbonate', 'calcium'],
  },
  lipid: {
    loinc: '24331-1',
    display: 'Lipid 1996 panel - Serum or Plasma',
    title: 'Lipid panel',
    analytes: ['cholesterol', 'triglyceride', 'hdl', 'ldl'],
  },
  cbc: {
    loinc: '58410-2',
    display: 'CBC panel - Blood by Automated count',
    title: 'Complete blood count',
    analytes: ['wbc', 'rbc', 'hemoglobin', 'hematocrit', 'mcv', 'mch', 'platelets'],
  },
  a1c: single('a1c', 'Haemoglobin A1c'),
  tsh: single('tsh', 'Thyroid stimulating hormone'),
  freeT4: single('freeT4', 'Free thyroxine'),
  albuminRatio: single('albuminRatio', 'Urine albumin to creatinine ratio'),
  crp: single('crp', 'C reactive protein'),
  ferritin: single('ferritin', 'Ferritin'),
  bilirubin: single('bilirubin', 'Total bilirubin'),
  ntProBnp: single('ntProBnp', 'NT-proBNP'),
  inr: single('inr', 'Prothrombin time, INR'),
  psa: single('psa', 'Prostate specific antigen'),
  lead: single('lead', 'Blood lead'),
} as const satisfies Record<string, Panel>;

export type PanelKey = keyof typeof PANELS;
