import { generateKeyPairSync } from 'node:crypto';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ConfigError, loadConfig } from './config.js';
import { readSsoProviders } from './sso-providers.js';

const SECRET = 'a secret that nobody must read';
let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'portico-sso-config-'));
  const pem = (key: { privateKey: { export(options: object): unknown } }) =>
    key.privateKey.export({ type: 'pkcs8', format: 'pem' }) as string;
  const files: Record<string, string> = {
    secret: `${SECRET}\n`,
    short: 'short',
    'ec.pem': pem(generateKeyPairSync('ec', { namedCurve: 'P-256' })),
    'rsa.pem': pem(generateKeyPairSync('rsa', { modulusLength: 2048 })),
    'weak.pem': pem(generateKeyPairSync('rsa', { modulusLength: 1024 })),
    'curve.pem': pem(generateKeyPairSync('ec', { namedCurve: 'secp256k1' })),
    'text.pem': SECRET,
    open: SECRET,
  };
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text, { mode: 0o600 });
  chmodSync(join(folder, 'open'), 0o640);
});
afterAll(() => rmSync(folder, { recursive: true }));

const GOOD = {
  id: 'hospital',
  name: 'Hospital account',
  issuer: 'https://login.hospital.example',
  clientId: 'portico',
  clientSecretFile: 'secret',
  audience: 'staff',
  roleMap: { nurses: 'staff' },
};

function read(content: unknown, isTest = false): { providers: object[]; problems: string[] } {
  const path = join(folder, 'providers.json');
  writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content));
  const problems: string[] = [];
  return { providers: readSsoProviders(path, isTest, problems), problems };
}

const problemsOf = (change: object, isTest = false): string[] => read([{ ...GOOD, ...change }], isTest).problems;

