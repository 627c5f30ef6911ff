/**
 * What compliance officers count and look for, each as a condition over `audit.entry AS e`: the search by kind and every number of a
 * report come from this one table, so that they cannot differ. Codes first: an index finds those, the rest is looked at only then.
 */

const quoted = (text: string): string => `'${text.replaceAll("'", "''")}'`;
const among = (...codes: string[]): string => `e.action COLLATE "C" IN (${codes.map(quoted).join(', ')})`;
const SUCCEEDED = 'e.outcome = 0';
/** Canonical JSON has these bytes for that member and nowhere else: quotes in texts are escaped. */
const holds = (bytes: string): string => `strpos(e.leaf, ${quoted(bytes)}) > 0`;
const reason = (...codes: string[]): string =>
  `(${codes.map((code) => holds(`"err":"auth.session-ended:${code}"`)).join(' OR ')})`;
const all = (...conditions: string[]): string => `(${conditions.join(' AND ')})`;

/** What no request caused is its own request. An administrator's request that ends sessions has the same code and is no end. */
export const BY_ITSELF = 'e.request_id = e.event_id';
const ENDED = all(among('Session.end'), BY_ITSELF);

/** Routes by which a sign-in can end in a session. */
const SIGN_IN = ['Session.login', 'Session.verify', 'SecondFactor.confirm', 'SecondFactor.reset', 'Password.reset'];
const AUTOMATIC = ['idle', 'expired'];

const CONDITIONS = {
  'sign-in': all(among(...SIGN_IN), SUCCEEDED, holds('"t":"Session","v":1}')),
  'failed-sign-in': all(among('Session.login', 'Session.verify', 'IdentityProvider.verify'), 'e.outcome <> 0'),
  'sign-out': all(ENDED, reason('logout', 'sso-logout')),
  'automatic-logout': all(ENDED, reason(...AUTOMATIC)),
  'session-ended': all(ENDED, `NOT ${reason('logout', 'sso-logout', ...AUTOMATIC)}`),
  'privilege-change': all(
    among(
      ...['create', 'grant', 'revoke', 'disable', 'enable', 'role-period'].map((action) => `Account.${action}`),
      ...['create', 'update', 'delete'].flatMap((action) => [`ScimUser.${action}`, `ScimGroup.${action}`]),
      ...['create', 'revoke'].flatMap((action) => [`ClientKey.${action}`, `ScimToken.${action}`]),
      ...['create', 'end'].map((action) => `CareTeam.${action}`),
    ),
    SUCCEEDED,
  ),
  export: all(
    among(
      ...['AuditExport.create', 'AuditExport.download', 'Receipt.read'],
      ...['ChartDownload.create', 'ChartDownload.download', 'Transmission.create'],
    ),
    SUCCEEDED,
  ),
  print: all(among('Patient.invite'), SUCCEEDED, holds('"t":"Letter"')),
  'secret-shown': all(
    among('RecoveryCode.create', 'ScimToken.create', ...SIGN_IN),
    SUCCEEDED,
    `(${holds('"t":"RecoveryCode"')} OR ${holds('"t":"ScimToken"')})`,
  ),
  // HL7 v3 ActReason: break the glass, emergency treatment.
  'break-glass': `split_part(split_part(e.leaf, ',"purp":"', 2), '"', 1) IN ('BTG', 'ETREAT')`,
  'configuration-change': among('System.configure'),
  'audit-access': all(among('Event.list', 'Event.read', 'AuditReport.list', 'AuditReport.read'), SUCCEEDED),
} as const satisfies Record<string, string>;

export type EventKind = keyof typeof CONDITIONS;
export const EVENT_KINDS = Object.keys(CONDITIONS) as EventKind[];

export const kindCondition = (kind: EventKind): string => CONDITIONS[kind];
