import { generateSecret, generateURI, verifySync } from 'otplib';

// RFC 6238 with what authenticator apps can do: SHA-1, six digits, 30 s. The key is as long as the MAC (§5.1).
const FORM = { algorithm: 'sha1', digits: 6, period: 30 } as const;
const SECRET_BYTES = 20;
/** A phone's clock may be off by this much, in seconds; a code of another step is not accepted beyond it. */
const DRIFT = 5;

export const newTotpSecret = (): string => generateSecret({ length: SECRET_BYTES });

/** What authenticator apps read from the QR code. */
export const otpauthUriOf = (secret: string, issuer: string, label: string): string =>
  generateURI({ ...FORM, secret, issuer, label });

/**
 * The time step that a code belongs to, or null when it is none of now. The caller must still accept the step once only:
 * otplib says yes to the same code again.
 */
export function stepOf(secret: string, code: string, now: Date): number | null {
  // otplib throws on another length and on letters
  if (!/^\d{6}$/.test(code)) return null;
  const epoch = Math.floor(now.getTime() / 1000);
  const result = verifySync({ ...FORM, secret, token: code, epoch, epochTolerance: DRIFT });
  return result.valid && 'timeStep' in result ? result.timeStep : null;
}
