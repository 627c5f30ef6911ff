import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BlobReader, configure, TextWriter, ZipReader, type FileEntry } from '@zip.js/zip.js';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { Delivery } from '../../src/platform/delivery/delivery.js';
import { bundleOf, entryOf, importBundle, patientText } from '../harness/feed.js';
import { downloaded, type Downloaded } from '../harness/downloads.js';
import { openHospital, pages, said, type Hospital } from '../harness/hospital.js';
import { checkLedger } from '../harness/ledger.js';
import { makePatient, signInAs, type Caller, type Patient } from '../harness/people.js';
import { about, CHART, makeProxyOf } from '../harness/reading.js';
import { seal } from '../harness/seals.js';

configure({ useWebWorkers: false });

let hospital: Hospital;
let pat: Patient;
let proxy: Caller & { id: string };
let made: Downloaded;

const TO = 'doctor@elsewhere.test';

interface Sent {
  id: string;
  passphrase: string;
  bytes: number;
  sha256: string;
  files: string[];
}

const send = (caller: Caller, body: object = { to: TO }, id = made.id) =>
  caller.post(`/v1/downloads/${id}/transmissions`, body);

/** The ZIP in the last mail to an address. */
async function mailed(to = TO): Promise<{ zip: Buffer; said: string }> {
  await hospital.portal.delivered();
  const mail = hospital.portal.mails.findLast((one) => one.to === to)!;
  const [attachment] = mail.attachments!;
  expect(attachment).toMatchObject({
    filename: 'health-record.zip',
    contentType: 'application/zip',
    encoding: 'base64',
  });
  return { zip: Buffer.from(attachment!.content, 'base64'), said: `${mail.subject}\n${mail.text}` };
}

async function opened(zip: Buffer, password: string): Promise<Map<string, string>> {
  const reader = new ZipReader(new BlobReader(new Blob([new Uint8Array(zip)])), { password });
  const found = new Map<string, string>();
  for (const entry of (await reader.getEntries()) as FileEntry[]) {
    expect([entry.filename, entry.encrypted]).toEqual([entry.filename, true]);
    found.set(entry.filename, await entry.getData(new TextWriter()));
  }
  return found;
}

beforeAll(async () => {
  hospital = await openHospital({ TRANSMIT_LIMIT_MB: '1', ACCESS_TOKEN_MINUTES: '60' });
  const { portal, admin, feed, staff, clinician } = hospital;
  pat = await makePatient(portal, admin, { mrn: 'MRN-PAT' });
  await staff.post(`/v1/patients/${pat.patientId}/care-team`, { practitionerId: clinician.practitionerId }).expect(201);
  await importBundle(feed, bundleOf('batch', entryOf(patientText('pat', 'MRN-PAT')), ...CHART));
  proxy = await makeProxyOf(hospital, pat.patientId);
  made = await downloaded(pat, pat.patientId);
}, 60_000);

afterAll(async () => {
  await checkLedger(hospital.portal);
  await hospital.portal.close();
});

