import { createHash, randomUUID } from 'node:crypto';
import { request, type IncomingMessage } from 'node:http';
import { once } from 'node:events';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { again, binary, exported, fetched, leavesOf, settle, unzipped, type ExportAnswer } from '../harness/exports.js';
import { fillLog } from '../harness/filled-log.js';
import { NOBODY, openHospital, said, type Hospital } from '../harness/hospital.js';
import { checkLedger } from '../harness/ledger.js';
import type { Caller } from '../harness/people.js';

let hospital: Hospital;
let officer: Caller;
/** Of most events of a long log. */
let long: ExportAnswer;

beforeAll(async () => {
  hospital = await openHospital({ ACCESS_TOKEN_MINUTES: '60' });
  // Some parts of a thousand lines each, the last of them not full.
  await fillLog(hospital.portal.owner, 2_000);
  await settle(hospital.portal);
  officer = await again(hospital.complianceOfficer);
  const filter = { outcome: 'success' };
  long = await exported(officer, { filter, formats: ['csv', 'fhir'], disclosures: true });
}, 120_000);

beforeEach(async () => {
  officer = await again(hospital.complianceOfficer);
});

afterAll(async () => {
  await checkLedger(hospital.portal);
  await hospital.portal.close();
});

const path = (name: string): string => `/v1/audit/exports/${long.id}/${name}`;
const LINES = ['events.ndjson', 'events.csv', 'events.fhir.ndjson', 'proofs.ndjson', 'disclosures.ndjson'];

/** Events of one request, in their order: code, status, bytes. */
async function told(requestId: string): Promise<{ sub: string; st: number; bytes?: number; err?: string }[]> {
  await settle(hospital.portal);
  const { rows } = await hospital.portal.owner.query<{ leaf: string }>(
    'SELECT leaf FROM audit.entry WHERE request_id = $1 ORDER BY idx',
    [requestId],
  );
  return leavesOf(rows.map(({ leaf }) => leaf)).map(({ e }) => ({
    sub: e.sub,
    st: e.http!.st,
    ...(e.http!.bytes === undefined ? {} : { bytes: e.http!.bytes }),
    ...(e.err === undefined ? {} : { err: e.err }),
  }));
}

/** Some bytes of a file. */
async function ranged(name: string, range: string, headers: Record<string, string> = {}) {
  const answer = await officer
    .get(path(name))
    .set({ 'Accept-Encoding': 'identity', Range: range, ...headers })
    .buffer(true)
    .parse(binary as never);
  return { status: answer.status, headers: answer.headers as Record<string, string>, bytes: answer.body as Buffer };
}

/** Begins a download and goes away after the first bytes; resolves with them, once the server has noticed. */
async function brokenOff(name: string, requestId: string): Promise<Buffer> {
  const { port } = new URL(hospital.portal.url);
  const { owner } = hospital.portal;
  const message = request({
    ...{ host: '127.0.0.1', port, path: path(name) },
    headers: { authorization: `Bearer ${officer.tokens.accessToken}`, 'x-request-id': requestId },
  }).end();
  const answer = await new Promise<IncomingMessage>((come, failed) =>
    message.once('response', come).once('error', failed),
  );
  const [first] = (await once(answer, 'data')) as [Buffer];
  answer.pause();
  // What is still to be read waits until the client is gone, so that not all of it is in the connection already.
  await owner.query('BEGIN');
  await owner.query('LOCK TABLE audit.entry IN ACCESS EXCLUSIVE MODE');
  answer.once('error', () => undefined);
  message.destroy();
  const events = "SELECT 1 FROM audit.inbox WHERE request_id = $1 AND event::jsonb #> '{http,bytes}' IS NOT NULL";
  for (let tries = 0; (await owner.query(events, [requestId])).rowCount === 0; tries++)
    expect(tries).toBeLessThan(20_000);
  await owner.query('ROLLBACK');
  return first;
}

