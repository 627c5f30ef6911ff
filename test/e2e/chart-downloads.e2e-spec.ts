import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { inspect } from '../../src/fhir/index.js';
import { bundleIn, copyChart, HELD, SECRET, textIn } from '../harness/copied-chart.js';
import { downloaded, fileOf, filesOf, prepared, type Downloaded } from '../harness/downloads.js';
import { pages, said, type Hospital } from '../harness/hospital.js';
import { checkLedger } from '../harness/ledger.js';
import { makePatient, type Patient } from '../harness/people.js';

let hospital: Hospital;
let pat: Patient;
let all: Downloaded;
let files: Map<string, Buffer>;

const NAMES = ['patient-summary.json', 'health-record.pdf', 'health-record.json', 'health-record.html'];

beforeAll(async () => {
  ({ hospital, pat, all, files } = await copyChart());
}, 60_000);

afterAll(async () => {
  await checkLedger(hospital.portal);
  await hospital.portal.close();
});

describe('a download of a chart', () => {
  it('is a job that ends with a file of each format, attachments beside them, each with its digest', () => {
    expect(all).toMatchObject({ status: 'ready', failure: null });
    expect(all.progress.records).toBe(all.progress.total);
    expect(all.files.map(({ name }) => name)).toEqual([...NAMES, 'attachment-2.bin', 'attachment-1.txt']);
    for (const { name, bytes: size, sha256 } of all.files) {
      const content = files.get(name)!;
      expect([name, content.length]).toEqual([name, size]);
      expect(createHash('sha256').update(content).digest('hex')).toBe(sha256);
    }
    expect(textIn(files, 'attachment-1.txt')).toBe('Seen today.');
  });

  it('has every record that its patient sees, with every number as its sender wrote it, as valid R4', async () => {
    const { type, entry } = bundleIn(files, 'health-record.json');
    const listed = (await pages(pat, `/v1/patients/${pat.patientId}/records`, 200)).flat();
    expect(type).toBe('collection');
    const records = entry.filter(({ resource }) => resource.resourceType !== 'Binary');
    expect(records.map(({ fullUrl }) => fullUrl).sort()).toEqual(listed.map(({ id }) => `urn:uuid:${id}`).sort());
    expect(
      inspect(textIn(files, 'health-record.json')).findings.filter(({ severity }) => severity === 'error'),
    ).toEqual([]);
    const answer = await pat.get(`/v1/patients/${pat.patientId}/records?limit=200`).expect(200);
    const numbers = (json: string): string[] => [...json.matchAll(/"value":(-?[0-9.eE+-]+)/g)].map(([, one]) => one!);
    expect(numbers(textIn(files, 'health-record.json'))).toEqual(numbers(answer.text));
    expect(numbers(textIn(files, 'health-record.json'))).toEqual(expect.arrayContaining(['4.10', '5.60', '121.0']));
  });

  it('has the contents of attachments as entries, named where the portal had its own address of them', () => {
    const text = textIn(files, 'health-record.json');
    const binaries = bundleIn(files, 'health-record.json').entry.filter(
      ({ resource }) => resource.resourceType === 'Binary',
    );
    const contents = binaries.map(({ resource }) => Buffer.from(resource.data as string, 'base64'));
    expect(binaries.map(({ resource }) => resource.contentType).sort()).toEqual(['text/html', 'text/plain']);
    expect(contents.map(String)).toContain('Seen today.');
    expect(contents.map(({ length }) => length).sort()).toEqual(
      [files.get('attachment-1.txt')!.length, files.get('attachment-2.bin')!.length].sort(),
    );
    for (const { fullUrl } of binaries) expect(text.split(`"url":"${fullUrl}"`)).toHaveLength(2);
    expect(text).not.toContain('/v1/attachments/');
  });

  it('names its own entries in references, and no address of the portal', () => {
    const { entry } = bundleIn(files, 'health-record.json');
    const urls = new Set(entry.map(({ fullUrl }) => fullUrl));
    const subjects = entry.map(({ resource }) => (resource.subject as { reference?: string } | undefined)?.reference);
    for (const reference of subjects.filter((one) => one !== undefined)) expect(urls).toContain(reference);
  });

  it('holds nothing that is held back, nothing of another chart, and nothing that was entered in error', () => {
    for (const [name, content] of files)
      for (const hidden of [HELD, 'Hemoglobin'])
        expect([name, content.toString('utf8').includes(hidden)]).toEqual([name, false]);
    expect(textIn(files, 'health-record.json')).toContain(SECRET);
  });

  it('is narrowed by days and types, in all formats', async () => {
    const asked = { from: '2025-01-01', to: '2025-06-30', types: ['Observation'], formats: ['fhir', 'ips', 'html'] };
    const part = await downloaded(pat, pat.patientId, asked);
    expect(part).toMatchObject({ status: 'ready', from: '2025-01-01', to: '2025-06-30', types: ['Observation'] });
    const own = await filesOf(pat, part);
    const { entry } = bundleIn(own, 'health-record.json');
    expect(entry.map(({ resource }) => resource.effectiveDateTime)).toEqual([
      '2025-06-05T08:00:00-05:00',
      '2025-03-01',
      '2025-01-05T08:00:00-05:00',
    ]);
    expect(textIn(own, 'health-record.html')).not.toContain('Asthma');
    expect(textIn(own, 'health-record.html')).toContain('Records from 2025-01-01 to 2025-06-30: Observation');
    // Allergies were not asked for: that none is in it says nothing of them.
    expect(textIn(own, 'patient-summary.json')).toContain('no-allergy-info');
    expect(textIn(own, 'patient-summary.json')).not.toContain('no-known');
  });

  it('refuses days that run backwards, and what is no type or format', async () => {
    const ask = (body: object) => pat.post(`/v1/patients/${pat.patientId}/downloads`, body);
    expect((await ask({ from: '2025-02-01', to: '2025-01-01' })).status).toBe(400);
    expect((await ask({ from: '2025-02-31' })).status).toBe(400);
    expect((await ask({ types: ['observation'] })).status).toBe(400);
    expect((await ask({ formats: ['docx'] })).status).toBe(400);
    expect((await ask({ formats: [] })).status).toBe(400);
  });
});

