import { randomUUID } from 'node:crypto';
import { ConfigurationChanges } from '../../src/modules/audit/configuration/configuration-changes.js';
import { downloaded, fileOf } from '../harness/downloads.js';
import { again, exported, fetched, seal } from '../harness/exports.js';
import { bundleOf, entryOf, importBundle, patientText, weightText } from '../harness/feed.js';
import { newPatient, NOBODY, registered } from '../harness/hospital.js';
import { makePatient, type Caller } from '../harness/people.js';
import { PRIVILEGES } from './auditable-privileges.js';
import { SIGNING } from './auditable-sign-ins.js';
import { because, changed, fresh, REFUSED, type Auditable, type Stage } from './auditable.js';

const DATA: Auditable[] = [
  {
    event: 'chart opened, corrected, read, listed',
    happens: async (stage) => {
      const staff = await fresh(stage, 'staff');
      const { id } = (await staff.post('/v1/patients', newPatient()).expect(201)).body as { id: string };
      await changed(staff, `/v1/patients/${id}`, { family: 'Corrected' });
      await staff.get('/v1/patients?limit=1').expect(200);
    },
    leaves: [
      { sub: 'Patient.create', act: 'C', cat: ['demographics'], res: [{ t: 'Patient', v: 1 }] },
      { sub: 'Patient.read', act: 'R', cat: ['demographics'], res: [{ t: 'Patient', v: 1 }] },
      { sub: 'Patient.update', act: 'U', cat: ['demographics'], res: [{ t: 'Patient', v: 2, p: 1 }] },
      { sub: 'Patient.list', act: 'E', res: [{ t: 'Patient' }] },
    ],
  },
  {
    event: 'records taken in, listed and read',
    happens: async (stage) => {
      const admin = await fresh(stage, 'admin');
      const mrn = randomUUID();
      const her = await makePatient(stage.portal, admin, { mrn });
      const feed = await stage.fresh(stage.feed);
      const bundle = bundleOf(
        'transaction',
        entryOf(patientText('p', mrn, stage.portal.config.hospital.mrnSystem)),
        entryOf(weightText('w', 'Patient/p', '71.5')),
      );
      const { created, rejected } = await importBundle(feed, bundle);
      if (created !== 2 || rejected !== 0) throw new Error(`created ${created}, rejected ${rejected}`);
      const { body } = await her.get(`/v1/patients/${her.patientId}/records`).expect(200);
      const record = (body as { items: { id: string; type: string }[] }).items.find(
        ({ type }) => type === 'Observation',
      );
      await her.get(`/v1/records/${record!.id}`).expect(200);
    },
    leaves: [
      { sub: 'Import.import', act: 'C', cat: ['vital-signs'], res: [{ t: 'Observation', v: 1 }] },
      { sub: 'Record.list', act: 'E', purp: 'PATRQT', cat: ['vital-signs'], res: [{ t: 'Observation', v: 1 }] },
      { sub: 'Record.read', act: 'R', purp: 'PATRQT', cat: ['vital-signs'], res: [{ t: 'Observation', v: 1 }] },
    ],
  },
  {
    event: "somebody else's chart, which is refused",
    happens: async (stage) =>
      void (await (await fresh(stage, 'anna')).get(`/v1/patients/${stage.bela.patientId}`).expect(404)),
    leaves: [{ sub: 'Patient.read', ...REFUSED, err: 'http.not-found', purp: 'PATRQT', ask: {} }],
  },
  {
    event: 'what the role does not allow',
    happens: async (stage) => void (await (await fresh(stage, 'anna')).get('/v1/users').expect(403)),
    leaves: [{ sub: 'Account.list', ...REFUSED, http: { st: 403 } }],
  },
  {
    event: 'nobody is signed in',
    happens: async ({ portal }) => void (await portal.http.get('/v1/me').expect(401)),
    leaves: [{ sub: 'Self.read', ...REFUSED, actor: {}, http: { st: 401 } }],
  },
  {
    event: 'a request that says something else than it may',
    happens: async (stage) =>
      void (await (await fresh(stage, 'staff')).post('/v1/patients', { family: 1 }).expect(400)),
    leaves: [{ sub: 'Patient.create', ...REFUSED, err: 'http.invalid' }],
  },
  {
    event: 'an address that there is not',
    happens: async ({ portal }) => void (await portal.http.get('/v1/../etc/passwd').expect(404)),
    leaves: [{ sub: 'Request.refuse', ...REFUSED, http: { st: 404 } }],
  },
];

