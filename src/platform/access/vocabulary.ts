/** The words of access: who, what, on what. Rules live with their modules, in `<module>.policy.ts`. */

export const ROLES = [
  'patient',
  'proxy',
  'clinician',
  'staff',
  'records_officer',
  'compliance_officer',
  'admin',
  'integration',
] as const;
export type Role = (typeof ROLES)[number];

/** Roles that work for the hospital: they must have a second factor and get the shorter sessions. */
export const STAFF_ROLES: readonly Role[] = ['clinician', 'staff', 'records_officer', 'compliance_officer', 'admin'];

/**
 * What can be acted on, and the fields that a condition may look at. Each of these fields is NOT NULL where it stands
 * in a table, because `NOT (x = 'R')` drops NULL rows in SQL while memory allows them.
 */
export interface Subjects {
  Account: { id: string };
  CareTeam: { patientId: string };
  Document: object;
  Import: { accountId: string };
  Event: object;
  Patient: { id: string };
  Practitioner: { id: string };
  Record: { patientId: string };
  Password: { accountId: string };
  SecondFactor: { accountId: string };
  Self: object;
  Session: { accountId: string };
  System: object;
}
export type SubjectName = keyof Subjects;

export const ACTIONS = [
  'read',
  'list',
  'create',
  'update',
  'delete',
  'search',
  'import',
  'invite',
  'end',
  'disable',
  'enable',
  'grant',
  'revoke',
  'login',
  'logout',
  'logout-all',
  'refresh',
  'challenge',
  'verify',
  'enrol',
  'confirm',
  'activate',
  'step-up',
  'check',
] as const;
export type Action = (typeof ACTIONS)[number];
