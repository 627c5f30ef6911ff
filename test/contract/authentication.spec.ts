import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { MAX_SERVICE_SESSIONS } from '../../src/modules/auth/sessions/session.service.js';
import { REMINDER_DAYS } from '../../src/modules/auth/clients/expiry-reminders.js';
import { NOTICE_KINDS } from '../../src/modules/auth/recovery/notices.js';
import { SIGN_IN_SECONDS } from '../../src/modules/auth/sign-in/sign-ins.js';
import { CONTEXT_WORDS } from '../../src/modules/auth/passwords/password-rules.service.js';
import { HOUR, LIMITS } from '../../src/modules/auth/throttling/attempts.js';
import { DeclaredRoutes } from '../../src/platform/access/declared-routes.js';
import { settings } from '../../src/platform/config/settings.js';
import { FACTOR_RULES } from '../../src/platform/config/validators.js';
import { checkLedger } from '../harness/ledger.js';
import { startPortal, type Portal } from '../harness/portal.js';

/** docs/authentication.md says what holds; what is not so fails here (ASVS 6.1.1 to 6.1.3, 7.1.1 to 7.1.3). */
const text = readFileSync('docs/authentication.md', 'utf8');

/** The rows of a section's tables, cell by cell, without the heading and its line. */
function rowsOf(section: string): string[][] {
  const found = text.split(/^## /m).find((part) => part.startsWith(`${section}\n`));
  if (found === undefined) throw new Error(`there is no section ${section}`);
  const tables = [...found.matchAll(/(?:^\|.*\|\n)+/gm)].map(([table]) => table.trim().split('\n').slice(2));
  return tables.flat().map((row) =>
    row
      .slice(1, -1)
      .split('|')
      .map((cell) => cell.trim()),
  );
}

const code = (cell: string | undefined): string => /^`([^`]+)`$/.exec(cell ?? '')?.[1] ?? `no code: ${cell}`;
const number = (cell: string | undefined): number | null => (cell === '' ? null : Number(cell));

let portal: Portal;
let routes: ReturnType<DeclaredRoutes['list']>;
let schemas: Record<string, { properties?: Record<string, unknown> }>;

beforeAll(async () => {
  portal = await startPortal();
  routes = portal.app.get(DeclaredRoutes).list();
  const { body } = await portal.http.get('/openapi.json').expect(200);
  ({ schemas } = (body as { components: { schemas: typeof schemas } }).components);
});
afterAll(async () => {
  await checkLedger(portal);
  await portal.close();
});

describe('the document about authentication', () => {
  it('lists every route that is open to somebody who is not signed in, once, and no other', () => {
    const open = routes.filter(({ endpoint }) => (endpoint.access ?? 'signed-in') !== 'signed-in');
    const listed = rowsOf('Pathways').map(([route]) => code(route));
    expect(listed.sort()).toEqual(open.map(({ method, path }) => `${method} ${path}`).sort());
  });

  it('says strength and controls of each pathway', () => {
    const pathways = rowsOf('Pathways').filter((row) => row.length === 4);
    expect(pathways.length).toBeGreaterThan(20);
    for (const cells of pathways) for (const cell of cells) expect(cell).not.toBe('');
    // What is open and no pathway is read, asks for mail, or ends something: nothing in it opens a session.
    const others = rowsOf('Pathways').filter((row) => row.length === 2);
    const writing = others.map(([route]) => code(route)).filter((route) => !route.startsWith('GET '));
    expect(writing).toEqual(['POST /v1/auth/sso/:provider/backchannel-logout', 'POST /v1/auth/username/forgot']);
  });

  it('gives the reason for the ways that end with one factor, who they are for, and what holds there', () => {
    const byOne = rowsOf('Pathways').filter(([, , strength]) => strength?.startsWith('aal1'));
    expect(byOne.map(([route]) => code(route))).toEqual(['POST /v1/auth/login', 'POST /v1/auth/sso/exchange']);
    // Of patients, by default, and of nobody else whatever is configured.
    expect(settingOf('MFA_PATIENT')).toMatchObject({ default: 'optional' });
    expect(settingOf('MFA_STAFF')).toMatchObject({ default: 'required', choices: FACTOR_RULES.slice(1) });
    expect(FACTOR_RULES[0]).toBe('optional');
    const reason = /^Patients may come in with a password alone[^]*?\n\n/m.exec(text)![0];
    for (const word of ['MFA_PATIENT=optional', 'because', '15 characters', 'MFA_PATIENT=required', 'MFA_POLICY'])
      expect(reason).toContain(word);
    expect(text).toContain('Nobody of the staff opens anything with `aal1`');
  });

  it('has the limits of the code, all of them', () => {
    const documented = rowsOf('Brute force').map(([kind, free, stop, longest, window]) => [
      code(kind),
      number(free),
      number(stop),
      number(longest),
      number(window),
    ]);
    const limits = Object.entries<(typeof LIMITS)[keyof typeof LIMITS]>(LIMITS).map(([kind, limit]) => [
      kind,
      limit.free,
      limit.stop,
      'longestSeconds' in limit ? limit.longestSeconds : HOUR,
      'windowSeconds' in limit ? limit.windowSeconds : null,
    ]);
    expect(documented).toEqual(limits);
    expect(defaultOf('SIGN_IN_FAILURES')).toBe(LIMITS['sign-in-network'].free);
  });

  it('has the words that are no password', () => {
    const words = rowsOf('Words that are no password').map(([word]) => word);
    expect(words.filter((word) => /^`[a-z ]+`$/.test(word!)).map(code)).toEqual(CONTEXT_WORDS);
    expect(words.slice(CONTEXT_WORDS.length)).toEqual([
      '`HOSPITAL_NAME`',
      'host of `PUBLIC_URL`',
      'own username',
      'own email address',
      'its part before the @',
    ]);
  });

  it('has the limits of sessions that are the default', () => {
    const rows = rowsOf('Sessions');
    expect(rows.map(([setting]) => code(setting))).toEqual([
      'PATIENT_IDLE_MINUTES',
      'PATIENT_SESSION_MINUTES',
      'STAFF_IDLE_MINUTES',
      'STAFF_SESSION_MINUTES',
      'ACCESS_TOKEN_MINUTES',
      'MAX_SESSIONS',
      'DEVICE_REMEMBER_DAYS',
    ]);
    for (const [setting, value] of rows) expect([setting, number(value)]).toEqual([setting, defaultOf(code(setting))]);
    expect(text).toContain(`Machines have ${MAX_SERVICE_SESSIONS}`);
    const ages = new Set(routes.flatMap(({ endpoint }) => endpoint.stepUpSeconds ?? []));
    expect([...ages].sort()).toEqual([300, 900]);
    for (const age of ages)
      expect(text).toContain(`last\n${age} s`.replace('\n', text.includes(`last ${age} s`) ? ' ' : '\n'));
    // NIST SP 800-63B-4 §2.2.3: at most a day, and an hour of inactivity.
    for (const who of ['PATIENT', 'STAFF']) {
      expect(defaultOf(`${who}_IDLE_MINUTES`)).toBeLessThanOrEqual(60);
      expect(defaultOf(`${who}_SESSION_MINUTES`)).toBeLessThanOrEqual(24 * 60);
    }
  });

  it('says when administrators are reminded of what runs out, and whom a strange sign-in is told to', () => {
    const rows = rowsOf('What is told to whom');
    const days = rows.filter(([first]) => /^\d+$/.test(first!));
    expect(days.map(([first]) => Number(first))).toEqual(REMINDER_DAYS);
    const kinds = rows.filter(([first]) => first!.startsWith('`')).map(([kind]) => code(kind));
    expect(kinds.filter((kind) => !(NOTICE_KINDS as readonly string[]).includes(kind))).toEqual([]);
    expect(kinds).toEqual(
      expect.arrayContaining(['new-device', 'after-absence', 'guessed-before', 'sign-in-unfinished']),
    );
    expect(text).toContain(`within ${SIGN_IN_SECONDS} s`);
  });

  it('names everything that the database reads to tell whether two administrators are two people', async () => {
    const { rows } = await portal.owner.query<{ source: string }>(
      `SELECT prosrc AS source FROM pg_proc WHERE oid = 'auth.line_of'::regproc`,
    );
    const read = new Set([...rows[0]!.source.matchAll(/(?:users|auth)\.\w+/g)].map(([table]) => table));
    expect(
      rowsOf('Two administrators')
        .map(([, table]) => code(table))
        .sort(),
    ).toEqual([...read].sort());
  });

  it('says how sessions here and at identity providers end and are renewed', () => {
    const events = rowsOf('Federation').map(([event]) => event);
    for (const word of [
      'maxAgeSeconds',
      'step-up',
      'acr',
      'auth_time',
      'logout at the provider',
      'logout here',
      'absolute',
    ])
      expect(events.some((event) => event!.includes(word))).toBe(true);
  });
});

describe('what people know of somebody', () => {
  it('is no hint and no secret question anywhere: no field of the API has one', () => {
    const fields = Object.entries(schemas).flatMap(([schema, { properties }]) =>
      Object.keys(properties ?? {}).map((field) => `${schema}.${field}`),
    );
    expect(fields.length).toBeGreaterThan(200);
    expect(fields.filter((field) => /hint|question|secretAnswer|maiden|memorable|pet(name)?$/i.test(field))).toEqual(
      [],
    );
    // A birth date beside a code, to tell whom the code is for; nothing else that opens an account asks anything of a person.
    const asked = fields.filter((field) => /dateOfBirth|birthDate/.test(field)).map((field) => field.split('.')[0]);
    const openBodies = asked.filter((schema) => /activate|login|reset|lost|forg/i.test(schema!));
    expect(openBodies).toEqual(['Activate']);
  });
});

const settingOf = (setting: string): object => (settings as unknown as Record<string, object>)[setting]!;

const defaultOf = (setting: string): number =>
  (settings as unknown as Record<string, { default: number }>)[setting]!.default;