const OUT: Auditable[] = [
  {
    event: 'invitation by mail',
    happens: async (stage) => {
      const { id } = await registered({ ...stage, staff: await fresh(stage, 'staff') });
      const to = { email: `${randomUUID()}@home.test` };
      await (await fresh(stage, 'staff')).post(`/v1/patients/${id}/invitations`, to).expect(204);
    },
    leaves: [{ sub: 'Patient.invite', act: 'C', out: 0, res: [{ t: 'Patient' }] }],
  },
  {
    event: 'letter printed',
    happens: async (stage) => {
      const { id } = await registered({ ...stage, staff: await fresh(stage, 'staff') });
      const to = { email: `${randomUUID()}@home.test`, deliver: 'letter' };
      await (await fresh(stage, 'staff')).post(`/v1/patients/${id}/invitations`, to).expect(200);
    },
    leaves: [{ sub: 'Patient.invite', act: 'C', out: 0, res: [{ t: 'Letter' }] }],
    kind: 'print',
  },
  {
    event: 'audit trail exported and downloaded',
    happens: async (stage) => {
      const officer = await again(stage.complianceOfficer);
      const { id } = await exported(officer, { filter: { toSeq: 3 } });
      await fetched(officer, `/v1/audit/exports/${id}/events.ndjson`);
    },
    leaves: [
      { sub: 'AuditExport.create', act: 'C', out: 0, res: [{ t: 'AuditExport' }] },
      { sub: 'AuditExport.download', act: 'R', out: 0, res: [{ t: 'AuditExport' }] },
    ],
    kind: 'export',
  },
  {
    event: 'chart downloaded, and sent on by mail',
    happens: async (stage) => {
      const anna = await fresh(stage, 'anna');
      const { id } = await downloaded(anna, stage.anna.patientId, { formats: ['fhir'] });
      await fileOf(anna, id, 'health-record.json');
      await anna.post(`/v1/downloads/${id}/transmissions`, { to: 'doctor@elsewhere.test' }).expect(201);
    },
    leaves: [
      { sub: 'ChartDownload.create', act: 'C', out: 0, purp: 'PATRQT', res: [{ t: 'ChartDownload' }] },
      { sub: 'ChartDownload.create', act: 'R', out: 0, res: [{ t: 'ChartDownload' }] },
      { sub: 'ChartDownload.download', act: 'R', out: 0, purp: 'PATRQT', res: [{ t: 'ChartDownload' }] },
      { sub: 'Transmission.create', act: 'C', out: 0, res: [{ t: 'ChartDownload' }, { t: 'Transmission' }] },
    ],
    kind: 'export',
  },
  {
    event: 'receipt kept by the patient',
    happens: async (stage) => {
      await seal(stage.portal);
      const first = 'SELECT min(idx)::int AS seq FROM audit.entry WHERE subject = $1';
      const { rows } = await stage.portal.owner.query<{ seq: number }>(first, [stage.anna.patientId]);
      await (await fresh(stage, 'anna')).get(`/v1/audit/events/${rows[0]!.seq}/receipt`).expect(200);
    },
    leaves: [{ sub: 'Receipt.read', act: 'R', out: 0 }],
    kind: 'export',
  },
];

const officerDoes =
  (does: (officer: Caller, stage: Stage) => Promise<unknown>) =>
  async (stage: Stage): Promise<void> =>
    void (await does(await fresh(stage, 'complianceOfficer'), stage));

const TRAIL: Auditable[] = [
  {
    event: 'audit trail searched, for somebody',
    happens: officerDoes((officer, { anna }) =>
      officer.get(`/v1/audit/events?patientId=${anna.patientId}`).expect(200),
    ),
    leaves: [{ sub: 'Event.list', act: 'E', purp: 'HCOMPL', res: [{ t: 'Patient' }] }],
    kind: 'audit-access',
  },
  {
    event: 'one event read',
    happens: officerDoes((officer) => officer.get('/v1/audit/events/0').expect(200)),
    leaves: [{ sub: 'Event.read', act: 'R', purp: 'HCOMPL', res: [{ t: 'AuditEvent', i: '0' }] }],
    kind: 'audit-access',
  },
  {
    event: 'audit trail asked for by somebody else',
    happens: async (stage) => void (await (await fresh(stage, 'admin')).get('/v1/audit/events').expect(403)),
    leaves: [{ sub: 'Event.list', ...REFUSED, http: { st: 403 } }],
  },
  {
    event: 'report read',
    happens: officerDoes((officer) =>
      officer.get('/v1/audit/reports/period?from=2026-01-01T00:00:00Z&to=2026-01-02T00:00:00Z').expect(200),
    ),
    leaves: [{ sub: 'AuditReport.read', act: 'R', res: [{ t: 'AuditReport' }] }],
    kind: 'audit-access',
  },
  {
    event: 'query saved',
    happens: officerDoes((officer) =>
      officer.post('/v1/audit/queries', { name: randomUUID(), filter: {} }).expect(201),
    ),
    leaves: [{ sub: 'AuditQuery.create', act: 'C', res: [{ t: 'AuditQuery', v: 1 }] }],
  },
  {
    event: 'audit trail verified',
    happens: officerDoes((officer) => officer.post('/v1/audit/verify', {}).expect(202)),
    leaves: [{ sub: 'AuditVerification.check', act: 'E', out: 0 }],
  },
  {
    event: 'addresses erased',
    happens: async (stage) => {
      const body = { accountId: NOBODY, ...because };
      await (await again(stage.complianceOfficer)).post('/v1/audit/erasures', body).expect(201);
    },
    leaves: [{ sub: 'AuditErasure.create', act: 'C', res: [{ t: 'AuditErasure' }, { t: 'Account', i: NOBODY }] }],
  },
  {
    event: 'configuration told for the first time',
    happens: async ({ portal }) => void (await portal.app.get(ConfigurationChanges).tell()),
    leaves: [{ sub: 'System.configure', act: 'U', err: 'system.first-configuration', actor: {}, det: { changed: [] } }],
    kind: 'configuration-change',
  },
];

export const AUDITABLE: readonly Auditable[] = [...SIGNING, ...PRIVILEGES, ...DATA, ...OUT, ...TRAIL];