describe('a transmission', () => {
  it('mails the copy to any address as a ZIP that its passphrase opens, and no other', async () => {
    const { body } = await send(pat).expect(201);
    const sent = body as Sent;
    expect(sent).toMatchObject({ to: TO, downloadId: made.id, files: made.files.map(({ name }) => name) });
    expect(sent.passphrase).toMatch(/^(?:[0-9A-Z]{4}-){5}[0-9A-Z]{4}$/);
    const { zip } = await mailed();
    expect([zip.length, createHash('sha256').update(zip).digest('hex')]).toEqual([sent.bytes, sent.sha256]);
    const files = await opened(zip, sent.passphrase);
    expect([...files.keys()]).toEqual(sent.files);
    expect(files.get('health-record.json')).toContain('"value":4.10');
    for (const wrong of ['', 'a wrong passphrase', sent.passphrase.toLowerCase(), sent.passphrase.slice(0, -1)])
      await expect(opened(zip, wrong)).rejects.toThrow();
    for (const words of ['Asthma', 'resourceType', 'Potassium']) expect(zip.includes(words)).toBe(false);
  });

  it('is of the strength that it says: AES-256 in the format of common programs', async () => {
    const { body } = await send(pat, { to: TO, files: ['health-record.html'] }).expect(201);
    const { zip } = await mailed();
    // Extra field 0x9901 (AE-x): seven bytes, version 2, "AE", strength 3 (256 bit), then the method.
    const at = zip.indexOf(Buffer.from([0x01, 0x99, 0x07, 0x00]));
    expect(at).toBeGreaterThan(0);
    expect([zip.readUInt16LE(at + 4), zip.toString('latin1', at + 6, at + 8), zip[at + 8]]).toEqual([2, 'AE', 3]);
    expect((body as Sent).files).toEqual(['health-record.html']);
    const file = join(mkdtempSync(join(tmpdir(), 'portico-zip-')), 'sent.zip');
    writeFileSync(file, zip);
    const listed = execFileSync('python3', [
      '-c',
      'import sys, zipfile; print(zipfile.ZipFile(sys.argv[1]).namelist())',
      file,
    ]);
    expect(listed.toString()).toContain('health-record.html');
  });

  it('keeps its passphrase nowhere: not in the mail, the database, the trail or the log; nor the address in clear', async () => {
    const { body } = await send(pat, { to: 'kept-nowhere@elsewhere.test' }).expect(201);
    const { passphrase } = body as Sent;
    const { said: words } = await mailed('kept-nowhere@elsewhere.test');
    expect(words).not.toContain(passphrase);
    for (const told of ['Feed', 'Asthma', 'MRN']) expect(words).not.toContain(told);
    const { owner, log } = hospital.portal;
    const { rows } = await owner.query<{ name: string }>(
      `SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_tables WHERE schemaname IN ('platform', 'users', 'auth', 'records', 'audit')`,
    );
    for (const { name } of rows) {
      const { rows: held } = await owner.query<{ x: string }>(`SELECT t::text AS x FROM ${name} t`);
      for (const { x } of held)
        for (const secret of [passphrase, 'kept-nowhere']) expect([name, x.includes(secret)]).toEqual([name, false]);
    }
    for (const secret of [passphrase, 'kept-nowhere']) expect(JSON.stringify(log)).not.toContain(secret);
  });

  it('needs a recent proof of who it is, and an address that is one', async () => {
    expect((await send(pat, { to: 'nobody' })).status).toBe(400);
    expect((await send(pat, { to: 'a@b.test\r\nBcc: c@d.test' })).status).toBe(400);
    expect(said(await send(pat, { to: TO, files: ['keys.json'] }))).toEqual([422, 'records.no-such-file']);
    hospital.portal.clock.forward(301);
    expect(said(await send(pat))).toEqual([403, 'auth.step-up-required']);
    pat.tokens.accessToken = (await signInAs(hospital.portal, pat.credentials)).tokens.accessToken;
    await send(pat).expect(201);
  });

  it('says clearly what is too large to be mailed, and sends nothing then', async () => {
    const noise = Array.from({ length: 24_000 }, (_, n) => createHash('sha256').update(String(n)).digest());
    const scan = Buffer.concat([Buffer.from('%PDF-1.7\n'), ...noise]).toString('base64');
    const attachment = `"status":"current","type":{"text":"Scan"},"content":[{"attachment":{"contentType":"application/pdf","data":"${scan}"}}]`;
    await importBundle(hospital.feed, bundleOf('batch', about('DocumentReference', 'scan', attachment)));
    const large = await downloaded(pat, pat.patientId, { formats: ['fhir'] });
    const before = hospital.portal.mails.length;
    const refused = await send(pat, { to: TO }, large.id);
    expect(said(refused)).toEqual([422, 'records.transmission-too-large']);
    expect((refused.body as { detail: string }).detail).toMatch(
      /^These files have \d{7} bytes, and a mail takes 1048576\. Send fewer files/,
    );
    await hospital.portal.delivered();
    expect(hospital.portal.mails).toHaveLength(before);
  });

  it('is listed with its address for the patient; for who acts for them what they sent themselves', async () => {
    const theirs = await downloaded(proxy, pat.patientId, { formats: ['html'] });
    proxy.tokens.accessToken = (await signInAs(hospital.portal, proxy.credentials)).tokens.accessToken;
    await send(proxy, { to: 'aunt@home.test' }, theirs.id).expect(201);
    const path = `/v1/patients/${pat.patientId}/transmissions`;
    const own = (await pages(pat, path, 2)).flat();
    expect(own[0]).toMatchObject({ to: 'aunt@home.test', accountId: proxy.id });
    expect(own[0]!.files).toEqual(['health-record.html', 'attachment-1.pdf']);
    expect(own.map((one) => Object.hasOwn(one, 'passphrase'))).not.toContain(true);
    expect(own.length).toBeGreaterThan(3);
    expect((await pages(proxy, path, 50)).flat().map(({ to }) => to)).toEqual(['aunt@home.test']);
    expect((await hospital.anna.get(path)).status).toBe(404);
    expect((await hospital.clinician.get(path)).status).toBe(403);
  });

  it('says when its mail was given up, and what to do then; and when the mail server has it', async () => {
    const { portal } = hospital;
    const path = `/v1/patients/${pat.patientId}/transmissions`;
    const states = async (id: string): Promise<unknown[]> => {
      const { body } = await pat.get(path).expect(200);
      const { items } = body as { items: { id: string; status: string; advice: string | null }[] };
      const { status, advice } = items.find((one) => one.id === id)!;
      return [status, advice];
    };
    await portal.delivered();
    const delivery = portal.app.get(Delivery);
    const away = jest.spyOn(delivery, 'mail').mockRejectedValue(new Error('550 no such mailbox'));
    const mailsBefore = portal.mails.length;
    let failing: Sent;
    try {
      const { body } = await send(pat, { to: 'wrong@elsewhere.test', files: ['health-record.html'] }).expect(201);
      failing = body as Sent;
      expect(body).toMatchObject({ status: 'waiting', advice: null });
      // Tried again for hours: until then it may still arrive.
      for (let tries = 0; tries < 9; tries++) {
        await portal.delivered();
        expect(await states(failing.id)).toEqual(['waiting', null]);
        await portal.owner.query(
          "UPDATE platform.outbox SET next_at = now() - interval '1 hour' WHERE outbox_id = $1",
          [failing.id],
        );
      }
      await portal.delivered();
      expect(away).toHaveBeenCalledTimes(10);
    } finally {
      away.mockRestore();
    }
    expect(await states(failing.id)).toEqual(['failed', expect.stringContaining('Nobody has got this copy')]);
    const over = (await send(pat, { to: TO, files: ['health-record.html'] }).expect(201)).body as Sent;
    await portal.delivered();
    expect(await states(over.id)).toEqual(['handed-over', null]);
    expect(portal.mails).toHaveLength(mailsBefore + 1);
    // Given up is given up: it does not arrive after somebody was told that it would not.
    portal.clock.forward(60);
    await portal.delivered();
    expect(portal.mails).toHaveLength(mailsBefore + 1);
    expect(await states(failing.id)).toEqual(['failed', expect.stringContaining('send it again')]);
  });

  it('is refused after twenty a day', async () => {
    const { rows } = await hospital.portal.owner.query<{ n: number }>(
      'SELECT count(*)::int AS n FROM records.transmission WHERE account_id = $1',
      [await pat.accountId()],
    );
    for (let n = rows[0]!.n; n < 20; n++) await send(pat, { to: TO, files: ['health-record.html'] }).expect(201);
    const refused = await send(pat, { to: TO, files: ['health-record.html'] });
    expect(said(refused)).toEqual([429, 'records.too-many-transmissions']);
    expect(refused.headers['retry-after']).toBe('3600');
  });
});

