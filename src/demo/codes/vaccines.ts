export interface Vaccine {
  cvx: string;
  display: string;
}

/* prettier-ignore */
export const VACCINES = {
  hepB: { cvx: '08', display: 'Hep B, adolescent or pediatric' },
  rotavirus: { cvx: '119', display: 'rotavirus, monovalent' },
  dtap: { cvx: '20', display: 'DTaP' },
  hib: { cvx: '49', display: 'Hib (PRP-OMP)' },
  pcv13: { cvx: '133', display: 'Pneumococcal conjugate PCV 13' },
  ipv: { cvx: '10', display: 'IPV' },
  mmr: { cvx: '03', display: 'MMR' },
  varicella: { cvx: '21', display: 'varicella' },
  hepA: { cvx: '83', display: 'Hep A, ped/adol, 2 dose' },
  tdap: { cvx: '115', display: 'Tdap' },
  menACWY: { cvx: '114', display: 'meningococcal MCV4P' },
  hpv: { cvx: '62', display: 'HPV, quadrivalent' },
  td: { cvx: '113', display: 'Td (adult) preservative free' },
  influenza: { cvx: '140', display: 'Influenza, seasonal, injectable, preservative free' },
  ppv23: { cvx: '33', display: 'pneumococcal polysaccharide vaccine, 23 valent' },
  zoster: { cvx: '187', display: 'zoster recombinant' },
} as const satisfies Record<string, Vaccine>;

export type VaccineKey = keyof typeof VACCINES;

/** Age in days of the well child visits at which doses are given; which of them a patient has is then a matter of age. */
export const CHILDHOOD: readonly (readonly [ageDays: number, vaccines: readonly VaccineKey[]])[] = [
  [1, ['hepB']],
  [61, ['hepB', 'rotavirus', 'dtap', 'hib', 'pcv13', 'ipv']],
  [122, ['rotavirus', 'dtap', 'hib', 'pcv13', 'ipv']],
  [183, ['hepB', 'dtap', 'pcv13', 'ipv']],
  [366, ['mmr', 'varicella', 'hib', 'pcv13', 'hepA']],
  [549, ['dtap', 'hepA']],
  [1481, ['dtap', 'ipv', 'mmr', 'varicella']],
  [4038, ['tdap', 'menACWY', 'hpv']],
  [4403, ['hpv']],
  [5864, ['menACWY']],
];
