import { v7 as uuidv7 } from 'uuid';
import { PasswordHasher } from '../../src/platform/crypto/index.js';
import type { Role } from '../../src/platform/access/vocabulary.js';
import { attachment, documentText } from '../harness/attachments.js';
import { bundleOf, entryOf, importBundle, patientText, weightText, type ImportResult } from '../harness/feed.js';
import { known, NOBODY, openHospital, registered, SOURCE, type Hospital } from '../harness/hospital.js';
import { feedsFile } from '../harness/hl7.js';
import { makeDirectory, makeFeed, makePatient, signInAs, type Caller, type Credentials } from '../harness/people.js';
import type { Portal } from '../harness/portal.js';
import type { FakeProvider } from '../harness/identity-providers.js';
import type { Person, Relation } from './access-matrix.js';
import { openProvider } from './access-sso.js';

/** One of the columns: signs in again by itself where a request has ended the session, or where it grew old. */
export class Account {
  private caller: Caller | null;
  readonly credentials: Credentials;
  readonly recoveryCodes: string[];

  constructor(
    readonly id: string,
    caller: Caller,
  ) {
    this.caller = caller;
    this.credentials = caller.credentials;
    this.recoveryCodes = [...caller.recoveryCodes];
  }

  /** In a session whose second factor is fresh and whose access token has minutes left. */
  async signedIn(portal: Portal): Promise<Caller> {
    const age = this.caller ? portal.clock.now().getTime() - Date.parse(this.caller.tokens.session.authTime) : Infinity;
    if (age > 180_000 || !this.caller) this.caller = await signInAs(portal, this.credentials);
    return this.caller;
  }

  signedOut(): void {
    this.caller = null;
  }

  /** An answer that may hold the session's next access token. */
  keep(body: unknown): void {
    this.caller?.keep(body);
  }
}

/** The charts of the table, by how they stand to the patient and the clinician. */
export const CHARTS = ['own', 'team', 'ended', 'future', 'other'] as const satisfies Relation[];

export interface World extends Hospital {
  /** An identity provider that vouches for everybody. */
  provider: FakeProvider;
  people: Record<Role, Account>;
  /** Ids by relation. */
  charts: Record<string, string>;
  records: Record<string, string>;
  attachments: Record<string, string>;
  imports: Record<string, string>;
}

/** Puts the practitioner on the chart's team, from and to so many days from now. */
export async function member(
  portal: Portal,
  chart: string,
  practitioner: string,
  [from, to]: [number, number | null],
): Promise<string> {
  const id = uuidv7();
  const at = (days: number | null) =>
    days === null ? null : new Date(portal.clock.now().getTime() + days * 86_400_000);
  await portal.owner.query(
    `INSERT INTO users.care_team_member (care_team_member_id, patient_id, practitioner_id, starts_at, ends_at, created_at, created_by)
     VALUES ($1, $2, $3, $4, $5, now(), $6)`,
    [id, chart, practitioner, at(from), at(to), NOBODY],
  );
  return id;
}

/** A practitioner without an account. */
export async function practitioner(portal: Portal): Promise<string> {
  const id = uuidv7();
  await portal.owner.query(
    `INSERT INTO users.practitioner (practitioner_id, family, given, specialty, created_at, updated_at) VALUES ($1, 'Fresh', '{F}', 'Any', now(), now())`,
    [id],
  );
  return id;
}

/** Somebody at the front desk who never signed in; for administrators to decide on. */
export async function account(portal: Portal, status: 'active' | 'disabled'): Promise<string> {
  const id = uuidv7();
  await portal.owner.query(
    `INSERT INTO users.account (account_id, display_name, email, status, activated_at, disabled_reason, created_at, updated_at)
     VALUES ($1, 'Fresh', 'fresh@hospital.test', $2, now(), CASE $2 WHEN 'disabled' THEN 'left' END, now(), now())`,
    [id, status],
  );
  await portal.owner.query(
    `INSERT INTO users.account_role (account_role_id, account_id, role, reason, granted_at) VALUES ($1, $2, 'staff', 'test', now())`,
    [uuidv7(), id],
  );
  return id;
}

/** Gives an account a password that nobody knows. */
export async function password(portal: Portal, accountId: string): Promise<void> {
  await portal.owner.query('INSERT INTO auth.credential (account_id, password_hash, changed_at) VALUES ($1, $2, $3)', [
    accountId,
    await portal.app.get(PasswordHasher).hash(uuidv7()),
    portal.clock.now(),
  ]);
}

/** A device that an account has had remembered. */
export async function device(portal: Portal, accountId: string): Promise<string> {
  const id = uuidv7();
  await portal.owner.query(
    `INSERT INTO auth.device (device_id, account_id, token_mac, name, created_at, last_used_at, expires_at)
     VALUES ($1::uuid, $2, sha256($1::uuid::text::bytea), 'Test', $3::timestamptz, $3::timestamptz, $3::timestamptz + interval '1 day')`,
    [id, accountId, portal.clock.now()],
  );
  return id;
}

/** Another session of an account, perhaps one that has ended. */
export async function session(portal: Portal, accountId: string, endReason: string | null = null): Promise<string> {
  const id = uuidv7();
  const now = portal.clock.now();
  await portal.owner.query(
    `INSERT INTO auth.session (session_id, account_id, created_at, last_active_at, idle_seconds, expires_at, acr, amr, auth_time, device, address, ended_at, end_reason)
     VALUES ($1, $2, $3, $3, 900, $4, 'aal1', '{pwd}', $3, 'Test', '127.0.0.1', CASE WHEN $5::text IS NULL THEN NULL ELSE $3::timestamptz END, $5)`,
    [id, accountId, now, new Date(now.getTime() + 86_400_000), endReason],
  );
  return id;
}