describe('a download', () => {
  it('gives the same bytes each time, alone or in the bundle, packed or not', async () => {
    const [first, second] = [await fetched(officer, path('bundle')), await fetched(officer, path('bundle'))];
    expect(first.equals(second)).toBe(true);
    for (const [name, bytes] of await unzipped(first)) {
      expect([name, (await fetched(officer, path(name))).equals(bytes)]).toEqual([name, true]);
      if (!LINES.includes(name)) continue;
      const packed = await fetched(officer, path(name), { 'Accept-Encoding': 'br;q=1, gzip;q=0.5' });
      // Supertest unpacks by itself where it may.
      const plain = packed.equals(bytes) ? packed : gunzipSync(packed);
      expect([name, plain.equals(bytes)]).toEqual([name, true]);
    }
    const answer = await officer.get(path('events.csv')).set('Accept-Encoding', 'gzip').buffer(false);
    expect([answer.headers['content-encoding'], answer.headers.vary]).toEqual(['gzip', 'Accept-Encoding']);
    const plain = await officer.get(path('events.csv')).set('Accept-Encoding', 'gzip;q=0, br');
    expect(plain.headers['content-encoding']).toBeUndefined();
  });

  it.each([...LINES, 'bundle'])('of %s goes on with any byte, and comes to the same file', async (name) => {
    const whole = await fetched(officer, path(name));
    const { headers } = await ranged(name, 'bytes=0-0');
    const etag = headers.etag!;
    expect([headers['accept-ranges'], headers['content-range']]).toEqual(['bytes', `bytes 0-0/${whole.length}`]);
    expect(etag).toBe(`"${createHash('sha256').update(whole).digest('hex')}"`);
    const arrived = whole.subarray(0, 20_000);
    const rest = await ranged(name, `bytes=${arrived.length}-`, { 'If-Range': etag });
    expect(rest.status).toBe(206);
    expect(Buffer.concat([arrived, rest.bytes]).equals(whole)).toBe(true);
    const cuts = [1, 70_001, Math.floor(whole.length / 2), whole.length - 1].filter((at) => at < whole.length);
    for (const at of cuts) {
      const [tail, middle] = [await ranged(name, `bytes=${at}-`), await ranged(name, `bytes=${at}-${at + 5_000}`)];
      expect([name, at, tail.status, tail.bytes.equals(whole.subarray(at))]).toEqual([name, at, 206, true]);
      expect([name, at, middle.bytes.equals(whole.subarray(at, at + 5_001))]).toEqual([name, at, true]);
    }
    expect((await ranged(name, 'bytes=-77')).bytes.equals(whole.subarray(-77))).toBe(true);
  });

  it('gives all of it for a range of another representation, for several, and for what is none; and none beyond its end', async () => {
    const name = 'events.ndjson';
    const { bytes: size } = long.files.find((file) => file.name === name)!;
    const all = async (range: string, headers: Record<string, string> = {}) => {
      const { status, bytes } = await ranged(name, range, headers);
      expect([range, headers, status, bytes.length]).toEqual([range, headers, 200, size]);
    };
    await all('bytes=5-', { 'If-Range': '"another"' });
    await all('bytes=5-', { 'If-Range': 'Sun, 22 Nov 2026 10:00:00 GMT' });
    await all('bytes=0-1,5-9');
    await all('lines=1-2');
    await all('bytes=9-5');
    const beyond = await officer.get(path(name)).set('Range', `bytes=${size}-`);
    expect([...said(beyond), beyond.headers['content-range']]).toEqual([416, 'http.range', `bytes */${size}`]);
    // What is packed on its way is another representation: it has another tag, and no part of it is given.
    const packed = await officer
      .get(path(name))
      .set('Accept-Encoding', 'gzip')
      .buffer(true)
      .parse(binary as never);
    const again = await ranged(name, 'bytes=5-', {
      'If-Range': packed.headers.etag as string,
      'Accept-Encoding': 'gzip',
    });
    expect([packed.headers['content-encoding'], again.status]).toEqual(['gzip', 200]);
  });

  it('of a part leaves an event when it begins and one when it has ended', async () => {
    const requestId = randomUUID();
    await ranged('events.csv', 'bytes=100-199', { 'X-Request-Id': requestId });
    const sub = 'AuditExport.download';
    expect(await told(requestId)).toEqual([
      { sub, st: 206 },
      { sub, st: 206, bytes: 100 },
    ]);
  });

  it('has an event before its first byte and one, with their number, before its last', async () => {
    const requestId = randomUUID();
    const bytes = await fetched(officer, path('bundle'), { 'X-Request-Id': requestId });
    const sub = 'AuditExport.download';
    expect(await told(requestId)).toEqual([
      { sub, st: 200 },
      { sub, st: 200, bytes: bytes.length },
    ]);
  });

  it('that is broken off tells so, and how far it was, and goes on where it was', async () => {
    const name = 'events.fhir.ndjson';
    const [requestId, size] = [randomUUID(), long.files.find((file) => file.name === name)!.bytes];
    const arrived = await brokenOff(name, requestId);
    const [begun, ended, ...more] = await told(requestId);
    expect([begun!.st, ended!.st, ended!.err, more]).toEqual([200, 499, 'http.client-gone', []]);
    expect(ended!.bytes).toBeGreaterThan(0);
    expect(ended!.bytes).toBeLessThan(size);
    const rest = await ranged(name, `bytes=${arrived.length}-`);
    expect(Buffer.concat([arrived, rest.bytes]).equals(await fetched(officer, path(name)))).toBe(true);
  });

  it('does not begin where its event cannot be stored, and does not end where its end cannot', async () => {
    const { owner, portal } = { ...hospital.portal, portal: hospital.portal };
    await owner.query('BEGIN');
    await owner.query('LOCK TABLE audit.inbox IN ACCESS EXCLUSIVE MODE');
    const none = await officer.get(path('events.ndjson'));
    expect([none.status, none.body.code]).toEqual([503, 'audit.unavailable']);
    await owner.query('ROLLBACK');

    const answer = await fetch(portal.url + path('events.fhir.ndjson'), {
      headers: { authorization: `Bearer ${officer.tokens.accessToken}`, 'accept-encoding': 'identity' },
    });
    const reader = answer.body!.getReader() as ReadableStreamDefaultReader<Uint8Array>;
    await reader.read();
    await owner.query('BEGIN');
    await owner.query('LOCK TABLE audit.inbox IN ACCESS EXCLUSIVE MODE');
    const rest = async () => {
      while (!(await reader.read()).done);
    };
    await expect(rest()).rejects.toThrow('terminated');
    await owner.query('ROLLBACK');
  });

  it('is one of a few at a time', async () => {
    const begun = await Promise.all(
      Array.from({ length: 4 }, () =>
        fetch(hospital.portal.url + path('events.fhir.ndjson'), {
          headers: { authorization: `Bearer ${officer.tokens.accessToken}`, 'accept-encoding': 'identity' },
        }),
      ),
    );
    expect(begun.map(({ status }) => status)).toEqual([200, 200, 200, 200]);
    expect(said(await officer.get(path('events.ndjson')))).toEqual([503, 'audit.exports-busy']);
    // Small files are no burden; and whoever goes away makes room.
    expect((await officer.get(path('manifest.json'))).status).toBe(200);
    for (const { body } of begun) await body!.cancel();
    for (let tries = 0; (await ranged('events.ndjson', 'bytes=0-0')).status !== 206; tries++)
      expect(tries).toBeLessThan(100);
  });

  it('that only asks for the headers gives nothing and reads nothing', async () => {
    const requestId = randomUUID();
    const head = await hospital.portal.http
      .head(path('bundle'))
      .set({ authorization: `Bearer ${officer.tokens.accessToken}`, 'x-request-id': requestId });
    expect([head.status, head.headers['content-type']]).toEqual([200, 'application/zip']);
    expect(await told(requestId)).toEqual([{ sub: 'AuditExport.download', st: 200 }]);
  });

  it('ends before its end where the log is not what was prepared', async () => {
    const { owner } = hospital.portal;
    const made = await exported(officer, { filter: { fromSeq: 200, toSeq: 1_900 } });
    const file = `/v1/audit/exports/${made.id}/events.ndjson`;
    const changes: [string, string][] = [
      [`UPDATE audit.entry SET leaf = replace(leaf, '"R"', '"U"') WHERE idx = 1500`, 'entry'],
      [`DELETE FROM audit.entry WHERE idx = 1500`, 'hole'],
    ];
    for (const [sql] of changes) {
      const { rows } = await owner.query('SELECT * FROM audit.entry WHERE idx = 1500');
      await owner.query('SET session_replication_role = replica');
      await owner.query(sql);
      const requestId = randomUUID();
      await expect(fetched(officer, file, { 'X-Request-Id': requestId })).rejects.toThrow(/aborted/);
      await expect(fetched(officer, `/v1/audit/exports/${made.id}/bundle`)).rejects.toThrow(/aborted/);
      await owner.query('DELETE FROM audit.entry WHERE idx = 1500');
      await owner.query('INSERT INTO audit.entry SELECT * FROM jsonb_populate_record(NULL::audit.entry, $1)', [
        JSON.stringify({ ...rows[0], leaf_hash: `\\x${(rows[0] as { leaf_hash: Buffer }).leaf_hash.toString('hex')}` }),
      ]);
      await owner.query('SET session_replication_role = origin');
      expect((await told(requestId)).map(({ st, err }) => [st, err])).toEqual([
        [200, undefined],
        [500, 'http.internal'],
      ]);
    }
    expect((await fetched(officer, file)).length).toBe(made.files.find(({ name }) => name === 'events.ndjson')!.bytes);
  });
});

