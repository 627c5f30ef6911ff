import { STAFF_ROLES, type Role } from '../../../platform/access/vocabulary.js';
import type { Config, SessionLimits } from '../../../platform/config/config.js';

/** What decides whether a session still counts. */
export interface SessionState {
  createdAt: Date;
  lastActiveAt: Date;
  idleSeconds: number;
  expiresAt: Date;
  endedAt: Date | null;
}

/** `live`, or why not: `ended` by somebody, or run out without anybody having noted it yet. */
export function verdictOf(session: SessionState, now: Date): 'live' | 'ended' | 'idle' | 'expired' {
  if (session.endedAt !== null) return 'ended';
  if (session.expiresAt <= now) return 'expired';
  return session.lastActiveAt.getTime() + session.idleSeconds * 1000 <= now.getTime() ? 'idle' : 'live';
}

export const isStaff = (roles: ReadonlySet<Role>): boolean => STAFF_ROLES.some((role) => roles.has(role));

/** Automatic logout by role: whoever works for the hospital, in whatever other role too, gets the shorter session. */
export function limitsFor(
  roles: ReadonlySet<Role>,
  sessions: Pick<Config['sessions'], 'patient' | 'staff'>,
): SessionLimits {
  if (isStaff(roles)) return sessions.staff;
  return sessions.patient;
}

const BROWSERS: readonly [RegExp, string][] = [
  [/\bEdg(e|A|iOS)?\//, 'Edge'],
  [/\b(OPR|Opera)\//, 'Opera'],
  [/\bSamsungBrowser\//, 'Samsung Internet'],
  [/\b(Firefox|FxiOS)\//, 'Firefox'],
  [/\b(Chrome|CriOS)\//, 'Chrome'],
  [/\bSafari\//, 'Safari'],
  [/^curl\//, 'curl'],
];
const SYSTEMS: readonly [RegExp, string][] = [
  [/\b(iPhone|iPod)\b/, 'iPhone'],
  [/\biPad\b/, 'iPad'],
  [/\bAndroid\b/, 'Android'],
  [/\bWindows\b/, 'Windows'],
  [/\bMac OS X\b/, 'Mac'],
  [/\bCrOS\b/, 'ChromeOS'],
  [/\bLinux\b/, 'Linux'],
];

/** What stands for the device of a machine, which {@link deviceOf} never answers. */
export const SERVICE_DEVICE = 'Service';

/** A browser's name for itself in words that its owner knows: nothing of the sender's text is kept. */
export function deviceOf(userAgent: string): string {
  const nameIn = (names: readonly [RegExp, string][]) => names.find(([form]) => form.test(userAgent))?.[1];
  const browser = nameIn(BROWSERS);
  const system = nameIn(SYSTEMS);
  if (browser && system) return `${browser} on ${system}`;
  return browser ?? system ?? 'Unknown device';
}