/** Opens again, when it is called, the sessions that are open now. */
export async function reopening({ owner }: Portal): Promise<() => Promise<void>> {
  const { rows } = await owner.query<{ id: string }>(
    'SELECT session_id AS id FROM auth.session WHERE ended_at IS NULL',
  );
  const ids = rows.map(({ id }) => id);
  const reopen = 'UPDATE auth.session SET ended_at = NULL, end_reason = NULL WHERE session_id = ANY($1)';
  return async () => void (await owner.query(reopen, [ids]));
}

/** Nobody is given the role proxy through the API yet: a patient's account is made into one. */
async function makeProxy(hospital: Hospital, patientId: string): Promise<Account> {
  const caller = await known(makePatient(hospital.portal, hospital.admin));
  const { owner } = hospital.portal;
  await owner.query(`UPDATE users.account_role SET role = 'proxy' WHERE account_id = $1`, [caller.id]);
  await owner.query('UPDATE users.patient SET account_id = NULL WHERE account_id = $1', [caller.id]);
  await owner.query(
    `INSERT INTO users.proxy_grant (proxy_grant_id, account_id, patient_id, open_labels, starts_at) VALUES ($1, $2, $3, '{}', now() - interval '1 day')`,
    [uuidv7(), caller.id, patientId],
  );
  return new Account(caller.id, caller);
}

/** Imports a Patient and one record into each chart, and holds one whose patient never comes. Resolves with import and records by relation. */
async function fillCharts(
  hospital: Hospital,
  charts: Record<string, string>,
): Promise<[ImportResult, Record<string, string>, Record<string, string>]> {
  const { owner } = hospital.portal;
  const { rows } = await owner.query<{ id: string; mrn: string; system: string }>(
    'SELECT patient_id AS id, mrn, mrn_system AS system FROM users.patient',
  );
  const entries = CHARTS.flatMap((relation) => {
    const chart = rows.find(({ id }) => id === charts[relation])!;
    return [
      entryOf(patientText(relation, chart.mrn, chart.system)),
      entryOf(weightText(`weight-${relation}`, `Patient/${relation}`, '70.0')),
      entryOf(documentText(`document-${relation}`, `Patient/${relation}`, [attachment({ text: relation })])),
    ];
  });
  entries.push(entryOf(documentText('document-held', 'Patient/never', [attachment({ text: 'held' })])));
  const imported = await importBundle(hospital.feed, bundleOf('batch', ...entries));
  await owner.query(
    `INSERT INTO records.record SELECT (jsonb_populate_record(w,
       jsonb_build_object('record_id', $1::text, 'patient_id', NULL, 'source_id', 'weight-held'))).*
       FROM records.record w WHERE w.source_id = 'weight-own'`,
    [uuidv7()],
  );
  const { rows: records } = await owner.query<{ relation: string; id: string }>(
    `SELECT substr(source_id, 8) AS relation, record_id AS id FROM records.record WHERE source_id LIKE 'weight-%'`,
  );
  const { rows: attachments } = await owner.query<{ relation: string; id: string }>(
    `SELECT substr(r.source_id, 10) AS relation, a.attachment_id AS id FROM records.attachment a JOIN records.record r USING (record_id)`,
  );
  const byRelation = (all: typeof records) => Object.fromEntries(all.map(({ relation, id }) => [relation, id]));
  return [imported, byRelation(records), byRelation(attachments)];
}

export async function openWorld(): Promise<World> {
  const { provider, env } = await openProvider();
  const hospital = await openHospital({ ...env, HL7_FEEDS_FILE: feedsFile({ source: SOURCE }) });
  const { portal, anna, bela, clinician, admin } = hospital;
  const chart = async () => (await registered(hospital, { email: 'home@home.test' })).id;
  const charts: Record<string, string> = { own: bela.patientId, team: anna.patientId, none: NOBODY };
  for (const relation of ['ended', 'future', 'other']) charts[relation] = await chart();
  await member(portal, charts.ended!, clinician.practitionerId, [-30, -1]);
  await member(portal, charts.future!, clinician.practitionerId, [1, 30]);
  const [imported, records, attachments] = await fillCharts(hospital, charts);

  // Another feed and an import of theirs.
  const otherFeed = await known(makeFeed(portal, admin, `${SOURCE}/other`));
  const foreign = await importBundle(otherFeed, bundleOf('batch', entryOf(patientText('x', 'MRN-OF-OTHER-FEED'))));
  const of = (caller: Caller & { id: string }) => new Account(caller.id, caller);
  return {
    ...hospital,
    provider,
    people: {
      patient: of(bela),
      proxy: await makeProxy(hospital, bela.patientId),
      clinician: of(clinician),
      staff: of(hospital.staff),
      records_officer: of(hospital.recordsOfficer),
      compliance_officer: of(hospital.complianceOfficer),
      admin: of(admin),
      integration: of(hospital.feed),
      directory: of(await makeDirectory(portal, admin)),
    },
    charts,
    records: { ...records, none: NOBODY },
    attachments: { ...attachments, none: NOBODY },
    imports: { own: imported.id, other: foreign.id, none: NOBODY },
  };
}

export const signedInAs = async (world: World, person: Person): Promise<Caller | null> =>
  person === 'anonymous' ? null : world.people[person].signedIn(world.portal);