describe('the activity of a chart', () => {
  interface Activity {
    seq: number;
    kind: string;
    action: string;
    who: { id: string; name: string | null };
    roles: string[];
    what: string[];
    thingId: string | null;
  }
  const path = (): string => `/v1/patients/${pat.patientId}/activity`;
  const told = async (caller: Caller, query = '', limit = 200): Promise<Activity[]> =>
    (await pages(caller, `${path()}${query}`, limit)).flat() as unknown as Activity[];

  it('tells the patient who viewed, downloaded and sent what, and is viewing itself', async () => {
    const { clinician } = hospital;
    await clinician.get(`/v1/patients/${pat.patientId}/summary`).expect(200);
    await pat.get(`/v1/downloads/${made.id}/files/health-record.html`).expect(200);
    await seal(hospital.portal);
    const all = await told(pat);
    expect(all.find(({ action }) => action === 'Summary.read')).toMatchObject({
      ...{
        kind: 'view',
        who: { id: clinician.id, name: 'Cleo Clinician', kind: 'person' },
        roles: ['clinician'],
        purpose: 'TREAT',
      },
      what: expect.arrayContaining(['Observation', 'laboratory']),
    });
    expect(all.find(({ kind }) => kind === 'download')).toMatchObject({
      action: 'ChartDownload.download',
      thingId: made.id,
    });
    expect(all.filter(({ kind }) => kind === 'download')).toHaveLength(1);
    const sent = (await pages(pat, `/v1/patients/${pat.patientId}/transmissions`, 200)).flat();
    expect((await told(pat, '?kind=transmit')).map(({ thingId }) => thingId).sort()).toEqual(
      sent.map(({ id }) => id).sort(),
    );
    await seal(hospital.portal);
    expect((await told(pat))[0]).toMatchObject({ action: 'ChartActivity.list', kind: 'view' });
  });

  it('comes page by page, nothing twice and nothing lost', async () => {
    const whole = (await told(pat, '?kind=transmit')).map(({ seq }) => seq);
    expect((await told(pat, '?kind=transmit', 3)).map(({ seq }) => seq)).toEqual(whole);
    expect(whole).toEqual([...whole].sort((a, b) => b - a));
  });

  it('tells who acts for the patient the same, but not what it was about; and nobody else anything', async () => {
    await seal(hospital.portal);
    const theirs = await told(proxy);
    expect(theirs.map(({ kind }) => kind)).toEqual(expect.arrayContaining(['view', 'download', 'transmit']));
    expect(theirs.flatMap(({ what }) => what)).toEqual([]);
    expect((await hospital.anna.get(path())).status).toBe(404);
    for (const caller of [hospital.clinician, hospital.complianceOfficer, hospital.admin])
      expect((await caller.get(path())).status).toBe(403);
  });

  it('leaves each use in the trail with its type of action', async () => {
    const { rows } = await hospital.portal.owner.query<{ action: string; act: string }>(
      `SELECT DISTINCT action, leaf::jsonb #>> '{e,act}' AS act FROM audit.entry WHERE subject = $1 AND outcome = 0
          AND split_part(action, '.', 1) IN ('ChartDownload', 'Transmission', 'ChartActivity') ORDER BY 1, 2`,
      [pat.patientId],
    );
    expect(rows.map(({ action, act }) => `${action} ${act}`)).toEqual([
      ...['ChartActivity.list E', 'ChartDownload.create C', 'ChartDownload.create R', 'ChartDownload.download R'],
      ...['ChartDownload.read R', 'Transmission.create C', 'Transmission.list E'],
    ]);
  });
});