describe('the file of identity providers', () => {
  it('is read with its defaults, which give nothing away', () => {
    const { providers, problems } = read([GOOD]);
    expect(problems).toEqual([]);
    expect(providers).toEqual([
      expect.objectContaining({
        credential: { secret: SECRET },
        scopes: ['openid'],
        forStaff: true,
        forPatients: false,
        hosts: ['login.hospital.example'],
        justInTime: false,
        scimMatch: null,
        passwordAlso: false,
        secondFactor: { acr: [], amr: [] },
        maxAgeSeconds: 43_200,
        allowInsecureHttp: false,
      }),
    ]);
    expect(readSsoProviders('', false, [])).toEqual([]);
  });

  it('is read as the README shows it', () => {
    const readme = readFileSync(new URL('../../modules/auth/README.md', import.meta.url), 'utf8');
    const sample = /```json\n(\[[^]*?\])\n```/.exec(readme)![1]!;
    const { providers, problems } = read(sample.replace('portico-sso.pem', 'ec.pem'));
    expect(problems).toEqual([]);
    expect(providers).toMatchObject([{ id: 'hospital', roleMap: { 'portal-admin': 'admin' }, justInTime: true }]);
  });

  it('takes a match with the directory, of nobody who administers unless it says so', () => {
    const directory = '0193a5b0-0000-7000-8000-000000000001';
    const matched = (scimMatch: object) => read([{ ...GOOD, scimMatch }]).providers;
    expect(matched({ claim: 'oid', attribute: 'externalId' })).toMatchObject([
      { scimMatch: { claim: 'oid', attribute: 'externalId', directoryId: null, mayBeAdmin: false } },
    ]);
    expect(matched({ claim: 'sub', attribute: 'userName', directory, administrators: true })).toMatchObject([
      { scimMatch: { claim: 'sub', attribute: 'userName', directoryId: directory, mayBeAdmin: true } },
    ]);
  });

  it('takes keys for private_key_jwt', () => {
    const keyed = (privateKeyFile: string) =>
      read([{ ...GOOD, clientSecretFile: undefined, privateKeyFile, privateKeyId: 'k1' }]);
    expect(keyed('ec.pem').providers).toMatchObject([{ credential: { alg: 'ES256', kid: 'k1' } }]);
    expect(keyed('rsa.pem').providers).toMatchObject([{ credential: { alg: 'RS256' } }]);
    for (const file of ['weak.pem', 'curve.pem', 'text.pem', 'missing.pem']) {
      const { providers, problems } = keyed(file);
      expect([file, providers, problems.length]).toEqual([file, [], 1]);
      expect(problems[0]).not.toContain(SECRET);
    }
  });

  it.each<[string, object]>([
    ['plain HTTP', { issuer: 'http://login.hospital.example' }],
    ['plain HTTP by a switch for tests', { issuer: 'http://login.hospital.example', allowInsecureHttp: true }],
    ['an issuer with a query', { issuer: 'https://login.hospital.example?a' }],
    ['an issuer with a password', { issuer: 'https://a:b@login.hospital.example' }],
    ['an issuer that is none', { issuer: 'hospital' }],
    ['no credential', { clientSecretFile: undefined }],
    ['two credentials', { privateKeyFile: 'ec.pem' }],
    ['a secret that others can read', { clientSecretFile: 'open' }],
    ['a secret that anybody guesses', { clientSecretFile: 'short' }],
    ['a secret that is not there', { clientSecretFile: 'missing' }],
    ['a folder for a secret', { clientSecretFile: '.' }],
    ['a role that does not exist', { roleMap: { nurses: 'nurse' } }],
    ['the role of a patient', { roleMap: { nurses: 'patient' } }],
    ['the role of a proxy', { roleMap: { nurses: 'proxy' } }],
    ['the role of a feed', { roleMap: { nurses: 'integration' } }],
    ['the role of a directory', { roleMap: { nurses: 'directory' } }],
    ['several roles for one value', { roleMap: { nurses: ['staff'] } }],
    ['no roles for staff', { roleMap: {} }],
    ['roles for patients', { audience: 'patients' }],
    ['accounts for patients just in time', { audience: 'patients', roleMap: {}, justInTime: true }],
    ['nobody to vouch for', { audience: 'everybody' }],
    ['no openid among the scopes', { scopes: ['profile'] }],
    ['an id that no address can hold', { id: '../x' }],
    ['an empty path of a claim', { roleClaim: [] }],
    ['a setting that does not exist', { skipSignatures: true }],
    ['a setting of the second factor that does not exist', { secondFactor: { any: true } }],
    ['a text for a switch', { justInTime: 'yes' }],
    ['no limit to the age of a sign-in', { maxAgeSeconds: 0 }],
    ['a match with an address', { scimMatch: { claim: 'email', attribute: 'userName' } }],
    [
      "a match with the provider's own address",
      { emailClaim: 'mail', scimMatch: { claim: 'mail', attribute: 'userName' } },
    ],
    ['a match with a name that people choose', { scimMatch: { claim: 'preferred_username', attribute: 'userName' } }],
    ['a match with an attribute that is an address', { scimMatch: { claim: 'oid', attribute: 'emails' } }],
    ['a match without a claim', { scimMatch: { attribute: 'externalId' } }],
    ['a match by a path', { scimMatch: { claim: ['oid'], attribute: 'externalId' } }],
    ['a match with no directory', { scimMatch: { claim: 'oid', attribute: 'externalId', directory: 'entra' } }],
    ['a match that is a text', { scimMatch: 'oid' }],
    [
      'a match of patients',
      { audience: 'patients', roleMap: {}, scimMatch: { claim: 'oid', attribute: 'externalId' } },
    ],
  ])('is refused with %s', (_, change) => {
    const problems = problemsOf(change);
    expect(problems.length).toBeGreaterThan(0);
    expect(problems.join()).not.toContain(SECRET);
  });

  it('is told what is wrong with it, once for each setting, by its name', () => {
    expect(
      problemsOf({ name: undefined, justInTime: 'yes', skipSignatures: true, secondFactor: { amr: 'otp' } }),
    ).toEqual(
      [
        'skipSignatures: This is not known here: leave it out.',
        'name: name is needed.',
        'justInTime: justInTime must be a boolean value',
        'secondFactor.amr: amr must be an array',
      ].map((fault) => expect.stringContaining(fault)),
    );
  });

  it('is refused when it is no list, or names an id or an issuer twice', () => {
    for (const content of ['', '{', '{}', '7', '[1]', '[null]', '[[]]']) expect(read(content).problems).not.toEqual([]);
    expect(read([GOOD, { ...GOOD, issuer: 'https://other.example' }]).problems).toEqual([
      'SSO_PROVIDERS_FILE: two have the id hospital',
    ]);
    expect(read([GOOD, { ...GOOD, id: 'other' }]).problems).toEqual([
      'SSO_PROVIDERS_FILE: two have the issuer https://login.hospital.example',
    ]);
  });

  it('stops the start with all its faults, and is frozen otherwise', () => {
    const path = join(folder, 'start.json');
    writeFileSync(path, JSON.stringify([{ ...GOOD, issuer: 'http://x.example' }]));
    const env = { SSO_PROVIDERS_FILE: path, SSO_RETURN_URL: 'https://portal.example/in?x', SSO_RETURN_PATHS: '/a' };
    const start = () => loadConfig(env);
    expect(start).toThrow(ConfigError);
    expect(start).toThrow(/provider 1: issuer must begin with https/);
    expect(start).toThrow(/SSO_RETURN_URL must be/);
    expect(() => loadConfig({ SSO_RETURN_PATHS: '//evil.example' })).toThrow(ConfigError);
    writeFileSync(path, JSON.stringify([GOOD]));
    const { sso } = loadConfig({ SSO_PROVIDERS_FILE: path });
    expect(Object.isFrozen(sso.providers[0])).toBe(true);
    expect(sso).toMatchObject({ returnUrl: 'http://127.0.0.1:3000/sign-in', returnPaths: ['/'] });
  });
});