describe('what is refused', () => {
  it('is everything to everybody but compliance officers', async () => {
    const { staff, admin, recordsOfficer, clinician, anna } = hospital;
    for (const other of [staff, admin, recordsOfficer, clinician, anna]) {
      const caller = await again(other);
      const codes = [
        await caller.post('/v1/audit/exports', { reason: 'Curious' }),
        await caller.get('/v1/audit/exports'),
        await caller.get(`/v1/audit/exports/${long.id}`),
        await caller.get(path('bundle')),
        await caller.get(path('events.ndjson')),
      ].map(said);
      expect(new Set(codes.map((code) => code.join(' ')))).toEqual(new Set(['403 access.forbidden']));
    }
  });

  it('are files that are not in this export, and places where no lines are', async () => {
    const made = await exported(officer, { filter: { fromSeq: 5, toSeq: 6 } });
    const of = async (name: string) => said(await officer.get(`/v1/audit/exports/${made.id}/${name}`));
    expect(await of('events.csv')).toEqual([404, 'http.not-found']);
    expect(await of('proofs.ndjson')).toEqual([404, 'http.not-found']);
    expect(await of('..%2f..%2fetc%2fpasswd')).toEqual([400, 'http.invalid']);
    expect(await of('events.ndjson?after=1')).toEqual([400, 'http.invalid']);
  });

  it('are downloads without a recent proof of who it is', async () => {
    hospital.portal.clock.forward(301);
    for (const name of ['bundle', 'events.ndjson'])
      expect(said(await officer.get(path(name)))).toEqual([403, 'auth.step-up-required']);
    expect(said(await officer.post('/v1/audit/exports', { reason: 'Later' }))).toEqual([403, 'auth.step-up-required']);
    expect((await officer.get(`/v1/audit/exports/${long.id}`)).status).toBe(200);
  });

  it('are exports of nothing that is there', async () => {
    const asked = async (filter: object) => said(await officer.post('/v1/audit/exports', { filter, reason: 'Wrong' }));
    const size = Number((await hospital.portal.owner.query('SELECT size FROM audit.head')).rows[0].size);
    expect(await asked({ fromSeq: 7, toSeq: 6 })).toEqual([422, 'audit.export-range']);
    expect(await asked({ toSeq: size + 1_000 })).toEqual([422, 'audit.export-range']);
    expect(await asked({ fromSeq: size + 1_000 })).toEqual([422, 'audit.export-range']);
    expect(await asked({ patientId: [NOBODY] })).toEqual([422, 'audit.export-unknown-patient']);
    expect(await asked({ patientId: [] })).toEqual([400, 'http.invalid']);
    expect(await asked({ patientId: ['x'] })).toEqual([400, 'http.invalid']);
    expect(said(await officer.post('/v1/audit/exports', {}))).toEqual([400, 'http.invalid']);
    const { rows } = await hospital.portal.owner.query('SELECT 1 FROM audit.subject_head WHERE subject = $1', [NOBODY]);
    expect(rows).toEqual([]);
  });
});