describe('a file', () => {
  it('is fetched in ranges of bytes, goes on where it broke off, and says when it is another one', async () => {
    const whole = files.get('health-record.html')!;
    const first = await fileOf(pat, all.id, 'health-record.html', { range: 'bytes=0-999' });
    expect([first.status, first.headers['content-range']]).toEqual([206, `bytes 0-999/${whole.length}`]);
    const rest = await fileOf(pat, all.id, 'health-record.html', {
      ...{ range: 'bytes=1000-', 'if-range': first.headers.etag! },
    });
    expect(Buffer.concat([first.bytes, rest.bytes]).equals(whole)).toBe(true);
    const other = await fileOf(pat, all.id, 'health-record.html', { range: 'bytes=1000-', 'if-range': '"other"' });
    expect([other.status, other.bytes.length]).toEqual([200, whole.length]);
    expect((await fileOf(pat, all.id, 'health-record.html', { range: `bytes=${whole.length}-` })).status).toBe(416);
    expect((await fileOf(pat, all.id, 'attachment-9.txt')).status).toBe(404);
    expect((await fileOf(pat, all.id, '..%2Fkeys.json')).status).toBe(400);
  });

  it('lies sealed: the database holds no word of it', async () => {
    const { rows } = await hospital.portal.owner.query<{ body: string }>('SELECT body FROM records.download_chunk');
    expect(rows.length).toBeGreaterThan(5);
    for (const { body } of rows)
      for (const words of ['Asthma', 'resourceType', '%PDF', '<html']) {
        expect(body).not.toContain(words);
        expect(Buffer.from(body, 'base64').toString('latin1')).not.toContain(words);
      }
  });

  it('is gone when its download is given up, and that there was one is kept', async () => {
    const made = await downloaded(pat, pat.patientId, { formats: ['fhir'] });
    expect((await pat.post(`/v1/downloads/${made.id}/end`).expect(200)).body).toMatchObject({
      status: 'ended',
      files: [],
    });
    expect(said(await pat.get(`/v1/downloads/${made.id}/files/health-record.json`))).toEqual([
      409,
      'records.download-over',
    ]);
    expect(said(await pat.post(`/v1/downloads/${made.id}/end`))).toEqual([409, 'records.download-over']);
    expect(await chunksOf(made.id)).toBe(0);
  });

  it('cannot be had before it is whole', async () => {
    const { body } = await pat.post(`/v1/patients/${pat.patientId}/downloads`, { formats: ['fhir'] }).expect(202);
    const { id } = body as { id: string };
    await hospital.portal.owner.query(`UPDATE records.download SET next_at = 'infinity' WHERE download_id = $1`, [id]);
    await prepared(hospital.portal);
    await hospital.portal.owner.query(
      `UPDATE records.download SET status = 'queued', finished_at = NULL, next_at = 'infinity' WHERE download_id = $1`,
      [id],
    );
    expect(said(await pat.get(`/v1/downloads/${id}/files/health-record.json`))).toEqual([
      409,
      'records.download-not-ready',
    ]);
    await pat.post(`/v1/downloads/${id}/end`).expect(200);
  });

  it('is deleted after its days, and with the account of whoever asked', async () => {
    const leaver = await makePatient(hospital.portal, hospital.admin);
    const theirs = await downloaded(leaver, leaver.patientId, { formats: ['fhir'] });
    expect(await chunksOf(theirs.id)).toBe(1);
    await hospital.admin.post(`/v1/users/${await leaver.accountId()}/disable`, { reason: 'left' });
    expect(await chunksOf(theirs.id)).toBe(0);
    expect(await chunksOf(all.id)).toBeGreaterThan(0);
    hospital.portal.clock.forward(7 * 86_400 + 1);
    await prepared(hospital.portal);
    const { rows } = await hospital.portal.owner.query(
      'SELECT 1 FROM records.download_chunk UNION ALL SELECT 1 FROM records.download_file',
    );
    expect(rows).toEqual([]);
    const { rows: kept } = await hospital.portal.owner.query<{ status: string }>(
      'SELECT DISTINCT status FROM records.download',
    );
    expect(kept).toEqual([{ status: 'expired' }]);
  });
});

async function chunksOf(id: string): Promise<number> {
  const { rows } = await hospital.portal.owner.query('SELECT 1 FROM records.download_chunk WHERE download_id = $1', [
    id,
  ]);
  return rows.length;
}
