import { globSync, readFileSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { AbilityFactory, type Person } from '../../src/platform/access/ability-factory.js';
import { DeclaredRoutes } from '../../src/platform/access/declared-routes.js';
import { eventCode } from '../../src/platform/access/endpoint.js';
import { ROLES, type Role } from '../../src/platform/access/vocabulary.js';
import { settings } from '../../src/platform/config/settings.js';
import { OpenApi } from '../../src/platform/docs/openapi.js';
import { startPortal, type Portal } from '../harness/portal.js';

/** `npm run contract` writes the files anew; otherwise a difference is a failure. */
const isUpdate = process.env.UPDATE_CONTRACT === '1';

function matches(file: string, content: string): void {
  if (isUpdate) writeFileSync(file, content);
  expect(readFileSync(file, 'utf8')).toBe(content);
}

const personWith = (role: Role): Person => ({
  id: 'p',
  roles: new Set([role]),
  patientIds: role === 'patient' ? ['own'] : [],
  practitionerId: role === 'clinician' ? 'pr' : null,
  proxied: new Map(role === 'proxy' ? [['acted-for', []]] : []),
  panel: new Set(role === 'clinician' ? ['cared-for'] : []),
  source: role === 'integration' ? 'urn:feed' : null,
});

interface ErrorEntry {
  code: string;
  status: number;
  detail: string;
}

/** Each `new Problem(status, code, detail…)` in the code; a code may be used twice only with one status. */
function errorsInCode(): ErrorEntry[] {
  const found = new Map<string, ErrorEntry>();
  for (const file of globSync('src/**/*.ts').sort()) {
    if (file.endsWith('.spec.ts')) continue;
    const text = readFileSync(file, 'utf8');
    const calls = [
      ...text.matchAll(/new Problem\(\s*(\d{3}),\s*'([a-z-]+\.[a-z0-9-]+)',\s*(['"`])((?:\\.|(?!\3)[^\\])*)\3/g),
      ...[...text.matchAll(/unavailable\(\s*'([a-z-]+\.[a-z0-9-]+)',\s*(['"`])((?:\\.|(?!\2)[^\\])*)\2/g)].map(
        (call) => [call[0], '503', call[1], call[2], call[3]],
      ),
    ];
    for (const [, status, code, , detail] of calls) {
      const entry = {
        code: code!,
        status: Number(status),
        detail: detail!.replaceAll("\\'", "'").replace(/\$\{[^}]*\}/g, '…'),
      };
      const known = found.get(entry.code);
      if (known && known.status !== entry.status) throw new Error(`${entry.code} has two statuses`);
      if (!known) found.set(entry.code, entry);
    }
  }
  found.set('http.unavailable', {
    code: 'http.unavailable',
    status: 503,
    detail: 'The portal cannot do this right now. Try again shortly.',
  });
  // Said by the door, which is told the code.
  for (const code of ['auth.sign-in-required', 'auth.token-expired', 'auth.token-invalid'])
    found.set(code, { code, status: 401, detail: 'Sign in, or refresh the access token, and try again.' });
  return [...found.values()].sort((a, b) => (a.code < b.code ? -1 : 1));
}

describe('the contract files say what the code does', () => {
  let portal: Portal;
  beforeAll(async () => {
    portal = await startPortal({ env: { PUBLIC_URL: 'https://portal.example' } });
  });
  afterAll(() => portal.close());

  const routes = () =>
    [...portal.app.get(DeclaredRoutes).list()].sort((a, b) =>
      `${a.path} ${a.method}` < `${b.path} ${b.method}` ? -1 : 1,
    );

  it('openapi.json', async () => {
    matches('test/contract/openapi.json', `${JSON.stringify(await portal.app.get(OpenApi).document(), null, 1)}\n`);
  });

  it('permissions.md', () => {
    const factory = portal.app.get(AbilityFactory);
    const abilities = ROLES.map((role) => factory.for(personWith(role)));
    const rows = routes().map(({ method, path, endpoint }) => {
      const cells = abilities.map((ability) =>
        endpoint.access === 'public' ? 'public' : ability.can(endpoint.action, endpoint.subject) ? 'yes' : '',
      );
      return `| ${method} ${path} | ${eventCode(endpoint)} | ${cells.join(' | ')} |`;
    });
    matches(
      'test/contract/permissions.md',
      `# Who may knock where\n\nGenerated from the policies (type level: rows and instances are checked as well). The oracle of the tests is the hand-written matrix in test/architecture.\n\n| route | event | ${ROLES.join(' | ')} |\n|---|---|${ROLES.map(() => '---').join('|')}|\n${rows.join('\n')}\n`,
    );
  });

  it('audit-codes.md', () => {
    const codes = new Map<string, string[]>();
    for (const { method, path, endpoint } of routes()) {
      const code = eventCode(endpoint);
      codes.set(code, [
        ...(codes.get(code) ?? []),
        `${endpoint.summary} (${method} ${path})${endpoint.unaudited ? ' — never stored' : ''}`,
      ]);
    }
    codes.set('Request.refuse', ['Refused before a route was found: unknown address, malformed HTTP, wrong Host']);
    codes.set('Request.preflight', ['A browser asked whether pages of another origin may call (CORS_ORIGINS)']);
    codes.set('Account.role-period', ['A role has begun or ended by its period: the code of the event says which']);
    codes.set('Checkpoint.refuse', [
      'The log is not what was signed before, or not what it says of itself: it is not signed any more; the code says why',
    ]);
    codes.set('Checkpoint.dispute', ['A witness or an anchor holds a checkpoint that contradicts ours']);
    codes.set('Checkpoint.add-key', ['The log has one more key for its checkpoints']);
    codes.set('Block.archive', ['A block of the trail has left the database for files: places, digest of the files']);
    codes.set('Block.delete', ['A block of the trail was deleted at the end of its retention: places, digest']);
    codes.set('Checkpoint.new-origin', ['The log goes on under a new name; holds the last checkpoint of the old one']);
    codes.set('System.start', ['A server process has begun']);
    codes.set('System.stop', ['A server process stops: the silence that follows is meant']);
    codes.set('Alarm.begin', ['A fault of the audit trail that somebody has to look at: which, and what it is about']);
    codes.set('Attachment.tampered', [
      'An attachment that is not what was stored, found when somebody fetched it: which, and which part of it',
    ]);
    codes.set('Alarm.end', ['That fault is over: after how long']);
    codes.set('System.heartbeat', [
      'Every minute by every server process: what waits in it, what it could not store, and how far its clock is off',
    ]);
    codes.set('AuditVerification.refuse', ['A verification found that the trail is not what it was: what, and where']);
    codes.set('Session.end', [
      'The end of a session, once for each: the code of the event says why (`logout`, `idle`, `expired`, `revoked`, …)',
    ]);
    codes.set('System.configure', [
      'A process started with other settings than the last one: which, with keyed digests',
    ]);
    const rows = [...codes]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([code, uses]) => `| ${code} | ${uses.join('; ')} |`);
    matches(
      'test/contract/audit-codes.md',
      `# Audit event codes\n\nGenerated from the routes.\n\n| code | when |\n|---|---|\n${rows.join('\n')}\n`,
    );
  });

  it('errors.md and the page that the problems point to', () => {
    const errors = errorsInCode();
    const rows = errors.map(
      ({ code, status, detail }) => `| \`${code}\` | ${status} | ${detail.replaceAll('|', '\\|')} |`,
    );
    matches(
      'test/contract/errors.md',
      `# Error codes\n\nGenerated from the code. A code is never reused and its meaning never changes.\n\n| code | status | what to do |\n|---|---|---|\n${rows.join('\n')}\n`,
    );
    matches('src/platform/docs/errors.json', `${JSON.stringify(errors, null, 1)}\n`);
  });

  it('.env.example', () => {
    const lines = Object.entries(settings).map(([name, spec]) => {
      const { desc, default: value } = spec as unknown as { desc?: string; default?: unknown };
      return `# ${desc ?? ''}\n#${name}=${Array.isArray(value) ? value.join(',') : String((value as string | number | boolean | undefined) ?? '')}\n`;
    });
    matches(
      '.env.example',
      `# Every setting with its default. Copy to .env, take away the # where you change something.\n# Secrets do not belong in this file's copy in a repository.\n\n${lines.join('\n')}`,
    );
  });
});
