import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';
import { makeValidator } from 'envalid';
import { parseVerifierKey } from '../../tlog/index.js';
import { STAFF_ROLES, type Role } from '../access/vocabulary.js';

// How a setting's text is read, and what is refused with words that say what to write instead.

/** Comma-separated; blanks around the parts and empty parts are nothing. */
const listOf = (input: string): string[] =>
  input
    .split(',')
    .map((part) => part.trim())
    .filter(Boolean);

export const isLoopback = (host: string): boolean =>
  host === 'localhost' || (isIP(host) !== 0 && ipaddr.parse(host).range() === 'loopback');

export const cidrs = makeValidator<string[]>((input) => {
  const list = listOf(input);
  for (const part of list) {
    ipaddr.parseCIDR(part.includes('/') ? part : `${part}/${isIP(part) === 6 ? 128 : 32}`);
  }
  return list;
});

export const postgresUrl = makeValidator<string>((input) => {
  if (input === '') return input;
  const url = new URL(input);
  if (url.protocol !== 'postgres:' && url.protocol !== 'postgresql:') throw new Error('must begin with postgres://');
  return input;
});

export const httpsUrl = makeValidator<string>((input) => {
  if (input === '') return input;
  const url = new URL(input);
  if (url.protocol !== 'https:' && !isLoopback(url.hostname)) throw new Error('must begin with https://');
  return input;
});

/** A witness's submission prefix and its verifier key: `https://officer.example/w1=officer.example/w1+1d7e8087+BHZ…`. */
export const witnesses = makeValidator<{ url: string; name: string; vkey: string }[]>((input) =>
  listOf(input).map((part) => {
    const [, url, vkey] = /^(https?:\/\/\S+?)=([^=\s]+\+[0-9a-f]{8}\+\S+)$/.exec(part) ?? [];
    if (!url || !vkey || !URL.canParse(url)) throw new Error('must be address=verifier key, as `witness` prints it');
    const { name, type } = parseVerifierKey(vkey);
    if (type !== 4) throw new Error('a witness has a key for cosignatures (type 4)');
    return { url: url.replace(/\/$/, ''), name, vkey };
  }),
);

/** Name of a log (C2SP tlog-checkpoint): what verifiers know it by. */
export const originName = makeValidator<string>((input) => {
  if (input !== '' && !/^[^\s+]{1,180}[^\s+/]$/.test(input))
    throw new Error('must be a name such as portal.hospital.example/audit, without blanks and +');
  return input;
});

/** `Main campus=10.0.0.0/8,Ward 7=192.0.2.0/24`; a name may stand several times. */
export const namedNetworks = makeValidator<{ name: string; cidr: string }[]>((input) =>
  listOf(input).map((part) => {
    const [, name, cidr] = /^([^=]{1,60})=([^=]+)$/.exec(part) ?? [];
    if (!name?.trim() || !cidr) throw new Error('must be name=network, such as Main campus=10.0.0.0/8');
    ipaddr.parseCIDR(cidr.trim());
    return { name: name.trim(), cidr: cidr.trim() };
  }),
);

/** Exact origins: scheme, host and port, nothing behind. */
export const origins = makeValidator<string[]>((input) => {
  const list = listOf(input);
  for (const part of list) {
    const url = URL.canParse(part) ? new URL(part) : null;
    if (url?.origin !== part) throw new Error('must be origins such as https://app.hospital.example, without a path');
    if (url.protocol !== 'https:' && !isLoopback(url.hostname)) throw new Error('must begin with https://');
  }
  return list;
});

/** Of a website, or what Android says in place of one for an app (base64url of the SHA-256 of its certificate). */
export const appOrigins = makeValidator<string[]>((input) => {
  const list = listOf(input);
  const isOrigin = (part: string): boolean => part.startsWith('https://') && new URL(part).origin === part;
  if (!list.every((part) => /^android:apk-key-hash:[\w-]{43}$/.test(part) || isOrigin(part)))
    throw new Error('must be https://host or android:apk-key-hash:<base64url of SHA-256>');
  return list;
});

/** `optional`: asked for where somebody has one; `required`: everybody must; the last: one that cannot be phished (a passkey). */
export const FACTOR_RULES = ['optional', 'required', 'required_phishing_resistant'] as const;
export type FactorRule = (typeof FACTOR_RULES)[number];

/** Roles of persons; an account of a feed has nobody who could show a factor. */
export const PEOPLE: readonly Role[] = ['patient', 'proxy', ...STAFF_ROLES];

export const factorRules = makeValidator<[Role, FactorRule][]>((input) => {
  const entries = listOf(input).map((part) => part.split(':'));
  for (const [role, rule, ...more] of entries) {
    if (more.length > 0 || !PEOPLE.includes(role as Role))
      throw new Error(`role:rule with one of ${PEOPLE.join(', ')}`);
    if (!FACTOR_RULES.includes(rule as FactorRule)) throw new Error(`the rule must be ${FACTOR_RULES.join(', ')}`);
    if (rule === 'optional' && STAFF_ROLES.includes(role as Role)) throw new Error('staff need a second factor');
  }
  return entries as [Role, FactorRule][];
});

/** `Portal Clinicians=clinician,Portal Desk=staff`; a group may stand several times. Roles of staff only, and `admin` only where it is written. */
export const groupRoles = makeValidator<[string, Role][]>((input) =>
  listOf(input).map((part) => {
    const at = part.lastIndexOf('=');
    const [group, role] = [part.slice(0, at).trim(), part.slice(at + 1).trim()];
    if (at < 1 || group === '' || !STAFF_ROLES.includes(role as Role))
      throw new Error(`must be group=role with one of ${STAFF_ROLES.join(', ')}`);
    return [group, role as Role];
  }),
);

export const returnPaths = makeValidator<string[]>((input) => {
  const list = listOf(input);
  if (!list.every((path) => /^\/([\w.~-]+\/)*([\w.~-]+|\*)?$/.test(path)))
    throw new Error('must be paths such as /records or /charts/*');
  return list;
});
