import { expect } from '@jest/globals';
import { filesOf, downloaded, type Downloaded } from './downloads.js';
import { bundleOf, entryOf, importBundle, patientText } from './feed.js';
import { openHospital, type Hospital } from './hospital.js';
import { makePatient, type Caller, type Patient } from './people.js';
import { about, CHART, coded, lab, makeProxyOf } from './reading.js';

const ACT = 'http://terminology.hl7.org/CodeSystem/v3-ActCode';
/** What only some may see of the chart: a sensitive record, and one that is held back. */
export const SECRET = 'Immunodeficiency panel';
export const HELD = 'Histology of the node';

/** What must never be markup, script or the end of something. */
const HOSTILE = [
  '<script>alert(1)</script>',
  '"><img src=x onerror=alert(1)>',
  "' onmouseover='alert(1)",
  '</td></tr></table><iframe src=javascript:alert(1)>',
  '<svg/onload=alert(1)>',
  ']]><style>*{background:url(//evil.test)}</style>',
  '&lt;script&gt;alert(1)&lt;/script&gt;',
];

interface Bundle {
  type: string;
  entry: { fullUrl: string; resource: Record<string, unknown> & { resourceType: string } }[];
}

/** A chart with something of each kind, its patient, somebody who acts for them, and the patient's own copy of all of it. */
export interface CopiedChart {
  hospital: Hospital;
  pat: Patient;
  proxy: Caller & { id: string };
  all: Downloaded;
  files: Map<string, Buffer>;
}

export const textIn = (files: Map<string, Buffer>, name: string): string => files.get(name)!.toString('utf8');
export const bundleIn = (files: Map<string, Buffer>, name: string): Bundle => JSON.parse(textIn(files, name)) as Bundle;

export async function idOf({ portal }: Hospital, sourceId: string): Promise<string> {
  const { rows } = await portal.owner.query<{ id: string }>(
    'SELECT record_id AS id FROM records.record WHERE source_id = $1',
    [sourceId],
  );
  return rows[0]!.id;
}

export async function copyChart(): Promise<CopiedChart> {
  const hospital = await openHospital();
  const { portal, admin, staff, clinician, feed } = hospital;
  const pat = await makePatient(portal, admin, { mrn: 'MRN-PAT' });
  await staff.post(`/v1/patients/${pat.patientId}/care-team`, { practitionerId: clinician.practitionerId }).expect(201);
  const hostile = HOSTILE.map((words, n) =>
    about(
      'Condition',
      `hostile-${n}`,
      `"clinicalStatus":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/condition-clinical","code":"active"}]},"code":{"text":${JSON.stringify(words)}},"onsetDateTime":"2020-0${n + 1}"`,
    ),
  );
  const note = Buffer.from('Seen today.').toString('base64');
  const page = Buffer.from('<script>alert(1)</script>').toString('base64');
  const result = await importBundle(
    feed,
    bundleOf(
      'batch',
      entryOf(
        patientText('pat', 'MRN-PAT').replace(
          '"family":"Feed","given":["Fee"]',
          '"family":"Łukasiewicz","given":["Ελένη","Пётр"]',
        ),
      ),
      ...CHART,
      ...hostile,
      lab({
        id: 'secret',
        at: '2025-03-01',
        value: '"valueString":"x"',
        code: '75622-1',
        display: SECRET,
        more: `,"meta":{"security":[{"system":"${ACT}","code":"HIV"}]}`,
      }),
      lab({ id: 'held', at: '2025-03-02', value: '"valueString":"y"', code: '22637-3', display: HELD }),
      about(
        'Procedure',
        'hip',
        `"status":"completed","code":${coded('http://snomed.info/sct', '52734007', 'Ersatz der Hüfte')},"performedDateTime":"2022-02-02"`,
      ),
      about('Condition', 'arabic', `"code":{"text":"ارتفاع ضغط الدم"},"onsetDateTime":"2019"`),
      about('Condition', 'hebrew', `"code":{"text":"סוכרת סוג 2"},"onsetDateTime":"2018"`),
      about(
        'DocumentReference',
        'note',
        `"status":"current","type":{"text":"Note"},"date":"2025-01-01T10:00:00Z","content":[{"attachment":{"contentType":"text/plain","data":"${note}"}},{"attachment":{"contentType":"text/html","data":"${page}"}}]`,
      ),
    ),
  );
  expect(result).toMatchObject({ rejected: 0, quarantined: 0 });
  const proxy = await makeProxyOf(hospital, pat.patientId);
  const until = new Date(portal.clock.now().getTime() + 3 * 86_400_000).toISOString();
  await clinician
    .post(`/v1/records/${await idOf(hospital, 'held')}/hold`, {
      reason: 'privacy',
      explanation: 'To be told in person.',
      until,
    })
    .expect(201);
  const all = await downloaded(pat, pat.patientId);
  return { hospital, pat, proxy, all, files: await filesOf(pat, all) };
}
