export type StaffRole = 'clinician' | 'staff' | 'records_officer' | 'compliance_officer' | 'admin';
export type Sex = 'female' | 'male' | 'other' | 'unknown';

export interface DemoPractitioner {
  /** Ten digits, right check digit, never issued to anybody. */
  npi: string;
  specialty: string;
  family: string;
  given: string;
}

export interface DemoPerson {
  username: string;
  displayName: string;
  email: string;
  roles: StaffRole[];
  practitioner?: DemoPractitioner;
}

export interface DemoIntegration {
  username: string;
  displayName: string;
  /** What the account may feed: identity of a record is this + type + id. */
  source: string;
}

export interface DemoCareTeamMember {
  username: string;
  /** Calendar dates; no end means still in the team. */
  start: string;
  end?: string;
}

export interface DemoGuardian {
  /** A patient account of this hospital. */
  username: string;
  relationship: string;
}

export interface DemoPatient {
  mrn: string;
  family: string;
  given: string;
  birthDate: string;
  sex: Sex;
  deceasedAt?: string;
  /** Only those with a portal account. */
  username?: string;
  email: string;
  careTeam: DemoCareTeamMember[];
  guardians: DemoGuardian[];
  /** A FHIR R4 transaction Bundle as text: parsing it would lose the zeros of its decimals. */
  bundle: string;
}

export interface DemoHospital {
  people: DemoPerson[];
  integration: DemoIntegration;
  patients: DemoPatient[];
  /** Organizations, locations, practitioners and their roles, to be loaded before any patient's bundle. */
  directoryBundle: string;
}
