import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { attachment, documentText, fetchBytes, listOf, pdf, sha1, type Listed } from '../harness/attachments.js';
import {
  bundleOf,
  entryOf,
  importBundle,
  importLines,
  issuesOf,
  patientText,
  type ImportResult,
} from '../harness/feed.js';
import { bytes as answered, NOBODY, openHospital, said, type Hospital } from '../harness/hospital.js';
import { checkLedger } from '../harness/ledger.js';
import { makePatient, type Patient } from '../harness/people.js';
import { flat, parse } from '../harness/written-json.js';

let hospital: Hospital;
let pat: Patient;

beforeAll(async () => {
  hospital = await openHospital({ ATTACHMENT_LIMIT_MB: '6' });
  pat = await makePatient(hospital.portal, hospital.admin, { mrn: 'MRN-PAT' });
  await hospital.staff
    .post(`/v1/patients/${pat.patientId}/care-team`, { practitionerId: hospital.clinician.practitionerId })
    .expect(201);
  await bringIn(entryOf(patientText('pat', 'MRN-PAT')));
});

afterAll(async () => {
  await checkLedger(hospital.portal);
  await hospital.portal.close();
});

async function bringIn(...entries: string[]): Promise<ImportResult> {
  const result = await importBundle(hospital.feed, bundleOf('batch', ...entries));
  expect(result).toMatchObject({ rejected: 0, quarantined: 0 });
  return result;
}

async function idOf(sourceId: string): Promise<string> {
  const { rows } = await hospital.portal.owner.query<{ id: string }>(
    'SELECT record_id AS id FROM records.record WHERE source_id = $1',
    [sourceId],
  );
  return rows[0]!.id;
}

const document = (id: string, attachments: string[], more = ''): string =>
  documentText(id, 'Patient/pat', attachments, more);

/** Brings a document in and answers what the list says of its attachments. */
async function listed(id: string, attachments: string[]): Promise<Listed[]> {
  await bringIn(entryOf(document(id, attachments)));
  return listOf(pat, await idOf(id));
}

const codes = async ({ id }: ImportResult): Promise<string[]> =>
  (await issuesOf(hospital.feed, id)).map(({ code, path }) => `${code} ${path}`);

/** The record as it was sent, but for the names of records. */
async function expectOriginal(sourceId: string, sent: string): Promise<void> {
  const { text } = await pat.get(`/v1/records/${await idOf(sourceId)}/original`).expect(200);
  expect(text.replace(/"reference":"[^"]*"/g, '')).toBe(sent.replace(/"reference":"[^"]*"/g, ''));
}

