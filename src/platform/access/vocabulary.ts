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
  'directory',
] as const;
export type Role = (typeof ROLES)[number];

/** Roles that work for the hospital: they must have a second factor and get the shorter sessions. */
export const STAFF_ROLES: readonly Role[] = ['clinician', 'staff', 'records_officer', 'compliance_officer', 'admin'];

/** Roles of machines. Each stands alone: an account with one of them is no person, and has no other role, ever. */
export const SERVICE_ROLES: readonly Role[] = ['integration', 'directory'];

/**
 * What can be acted on, and the fields that a condition may look at. Each of these fields is NOT NULL where it stands
 * in a table, because `NOT (x = 'R')` drops NULL rows in SQL while memory allows them.
 */
export interface Subjects {
  Account: { id: string };
  /** Takes addresses and user agents out of the audit trail. */
  AuditErasure: object;
  /** What a record carries along: a document, a picture. */
  Attachment: { patientId: string };
  /** Copies of the audit trail that verify by themselves. */
  AuditExport: object;
  /** Searches of the audit trail that officers keep. */
  AuditQuery: { accountId: string; isShared: boolean };
  /** Counts over the audit trail, and its sessions. */
  AuditReport: object;
  /** Whether the audit trail is kept as it should be: what waits, who was heard, what is wrong. */
  AuditHealth: object;
  /** Whether the audit trail is what it was. */
  AuditVerification: object;
  /** Help of administrators with somebody's way in. */
  AccountReset: { accountId: string; requestedBy: string };
  /** Parts of the audit trail, and where they lie. */
  Block: object;
  CareTeam: { patientId: string };
  /** What is signed of the audit trail: nothing but hashes. */
  Checkpoint: object;
  /** Who viewed, downloaded and sent on a chart, as its patient is told. */
  ChartActivity: { patientId: string };
  /** Copies of a chart that somebody takes along. */
  ChartDownload: { patientId: string };
  /** What a patient wishes of how their chart is shown. */
  ChartSettings: { patientId: string };
  ClientKey: { accountId: string };
  Consistency: object;
  Invitation: { of: 'patient' | 'account' };
  Device: { accountId: string };
  Document: object;
  Email: { accountId: string };
  /** Entries of the audit trail, as bytes. */
  EntryBundle: object;
  /** That a record is held back from its patient. */
  Hold: { patientId: string };
  /** Which records are held back, by whom and why; of no record what is in it. */
  HoldReport: { patientId: string };
  Import: { accountId: string };
  Event: object;
  /** As whom an identity provider knows the holder of an account. */
  FederatedIdentity: { accountId: string };
  IdentityProvider: object;
  /** Keeps a period of the audit trail from being deleted. */
  LegalHold: object;
  Patient: { id: string };
  Practitioner: { id: string };
  /** That two charts are one person's. */
  ChartMerge: object;
  /** Records that are kept apart from the charts because they are no good R4; of the account whose feed sent them. */
  Quarantine: { accountId: string };
  /** That an entry is in the audit trail. */
  Proof: object;
  /** One event of the audit trail with its proof; of no patient: ''. */
  Receipt: { patientId: string };
  /** Where versions of a record come from. */
  Provenance: { patientId: string };
  Record: { patientId: string };
  RecordVersion: { patientId: string };
  RecoveryCode: { accountId: string };
  Role: { accountId: string };
  RoleChange: { accountId: string };
  /** How the hospital's directory may talk to the portal (SCIM). */
  ScimConfig: object;
  ScimGroup: { directoryId: string };
  ScimToken: { accountId: string };
  ScimUser: { directoryId: string };
  Password: { accountId: string };
  SecondFactor: { accountId: string };
  /** Which records of the hospital are sensitive. */
  SensitivityRules: object;
  SecurityEvent: { accountId: string };
  Self: object;
  Session: { accountId: string };
  /** A chart at a glance. */
  Summary: { patientId: string };
  System: object;
  /** A chart day by day. */
  Timeline: { patientId: string };
  /** Copies of a chart that were sent to somebody. */
  Transmission: { patientId: string };
  /** Hashes of the audit trail. */
  Tile: object;
  /** By which checkpoints of the audit trail are verified. */
  VerifierKey: object;
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
  'end-all',
  'disable',
  'enable',
  'grant',
  'revoke',
  'login',
  'logout',
  'logout-all',
  'logout-others',
  'refresh',
  'expire',
  'challenge',
  'verify',
  'enrol',
  'confirm',
  'activate',
  'step-up',
  'forgot',
  'reset',
  'report-lost',
  'unlock',
  'reset-factors',
  'reset-password',
  'change-email',
  'approve',
  'decline',
  'check',
  'download',
  'review',
  'retract',
  'accept',
  'release',
] as const;
export type Action = (typeof ACTIONS)[number];