describe('asking', () => {
  it('twice with one key makes one export, whose own event is the first one', async () => {
    const ask = () =>
      officer.post('/v1/audit/exports', { reason: 'Once' }).set({ 'Idempotency-Key': 'one', 'X-Request-Id': NOBODY });
    const [first, second] = [await ask().expect(202), await ask().expect(202)];
    expect(second.body).toEqual(first.body);
    await settle(hospital.portal);
    const { body } = await officer.get(`/v1/audit/exports/${(first.body as ExportAnswer).id}`).expect(200);
    const { rows } = await hospital.portal.owner.query<{ idx: string }>(
      `SELECT idx FROM audit.entry WHERE request_id = $1 AND action = 'AuditExport.create' ORDER BY idx`,
      [NOBODY],
    );
    expect([rows.length, Number(rows[0]!.idx)]).toEqual([2, (body as ExportAnswer).seq]);
  });

  it('says how far it is, and gives nothing before it is ready', async () => {
    const { id } = (await officer.post('/v1/audit/exports', { reason: 'Soon' }).expect(202)).body as ExportAnswer;
    const early = await officer.get(`/v1/audit/exports/${id}/bundle`);
    expect([...said(early), early.headers['retry-after']]).toEqual([409, 'audit.export-not-ready', '5']);
    await settle(hospital.portal);
    const { body } = await officer.get(`/v1/audit/exports/${id}`).expect(200);
    const { progress, state, seq } = body as ExportAnswer;
    expect([state, progress]).toEqual(['ready', { position: seq! + 1, end: seq! + 1, lines: seq! + 1 }]);
    const { body: list } = await officer.get('/v1/audit/exports?limit=1').expect(200);
    expect((list as { items: ExportAnswer[]; next: string }).items.map((one) => one.id)).toEqual([id]);
  });
});