describe('an attachment of a record', () => {
  const letter = pdf(700_000);
  const sent = document('letter', [
    attachment({
      ...{ bytes: letter, contentType: 'application/pdf', title: 'Arztbrief Müller' },
      more: `,"size":${letter.length},"hash":"${sha1(letter)}","language":"de"`,
    }),
    attachment({ text: 'Hello', contentType: 'text/plain; charset=utf-8' }),
  ]);
  let items: Listed[];

  beforeAll(async () => {
    expect(await codes(await bringIn(entryOf(sent)))).toEqual([]);
    items = await listOf(pat, await idOf('letter'));
  });

  it('is listed with title, type, size and digest, and where it is', () => {
    expect(items).toMatchObject([
      {
        ...{ state: 'stored', title: 'Arztbrief Müller', type: 'application/pdf', contentType: 'application/pdf' },
        ...{ size: letter.length, language: 'de', findings: [], url: `/v1/attachments/${items[0]!.id}`, address: null },
        sha256: createHash('sha256').update(letter).digest('hex'),
      },
      { state: 'stored', title: null, type: 'text/plain', contentType: 'text/plain; charset=utf-8', size: 5 },
    ]);
  });

  it('stands in the resource by its address, and every byte comes back with the original', async () => {
    const { body, text } = await pat.get(`/v1/records/${await idOf('letter')}`).expect(200);
    expect(body).toMatchObject({
      resource: {
        content: [
          { attachment: { contentType: 'application/pdf', url: items[0]!.url, title: 'Arztbrief Müller' } },
          { attachment: { url: items[1]!.url } },
        ],
      },
    });
    expect(text).not.toContain('"data"');
    expect(text.length).toBeLessThan(5_000);
    await expectOriginal('letter', sent);
  });

  it('is fetched byte for byte, under headers that let nothing of it run', async () => {
    const answer = await fetchBytes(pat, items[0]!.url!).expect(200);
    expect((answer.body as Buffer).equals(letter)).toBe(true);
    expect(answer.headers).toMatchObject({
      'content-type': 'application/pdf',
      'content-length': String(letter.length),
      'content-disposition': `attachment; filename="Arztbrief M_ller.pdf"; filename*=UTF-8''Arztbrief%20M%C3%BCller.pdf`,
      'x-content-type-options': 'nosniff',
      'cache-control': 'no-store',
      'accept-ranges': 'bytes',
      'content-security-policy': "sandbox; default-src 'none'; frame-ancestors 'none'",
      etag: `"${createHash('sha256').update(letter).digest('hex')}"`,
    });
    const head = await hospital.portal.http
      .head(items[0]!.url!)
      .set('Authorization', `Bearer ${pat.tokens.accessToken}`)
      .expect(200);
    expect(head.headers).toMatchObject({ 'content-length': String(letter.length) });
    await pat.get(items[0]!.url!).set('If-None-Match', answer.headers.etag!).expect(304);
  });

  it('gives the range that is asked for, as a buffer would', async () => {
    const url = items[0]!.url!;
    const place = fc.oneof(
      fc.integer({ min: 0, max: letter.length + 10 }),
      fc.constantFrom(0, 262_143, 262_144, letter.length - 1),
    );
    await fc.assert(
      fc.asyncProperty(place, fc.option(place), async (start, end) => {
        const answer = await fetchBytes(pat, url, { Range: `bytes=${start}-${end ?? ''}` });
        if (end !== null && end < start) return expect(answer.status).toBe(200);
        if (start >= letter.length)
          return expect([answer.status, answer.headers['content-range']]).toEqual([416, `bytes */${letter.length}`]);
        const last = Math.min(end ?? letter.length - 1, letter.length - 1);
        expect([answer.status, answer.headers['content-range']]).toEqual([
          206,
          `bytes ${start}-${last}/${letter.length}`,
        ]);
        expect((answer.body as Buffer).equals(letter.subarray(start, last + 1))).toBe(true);
      }),
      { seed: 20261122, numRuns: 25 },
    );
    const suffix = await fetchBytes(pat, url, { Range: 'bytes=-5' }).expect(206);
    expect(suffix.body).toEqual(letter.subarray(-5));
    const other = await fetchBytes(pat, url, { Range: 'bytes=0-1', 'If-Range': '"another"' }).expect(200);
    expect((other.body as Buffer).length).toBe(letter.length);
  });

  it('lies nowhere in clear: neither content nor title nor type', async () => {
    const { rows } = await hospital.portal.owner.query<{ dump: string }>(
      'SELECT (SELECT string_agg(a::text, $1) FROM records.attachment a) || (SELECT string_agg(c::text, $1) FROM records.attachment_chunk c) AS dump',
      ['\n'],
    );
    const words = ['Arztbrief', 'application', 'attachment', Buffer.from('Hello').toString('base64').slice(0, 6)];
    for (const word of [...words, letter.toString('base64', 300, 330)])
      expect([word, rows[0]!.dump.includes(word)]).toEqual([word, false]);
  });

  it('is an event each time, of the patient whose it is', async () => {
    const before = await hospital.portal.owner.query('SELECT now() AS at');
    await fetchBytes(pat, items[1]!.url!).expect(200);
    await listOf(pat, await idOf('letter'));
    const { rows } = await hospital.portal.owner.query<{
      action: string;
      subject: string;
      things: { t: string; i: string }[];
    }>(
      `SELECT action, subject, things FROM (
         SELECT action, subject, event::jsonb -> 'res' AS things, occurred FROM audit.inbox
         UNION ALL SELECT action, subject, leaf::jsonb #> '{e,res}', occurred FROM audit.entry) e
        WHERE occurred >= $1 AND action LIKE 'Attachment.%'`,
      [(before.rows[0] as { at: Date }).at],
    );
    expect(rows.map(({ action }) => action).sort()).toEqual([
      'Attachment.download',
      'Attachment.download',
      'Attachment.list',
    ]);
    for (const { subject, things } of rows) {
      expect(subject).toBe(pat.patientId);
      expect(things.map(({ t }) => t)).toContain('Attachment');
    }
  });

  it('is a new one with each version of its record, and the old one stays with the old version', async () => {
    const second = document('letter', [attachment({ text: 'Hello again' })]);
    await bringIn(entryOf(second));
    const [now, ...more] = await listOf(pat, await idOf('letter'));
    expect(more).toEqual([]);
    expect((await fetchBytes(pat, now!.url!).expect(200)).body).toEqual(Buffer.from('Hello again'));
    const { body } = await pat.get(`/v1/records/${await idOf('letter')}/history/1`).expect(200);
    expect(body).toMatchObject({ resource: { content: [{ attachment: { url: items[0]!.url } }, {}] } });
    expect(((await fetchBytes(pat, items[0]!.url!).expect(200)).body as Buffer).equals(letter)).toBe(true);
    // Sent once more it is nothing new.
    expect(await bringIn(entryOf(second))).toMatchObject({ unchanged: 1 });
    expect((await listOf(pat, await idOf('letter')))[0]!.id).toBe(now!.id);
  });
});

