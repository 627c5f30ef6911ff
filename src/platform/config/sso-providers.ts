import { createPrivateKey, type KeyObject } from 'node:crypto';
import { closeSync, fstatSync, openSync, readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { ArrayMinSize, IsObject } from 'class-validator';
import { STAFF_ROLES, type Role } from '../access/vocabulary.js';
import { Flag, Nested, OneOf, Text, Texts, Uuid, Whole } from '../http/fields.js';
import { readSettingsFile } from './settings-file.js';

/** What the provider must say of a sign-in (OpenID Connect `acr`, `amr`) so that it counts as more than a password. */
class Assurances {
  @Texts({ optional: true, description: 'Values of the claim acr, any of which is enough.' })
  acr?: string[];

  @Texts({ optional: true, description: 'Values of the claim amr, any of which is enough.' })
  amr?: string[];
}

const SCIM_ATTRIBUTES = ['externalId', 'userName'] as const;

/** By what somebody whom the hospital's directory has provisioned (SCIM) is known at their first sign-in. */
class ScimMatch {
  @Text({ max: 100, description: 'Claim of the ID token; one that the provider never gives to another person.' })
  claim: string;

  @OneOf(SCIM_ATTRIBUTES, { description: 'Attribute of SCIM that it is equal to.' })
  attribute: (typeof SCIM_ATTRIBUTES)[number];

  @Uuid({ optional: true, description: 'Account of the directory, where there are several.' })
  directory?: string;

  @Flag({ optional: true, description: 'Accounts of administrators too.' })
  administrators?: boolean;
}

/** One entry of SSO_PROVIDERS_FILE, as the operator writes it. */
class ProviderEntry {
  @Text({ pattern: /^[a-z0-9][a-z0-9-]{0,31}$/, description: 'Part of the redirect URI; never changes.' })
  id: string;

  @Text({ max: 100, description: 'As people see it on the button.' })
  name: string;

  @Text({ max: 500, description: 'Issuer, exactly as its metadata says.' })
  issuer: string;

  @Text({ max: 200, description: 'Who we are to the provider.' })
  clientId: string;

  @Text({ optional: true, max: 500, description: 'File of the client secret.' })
  clientSecretFile?: string;

  @Text({ optional: true, max: 500, description: 'File of the PEM key for private_key_jwt: better than a secret.' })
  privateKeyFile?: string;

  @Text({ optional: true, max: 200, description: 'Key id (kid) under which the provider knows that key.' })
  privateKeyId?: string;

  @Texts({ optional: true, many: 10, max: 100, unique: true, description: 'Scopes to ask for.' })
  scopes?: string[];

  @OneOf(['staff', 'patients', 'both'], { description: 'Whom it vouches for.' })
  audience: 'staff' | 'patients' | 'both';

  @Texts({ optional: true, many: 10, max: 260, description: "Hosts of its endpoints besides the issuer's own." })
  endpointHosts?: string[];

  @ArrayMinSize(1)
  @Texts({ optional: true, many: 5, max: 200, description: 'Path of the claim that names roles or groups.' })
  roleClaim?: string[];

  @IsObject()
  roleMap: Record<string, unknown> = {};

  @Text({ optional: true, max: 100, description: 'Claim of the username.' })
  usernameClaim?: string;

  @Text({ optional: true, max: 100, description: 'Claim of the email address.' })
  emailClaim?: string;

  @Text({ optional: true, max: 100, description: 'Claim of the name.' })
  nameClaim?: string;

  @Text({ optional: true, max: 100, description: 'Claim of the National Provider Identifier.' })
  npiClaim?: string;

  @Flag({ optional: true, description: 'Claims come from the UserInfo endpoint too.' })
  userInfo?: boolean;

  @Flag({ optional: true, description: 'Opens accounts for staff whom the portal does not know yet.' })
  justInTime?: boolean;

  @Nested(() => ScimMatch, { optional: true, description: 'Links accounts that the directory has provisioned (SCIM).' })
  scimMatch?: ScimMatch;

  @Flag({ optional: true, description: 'Staff who link an account may go on using its password.' })
  passwordAlso?: boolean;

  @Nested(() => Assurances, { optional: true, description: 'What counts as a second factor.' })
  secondFactor?: Assurances;

  @Nested(() => Assurances, { optional: true, description: 'What counts as one that cannot be phished.' })
  phishingResistant?: Assurances;

  @Whole({ optional: true, min: 60, max: 86_400, description: 'Oldest sign-in at the provider that is taken.' })
  maxAgeSeconds?: number;

  @Flag({ optional: true, description: 'http:// issuer; in tests only.' })
  allowInsecureHttp?: boolean;
}

export interface SsoAssurances {
  readonly acr: readonly string[];
  readonly amr: readonly string[];
}

/** Whose account of the directory's a claim names: no address, and nothing that a provider may give to somebody else. */
export interface SsoScimMatch {
  readonly claim: string;
  readonly attribute: (typeof SCIM_ATTRIBUTES)[number];
  /** Null: of any directory, as long as it is one account alone. */
  readonly directoryId: string | null;
  readonly mayBeAdmin: boolean;
}

/** An identity provider that people may sign in through (OpenID Connect). */
export interface SsoProvider {
  readonly id: string;
  readonly name: string;
  readonly issuer: string;
  readonly clientId: string;
  /** How we prove to be the client: a secret, or better a key (RFC 7523 private_key_jwt). */
  readonly credential:
    | { readonly secret: string }
    | { readonly pem: string; readonly alg: 'RS256' | 'ES256'; readonly kid: string | null };
  readonly scopes: readonly string[];
  readonly forStaff: boolean;
  readonly forPatients: boolean;
  /** The only hosts that are ever called for this provider. */
  readonly hosts: readonly string[];
  readonly roleClaim: readonly string[];
  /** Role by value of the claim; what is not here is nothing to us. */
  readonly roleMap: Readonly<Record<string, Role>>;
  readonly usernameClaim: string;
  readonly emailClaim: string;
  readonly nameClaim: string;
  readonly npiClaim: string | null;
  readonly userInfo: boolean;
  readonly justInTime: boolean;
  /** Null: nobody is linked unless they do it themselves. */
  readonly scimMatch: SsoScimMatch | null;
  /** False: whoever of the staff is linked signs in by the provider alone. */
  readonly passwordAlso: boolean;
  readonly secondFactor: SsoAssurances;
  readonly phishingResistant: SsoAssurances;
  /** The provider asks the person again when their last sign-in there is older. */
  readonly maxAgeSeconds: number;
  readonly allowInsecureHttp: boolean;
}

/** A working day. */
const MAX_AGE_SECONDS = 12 * 3_600;
const GROUP_AND_OTHERS = 0o077;
const MAX_BYTES = 100_000;

/** Reads a file of secrets; throws words for the operator. The mode is looked at on the opened file, so that it cannot be swapped. */
function readSecret(path: string): string {
  const descriptor = openSync(path, 'r');
  try {
    const info = fstatSync(descriptor);
    if (!info.isFile() || info.size > MAX_BYTES) throw new Error(`${path} is not a file of a secret`);
    if ((info.mode & GROUP_AND_OTHERS) !== 0) throw new Error(`${path} is open to others: run chmod 600 ${path}`);
    return readFileSync(descriptor, 'utf8').trim();
  } finally {
    closeSync(descriptor);
  }
}

function parseKey(pem: string, path: string): KeyObject {
  try {
    return createPrivateKey(pem);
  } catch {
    throw new Error(`${path} is not a PEM private key`);
  }
}

function algorithmOf(key: KeyObject, path: string): 'RS256' | 'ES256' {
  const { modulusLength = 0, namedCurve } = key.asymmetricKeyDetails ?? {};
  if (key.asymmetricKeyType === 'rsa' && modulusLength >= 2048) return 'RS256';
  if (key.asymmetricKeyType === 'ec' && namedCurve === 'prime256v1') return 'ES256';
  throw new Error(`${path} must be a P-256 key, or an RSA key of 2048 bits or more`);
}

function credentialOf(entry: ProviderEntry, folder: string): SsoProvider['credential'] {
  const { clientSecretFile, privateKeyFile, privateKeyId } = entry;
  if ((clientSecretFile === undefined) === (privateKeyFile === undefined))
    throw new Error('give either privateKeyFile or clientSecretFile');
  if (privateKeyFile !== undefined) {
    const path = resolve(folder, privateKeyFile);
    const pem = readSecret(path);
    const key = parseKey(pem, path);
    const alg = algorithmOf(key, path);
    return { pem: key.export({ type: 'pkcs8', format: 'pem' }).toString(), alg, kid: privateKeyId ?? null };
  }
  const secret = readSecret(resolve(folder, clientSecretFile!));
  if (secret.length < 16) throw new Error('the client secret has fewer than 16 characters');
  return { secret };
}

function issuerOf(entry: ProviderEntry, isTest: boolean): URL {
  const isInsecure = entry.allowInsecureHttp === true;
  if (isInsecure && !isTest) throw new Error('allowInsecureHttp is for tests only');
  const url = URL.canParse(entry.issuer) ? new URL(entry.issuer) : null;
  if (!url || url.search !== '' || url.hash !== '' || url.username !== '' || url.password !== '')
    throw new Error('issuer must be a URL without query and fragment');
  if (url.protocol !== 'https:' && !(isInsecure && url.protocol === 'http:'))
    throw new Error('issuer must begin with https://');
  return url;
}

/** `admin` only where somebody has written it; what is no role of staff never. */
function roleMapOf(entry: ProviderEntry): Record<string, Role> {
  for (const role of Object.values(entry.roleMap)) {
    if (!STAFF_ROLES.includes(role as Role)) throw new Error(`roleMap may give only ${STAFF_ROLES.join(', ')}`);
  }
  if ((entry.audience === 'patients') !== (Object.keys(entry.roleMap).length === 0))
    throw new Error('roleMap is needed for staff, and has no meaning for patients');
  return { ...entry.roleMap } as Record<string, Role>;
}

/** What people choose, change or share (OpenID Connect Core 1.0 §5.1, §5.7): never whom somebody is known by. */
const NO_IDENTIFIERS = new Set(
  `name given_name family_name middle_name nickname preferred_username profile picture website email email_verified gender birthdate
   zoneinfo locale phone_number phone_number_verified address updated_at`.split(/\s+/),
);

function scimMatchOf({ scimMatch, audience, emailClaim }: ProviderEntry): SsoScimMatch | null {
  if (scimMatch === undefined) return null;
  const { claim, attribute, directory = null, administrators = false } = scimMatch;
  if (audience === 'patients') throw new Error('scimMatch is for staff only');
  if (NO_IDENTIFIERS.has(claim) || claim === emailClaim)
    throw new Error('scimMatch needs a claim that is one person for ever, such as sub or oid: no address, and no name');
  return { claim, attribute, directoryId: directory, mayBeAdmin: administrators };
}

const assurancesOf = ({ acr = [], amr = [] }: Assurances = {}): SsoAssurances => ({ acr, amr });

function providerOf(entry: ProviderEntry, folder: string, isTest: boolean): SsoProvider {
  const issuer = issuerOf(entry, isTest);
  const scopes = entry.scopes ?? ['openid'];
  if (!scopes.includes('openid')) throw new Error('scopes must hold openid');
  if (entry.justInTime && entry.audience === 'patients') throw new Error('justInTime is for staff only');
  return {
    id: entry.id,
    name: entry.name,
    issuer: entry.issuer,
    clientId: entry.clientId,
    credential: credentialOf(entry, folder),
    scopes,
    forStaff: entry.audience !== 'patients',
    forPatients: entry.audience !== 'staff',
    hosts: [issuer.host, ...(entry.endpointHosts ?? [])],
    roleClaim: entry.roleClaim ?? ['roles'],
    roleMap: roleMapOf(entry),
    usernameClaim: entry.usernameClaim ?? 'preferred_username',
    emailClaim: entry.emailClaim ?? 'email',
    nameClaim: entry.nameClaim ?? 'name',
    npiClaim: entry.npiClaim ?? null,
    userInfo: entry.userInfo ?? false,
    justInTime: entry.justInTime ?? false,
    scimMatch: scimMatchOf(entry),
    passwordAlso: entry.passwordAlso ?? false,
    secondFactor: assurancesOf(entry.secondFactor),
    phishingResistant: assurancesOf(entry.phishingResistant),
    maxAgeSeconds: entry.maxAgeSeconds ?? MAX_AGE_SECONDS,
    allowInsecureHttp: entry.allowInsecureHttp ?? false,
  };
}

function repeated(values: readonly string[]): string[] {
  return values.filter((value, at) => values.indexOf(value) !== at);
}

/** Reads and checks the file of identity providers; adds what is wrong with it to `problems`. Paths in it are relative to it. */
export function readSsoProviders(path: string, isTest: boolean, problems: string[]): SsoProvider[] {
  const read = (entry: ProviderEntry): SsoProvider => providerOf(entry, dirname(resolve(path)), isTest);
  const entries = { setting: 'SSO_PROVIDERS_FILE', noun: 'provider', entry: ProviderEntry, read };
  const providers = readSettingsFile(path, entries, problems);
  for (const id of repeated(providers.map((one) => one.id))) problems.push(`SSO_PROVIDERS_FILE: two have the id ${id}`);
  // A person is known by issuer and subject: two providers of one issuer would be each other's people.
  for (const issuer of repeated(providers.map((one) => one.issuer)))
    problems.push(`SSO_PROVIDERS_FILE: two have the issuer ${issuer}`);
  return providers;
}
