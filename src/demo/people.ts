import { fictitiousNpi, SOURCE } from './core/identity.js';
import type { DemoIntegration, DemoPerson, DemoPractitioner, StaffRole } from './types.js';

/** Constants rather than random names: a demonstration is easier to follow when its sign-ins never change. */
const CLINICIANS: readonly (readonly [given: string, family: string, specialty: SpecialtyName])[] = [
  ['Adaeze', 'Okonjo', 'Family medicine'],
  ['Henrik', 'Lindqvist', 'Internal medicine'],
  ['Priya', 'Raman', 'Paediatrics'],
  ['Matteo', 'Ferrante', 'Cardiology'],
  ['Soo-jin', 'Baek', 'Endocrinology'],
  ['Tobias', 'Marlowe', 'Nurse practitioner'],
];

const OFFICE: readonly (readonly [given: string, family: string, role: StaffRole])[] = [
  ['Nadia', 'Brankovic', 'staff'],
  ['Owen', 'Tregarth', 'records_officer'],
  ['Ifeoma', 'Castellane', 'compliance_officer'],
  ['Ruth', 'Vanterpool', 'admin'],
  ['Kenji', 'Ashdown', 'admin'],
];

export type SpecialtyName =
  'Family medicine' | 'Internal medicine' | 'Paediatrics' | 'Cardiology' | 'Endocrinology' | 'Nurse practitioner';

export interface Clinician extends DemoPerson {
  practitioner: DemoPractitioner & { specialty: SpecialtyName };
}

export const integration: DemoIntegration = {
  username: 'ehr-feed',
  displayName: 'Electronic health record feed',
  source: SOURCE,
};

export function makeClinicians(): Clinician[] {
  return CLINICIANS.map(([given, family, specialty], index) => ({
    ...account(given, family, specialty === 'Nurse practitioner' ? `${given} ${family}, NP` : `Dr ${given} ${family}`),
    roles: ['clinician'],
    practitioner: { npi: fictitiousNpi(99_000_101 + index * 17), specialty, family, given },
  }));
}

export function makeOffice(): DemoPerson[] {
  return OFFICE.map(([given, family, role]) => ({ ...account(given, family, `${given} ${family}`), roles: [role] }));
}

function account(given: string, family: string, displayName: string) {
  const username = `${given}.${family}`.toLowerCase();
  return { username, displayName, email: `${username}@hospital.example.org` };
}