describe('how it was written', () => {
  it.each([
    ['wrapped', 'QUJD\\r\\nREVG\\r\\n'],
    ['with escapes', '\\u0051UJD\\/\\/\\/\\/'],
    ['with spaces', ' QUJD REVG '],
    ['with bits that mean nothing', 'QUJDRF=='],
  ])('%s, comes back as it was', async (kind, data) => {
    const id = `written-${kind.replaceAll(' ', '-')}`;
    const [item] = await listed(id, [attachment({ data })]);
    const bytes = Buffer.from(JSON.parse(`"${data}"`) as string, 'base64');
    if (item!.state === 'stored') expect((await fetchBytes(pat, item!.url!).expect(200)).body).toEqual(bytes);
    await expectOriginal(id, document(id, [attachment({ data })]));
  });

  it('beside an address of its own, keeps that', async () => {
    const more = ',"url":"https://elsewhere.test/x?a=b"';
    const [item] = await listed('both', [attachment({ text: 'Both', more })]);
    expect(item).toMatchObject({ state: 'stored', address: 'https://elsewhere.test/x?a=b' });
    const { body } = await pat.get(`/v1/records/${await idOf('both')}`).expect(200);
    expect(body).toMatchObject({
      resource: {
        content: [
          {
            attachment: {
              url: 'https://elsewhere.test/x?a=b',
              _data: { extension: [{ url: 'urn:portico:attachment', valueUrl: item!.url }] },
            },
          },
        ],
      },
    });
    await expectOriginal('both', document('both', [attachment({ text: 'Both', more })]));
  });

  it('in a file of lines, larger than a line may be, is taken in by and by', async () => {
    const large = pdf(5 * 1024 * 1024, 9);
    const lines = ['one', 'two'].map((id) =>
      document(`large-${id}`, [
        attachment({ bytes: large, contentType: 'application/pdf', more: ',"size":5242880' }),
        attachment({ text: id }),
      ]),
    );
    const result = await importLines(hospital.feed, ...lines);
    expect(result).toMatchObject({ status: 'completed', created: 2, entries: 2 });
    for (const [at, id] of ['large-one', 'large-two'].entries()) {
      const [item, small] = await listOf(pat, await idOf(id));
      expect(item).toMatchObject({ state: 'stored', size: large.length, findings: [] });
      expect(((await fetchBytes(pat, item!.url!)).body as Buffer).equals(large)).toBe(true);
      expect(small).toMatchObject({ state: 'stored', size: 3 });
      await expectOriginal(id, lines[at]!);
    }
    expect(await importLines(hospital.feed, ...lines)).toMatchObject({ unchanged: 2 });
  });
});

