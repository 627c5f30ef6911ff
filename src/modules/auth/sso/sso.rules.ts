import type { Role } from '../../../platform/access/vocabulary.js';
import type { SsoAssurances, SsoProvider } from '../../../platform/config/sso-providers.js';
import type { FederatedPerson } from '../../users/index.js';

/** Claims of a verified token. The signature says who wrote them, not that they have the form that we expect. */
export type Claims = Readonly<Record<string, unknown>>;

const MAX_TEXT = 255;

/** A text that PostgreSQL and people can take; null for anything else. */
export function textOf(value: unknown): string | null {
  if (typeof value !== 'string' || !value.isWellFormed() || /\p{Cc}/u.test(value)) return null;
  const text = value.trim();
  return text === '' || text.length > MAX_TEXT ? null : text;
}

/** The claim at a path; own properties only, because the names come from a file and the values from elsewhere. */
export function claimAt(claims: Claims, path: readonly string[]): unknown {
  let value: unknown = claims;
  for (const name of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined;
    value = (value as Claims)[name];
  }
  return value;
}

const listOf = (value: unknown): string[] =>
  (Array.isArray(value) ? value : [value]).filter((one) => typeof one === 'string');

/** The roles that the provider's claim stands for here; a value that nobody has mapped is nothing. */
export function rolesOf(claims: Claims, { roleClaim, roleMap }: Pick<SsoProvider, 'roleClaim' | 'roleMap'>): Role[] {
  const values = listOf(claimAt(claims, roleClaim)).filter((value) => Object.hasOwn(roleMap, value));
  return [...new Set(values.map((value) => roleMap[value]!))].sort();
}

/** Is any of the assurances among what the provider says of this sign-in (OpenID Connect Core 2, `acr` and `amr`)? */
const isAssured = (claims: Claims, { acr, amr }: SsoAssurances): boolean =>
  listOf(claims.acr).some((value) => acr.includes(value)) || listOf(claims.amr).some((value) => amr.includes(value));

/** How strongly and when the provider has recognised the person. */
export interface Vouching {
  hasSecondFactor: boolean;
  isPhishingResistant: boolean;
  authTime: Date;
}

/** The provider's second factor counts only as configured; null without the time of it (NIST SP 800-63C-4 §4.9 wants it in every assertion). */
export function vouchingOf(
  claims: Claims,
  provider: Pick<SsoProvider, 'secondFactor' | 'phishingResistant'>,
  now: Date,
): Vouching | null {
  const { auth_time: seconds } = claims;
  if (typeof seconds !== 'number' || !Number.isFinite(seconds) || seconds <= 0) return null;
  const hasSecondFactor = isAssured(claims, provider.secondFactor);
  return {
    hasSecondFactor,
    isPhishingResistant: hasSecondFactor && isAssured(claims, provider.phishingResistant),
    authTime: new Date(Math.min(seconds * 1000, now.getTime())),
  };
}

export function personOf(claims: Claims, provider: SsoProvider): FederatedPerson {
  const claim = (name: string | null) => (name === null ? null : textOf(claimAt(claims, [name])));
  return {
    username: claim(provider.usernameClaim),
    displayName: claim(provider.nameClaim),
    email: claim(provider.emailClaim),
    family: claim('family_name'),
    given: claim('given_name'),
    npi: claim(provider.npiClaim),
  };
}

const BASE = 'https://portal.invalid';

/**
 * A path of the front end, if it is one that a sign-in may lead on to; else null. Only what a browser reads exactly as it is
 * written (no dots, backslashes, second slash) and whose path is on the list: no open redirect.
 */
export function returnPathOf(path: string, allowed: readonly string[]): string | null {
  if (!path.startsWith('/') || !URL.canParse(path, BASE)) return null;
  const url = new URL(path, BASE);
  if (url.origin !== BASE || `${url.pathname}${url.search}${url.hash}` !== path) return null;
  const isAllowed = allowed.some((entry) =>
    entry.endsWith('/*') ? url.pathname.startsWith(entry.slice(0, -1)) : url.pathname === entry,
  );
  return isAllowed ? path : null;
}
