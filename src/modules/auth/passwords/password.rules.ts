import { COMMON_PASSWORDS } from './common-passwords.js';
import type { PasswordFault } from '../auth.errors.js';

// NIST SP 800-63B-4 §3.1.1.2: 15 where the password stands alone, 8 where a second factor is mandatory.
export const LEAST_ALONE = 15;
export const LEAST_WITH_SECOND_FACTOR = 8;
const MOST = 256;

const comparable = (text: string): string => text.normalize('NFKC').toLowerCase();

/**
 * What is wrong with a new password; null when nothing is. Each code point counts one, after NFC (NIST SP 800-63B-4 §3.1.1.2);
 * the whole password is compared, never parts of it, and nothing is asked of its composition.
 */
export function faultOf(password: string, least: number, username: string | null): PasswordFault | null {
  if (!password.isWellFormed() || password.includes('\0')) return 'not-text';
  const length = [...password.normalize('NFC')].length;
  if (length < least) return 'too-short';
  if (length > MOST) return 'too-long';
  const whole = comparable(password);
  if (username !== null && whole === comparable(username)) return 'is-username';
  return COMMON_PASSWORDS.has(whole) ? 'too-common' : null;
}