describe('what is wrong with it', () => {
  const cases: [string, string, { state: string; findings: { code: string }[] }][] = [
    [
      'a program',
      attachment({ bytes: Buffer.concat([Buffer.from('MZ'), Buffer.alloc(300, 3)]), contentType: 'application/pdf' }),
      { state: 'refused', findings: [{ code: 'attachment-type-refused' }] },
    ],
    [
      'not what its hash is of',
      attachment({ text: 'abc', more: `,"hash":"${sha1(Buffer.from('abd'))}"` }),
      { state: 'refused', findings: [{ code: 'attachment-hash' }] },
    ],
    [
      'of another size',
      attachment({ text: 'abc', more: ',"size":7' }),
      { state: 'stored', findings: [{ code: 'attachment-size' }] },
    ],
    [
      'called what it is not',
      attachment({ text: '<html><script>alert(1)</script></html>' }),
      { state: 'stored', findings: [{ code: 'attachment-type-differs' }] },
    ],
    [
      'too large',
      attachment({ bytes: pdf(7 * 1024 * 1024), contentType: 'application/pdf' }),
      { state: 'refused', findings: [{ code: 'attachment-too-large' }] },
    ],
  ];

  it.each(cases)('%s: is told, and the record is there all the same', async (kind, one, expected) => {
    const id = kind.replaceAll(' ', '-');
    const result = await bringIn(entryOf(document(id, [one])));
    expect(await codes(result)).toEqual(expected.findings.map(({ code }) => `${code} Attachment[0]`));
    const [item] = await listOf(pat, await idOf(id));
    expect(item).toMatchObject(expected);
    const answer = await fetchBytes(pat, `/v1/attachments/${item!.id}`);
    expect(answer.status).toBe(expected.state === 'refused' ? 409 : 200);
    const original = await pat.get(`/v1/records/${await idOf(id)}/original`);
    // What was not kept cannot be given back; of everything else there is every byte.
    if (kind === 'too large') expect(said(original)).toEqual([409, 'records.attachment-not-kept']);
    else await expectOriginal(id, document(id, [one]));
  });

  it('a page and a document of XML never leave under their own type', async () => {
    const page = '<!DOCTYPE html><script>alert(document.domain)</script>';
    const cda = '<?xml version="1.0"?><?xml-stylesheet href="x"?><ClinicalDocument xmlns="urn:hl7-org:v3"/>';
    const items = await listed('active', [
      attachment({ text: page, contentType: 'text/html', title: 'page' }),
      attachment({ text: cda, contentType: 'application/hl7-v3+xml' }),
      attachment({ text: '{\\rtf1 x}', contentType: 'application/rtf' }),
    ]);
    expect(items.map(({ type }) => type)).toEqual(['text/html', 'application/xml', 'application/rtf']);
    for (const { url, type } of items) {
      const { headers } = await fetchBytes(pat, url!).expect(200);
      expect(headers['content-type']).toBe(type === 'application/rtf' ? type : 'application/octet-stream');
      expect(headers['content-disposition']).toMatch(/^attachment;/);
      expect(headers['content-security-policy']).toMatch(/^sandbox;/);
    }
  });

  it('kept elsewhere is marked as such, and nothing is fetched', async () => {
    const address = 'http://169.254.169.254/latest/meta-data';
    const [item] = await listed('elsewhere', [`{"contentType":"image/jpeg","url":"${address}"}`]);
    expect(item).toMatchObject({ state: 'elsewhere', url: null, address, size: null });
    expect(said(await pat.get(`/v1/attachments/${item!.id}`))).toEqual([409, 'records.attachment-elsewhere']);
    expect((await pat.get(`/v1/records/${await idOf('elsewhere')}`)).text).toContain(address);
  });

  it('has no address that a client could follow to anything but the web', async () => {
    for (const url of ['javascript:alert(1)', 'JavaScript://x/%0aalert(1)', 'data:text/html,x', '/v1/sessions']) {
      const [item] = await listed(`nowhere-${url.length}`, [`{"contentType":"text/plain","url":"${url}"}`]);
      expect(item).toMatchObject({ state: 'elsewhere', url: null, address: null });
    }
  });
});

describe('nobody', () => {
  it('tells an attachment of another patient from one that is not there', async () => {
    const [item] = await listed('mine', [attachment({ text: 'Mine' })]);
    for (const path of [
      `attachments/${item!.id}`,
      `records/${await idOf('mine')}/attachments`,
      `records/${await idOf('mine')}/original`,
    ]) {
      const nothing = path.replace(/[0-9a-f-]{36}/, NOBODY);
      for (const caller of [hospital.anna, hospital.bela])
        expect(await answered(caller, 'get', `/v1/${path}`)).toBe(await answered(caller, 'get', `/v1/${nothing}`));
      for (const caller of [hospital.staff, hospital.admin, hospital.recordsOfficer, hospital.feed])
        await caller.get(`/v1/${path}`).expect(403);
    }
  });
});

describe('every resource', () => {
  it('has the same values as it was sent with, but for contents that are fetched by themselves', async () => {
    const sent = document(
      'values',
      [attachment({ text: 'x', more: ',"size":1' })],
      ',"extension":[{"url":"http://a.test","valueDecimal":1.500}]',
    );
    await bringIn(entryOf(sent));
    const { text } = await pat.get(`/v1/records/${await idOf('values')}/original`).expect(200);
    expect(flat(parse(text))).toEqual(flat(parse(sent)));
  });
});
