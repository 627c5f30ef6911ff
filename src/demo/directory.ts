import { transaction, type Resource } from './core/bundle.js';
import { coding, hl7, snomed, usCore, type Pair } from './core/fhir.js';
import { LOCATION_SYSTEM, NPI_SYSTEM, ORGANIZATION_SYSTEM } from './core/identity.js';
import type { JsonObject } from './core/json.js';
import type { Clinician, SpecialtyName } from './people.js';

const SPECIALTIES: Record<SpecialtyName, { snomed: Pair; nucc: Pair }> = {
  'Family medicine': { snomed: ['419772000', 'Family practice'], nucc: ['207Q00000X', 'Family Medicine Physician'] },
  'Internal medicine': {
    snomed: ['419192003', 'Internal medicine'],
    nucc: ['207R00000X', 'Internal Medicine Physician'],
  },
  Paediatrics: { snomed: ['394537008', 'Pediatric specialty'], nucc: ['208000000X', 'Pediatrics Physician'] },
  Cardiology: { snomed: ['394579002', 'Cardiology'], nucc: ['207RC0000X', 'Cardiovascular Disease Physician'] },
  Endocrinology: {
    snomed: ['394583002', 'Endocrinology'],
    nucc: ['207RE0101X', 'Endocrinology, Diabetes & Metabolism Physician'],
  },
  'Nurse practitioner': { snomed: ['394814009', 'General practice'], nucc: ['363L00000X', 'Nurse Practitioner'] },
};

const ORGANIZATIONS: Record<OrganizationKey, { name: string; kind: Pair }> = {
  hospital: { name: 'Harrowgate Bay Hospital', kind: ['prov', 'Healthcare Provider'] },
  laboratory: { name: 'Harrowgate Bay Hospital Laboratory', kind: ['dept', 'Hospital Department'] },
  payer: { name: 'Larkfield Mutual Health Plan', kind: ['pay', 'Payer'] },
};

const LOCATIONS = {
  clinic: 'Harrowgate Bay Outpatient Clinic',
  ward: 'Harrowgate Bay Hospital, Ward 4',
  emergency: 'Harrowgate Bay Emergency Department',
} as const;

export type OrganizationKey = 'hospital' | 'laboratory' | 'payer';
export type LocationKey = keyof typeof LOCATIONS;

/** Conditional references: the directory is loaded first, and a patient's bundle finds its entries by identifier. */
export const practitionerRef = (who: Clinician): JsonObject => ({
  reference: `Practitioner?identifier=${NPI_SYSTEM}|${who.practitioner.npi}`,
  display: who.displayName,
});

export const organizationRef = (key: OrganizationKey): JsonObject => ({
  reference: `Organization?identifier=${ORGANIZATION_SYSTEM}|${key}`,
  display: ORGANIZATIONS[key].name,
});

export const locationRef = (key: LocationKey): JsonObject => ({
  reference: `Location?identifier=${LOCATION_SYSTEM}|${key}`,
  display: LOCATIONS[key],
});

export function makeDirectory(clinicians: readonly Clinician[]): string {
  return transaction([
    ...(Object.keys(ORGANIZATIONS) as OrganizationKey[]).map(organization),
    ...(Object.keys(LOCATIONS) as LocationKey[]).map(location),
    ...clinicians.map(practitioner),
    ...clinicians.map(practitionerRole),
  ]);
}

// The directory is older than anything that refers to it, and does not move with the day of the demonstration.
const LAST_UPDATED = '2015-01-05T08:00:00.000Z';

const head = (type: string, id: string, profile: string): Resource => ({
  resourceType: type,
  id,
  meta: { lastUpdated: LAST_UPDATED, profile: [usCore(profile)] },
});

const phone = (value: string): JsonObject => ({ system: 'phone', value, use: 'work' });

const address: JsonObject = {
  use: 'work',
  line: ['1 Harbour Parade'],
  city: 'Harrowgate Bay',
  state: 'ME',
  postalCode: '00000',
  country: 'US',
};

function organization(key: OrganizationKey): Resource {
  const { name, kind } = ORGANIZATIONS[key];
  return {
    ...head('Organization', `org-${key}`, 'organization'),
    identifier: [{ system: ORGANIZATION_SYSTEM, value: key }],
    active: true,
    type: [hl7('organization-type', ...kind)],
    name,
    telecom: [phone('555-0100')],
    address: [address],
    ...(key === 'laboratory' && { partOf: organizationRef('hospital') }),
  };
}

function location(key: LocationKey): Resource {
  return {
    ...head('Location', `loc-${key}`, 'location'),
    identifier: [{ system: LOCATION_SYSTEM, value: key }],
    status: 'active',
    name: LOCATIONS[key],
    mode: 'instance',
    telecom: [phone('555-0101')],
    address,
    managingOrganization: organizationRef('hospital'),
  };
}

function practitioner(who: Clinician): Resource {
  const { npi, family, given } = who.practitioner;
  return {
    ...head('Practitioner', `pract-${npi}`, 'practitioner'),
    identifier: [{ system: NPI_SYSTEM, value: npi }],
    active: true,
    name: [{ use: 'official', family, given: [given], text: who.displayName }],
    telecom: [{ system: 'email', value: who.email, use: 'work' }],
  };
}

function practitionerRole(who: Clinician): Resource {
  const specialty = SPECIALTIES[who.practitioner.specialty];
  return {
    ...head('PractitionerRole', `role-${who.practitioner.npi}`, 'practitionerrole'),
    active: true,
    practitioner: practitionerRef(who),
    organization: organizationRef('hospital'),
    code: [{ coding: [coding(['http://nucc.org/provider-taxonomy', ...specialty.nucc])] }],
    specialty: [snomed(...specialty.snomed)],
    location: [locationRef('clinic')],
    telecom: [phone('555-0100')],
  };
}
