import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { known, newPatient, said, type Answer, type Known, type Made } from '../harness/hospital.js';
import { checkLedger } from '../harness/ledger.js';
import { makeAdmin, makePatient, makeStaff, signInAs, type Caller } from '../harness/people.js';
import { startPortal, type Portal } from '../harness/portal.js';

let portal: Portal;
let admin: Caller;
let staff: Known<Caller>;

beforeAll(async () => {
  portal = await startPortal();
  admin = await makeAdmin(portal);
  staff = await known(makeStaff(portal, admin, 'staff'));
});
afterAll(async () => {
  await checkLedger(portal);
  await portal.close();
});

const post = (by: Caller, key: string, body: object, path = '/v1/patients') =>
  by.post(path, body).set('Idempotency-Key', key);

const charts = async (mrn: unknown): Promise<number> =>
  (await portal.owner.query('SELECT 1 FROM users.patient WHERE mrn = $1', [mrn])).rows.length;

const patientOf = (): { mrn: string } & object => newPatient() as { mrn: string };

const eventsOf = async (answer: Answer): Promise<Record<string, unknown>[]> => {
  const { rows } = await portal.owner.query<{ event: string }>(
    "SELECT event FROM audit.inbox WHERE request_id = $1 UNION ALL SELECT (leaf::json -> 'e')::text FROM audit.entry WHERE request_id = $1",
    [answer.headers['x-request-id']],
  );
  return rows.map(({ event }) => JSON.parse(event) as Record<string, unknown>);
};

describe('Idempotency-Key', () => {
  it('gives the first answer again, byte for byte, and does nothing twice', async () => {
    const [key, body] = [randomUUID(), patientOf()];
    const first = await post(staff, key, body).expect(201);
    const again = await post(staff, key, body).expect(201);
    expect(again.text).toBe(first.text);
    for (const name of ['content-type', 'etag', 'location']) {
      expect(first.headers[name]).toBeDefined();
      expect(again.headers[name]).toBe(first.headers[name]);
    }
    expect([first.headers['idempotency-replayed'], again.headers['idempotency-replayed']]).toEqual([undefined, 'true']);
    expect(await charts(body.mrn)).toBe(1);
  });

  it('leaves an event of the repeated answer, with the patient whose data it holds', async () => {
    const [key, body] = [randomUUID(), patientOf()];
    const { id } = (await post(staff, key, body).expect(201)).body as Made;
    const again = await post(staff, key, body).expect(201);
    expect(await eventsOf(again)).toEqual([
      expect.objectContaining({ sub: 'Patient.create', pat: id, out: 0, err: 'http.replayed' }),
    ]);
  });

  it('says where what was made can be read', async () => {
    const made = await staff.post('/v1/patients', patientOf()).expect(201);
    const { id } = made.body as Made;
    expect(made.headers.location).toBe(`/v1/patients/${id}`);
    await staff.get(made.headers.location!).expect(200);
    const account = await admin
      .post('/v1/users', { displayName: 'Somebody', email: 'some@hospital.test', roles: ['staff'] })
      .expect(201);
    expect(account.headers.location).toBe(`/v1/users/${(account.body as Made).id}`);
  });

  it.each([
    ['another body', (body: object) => ({ ...body, family: 'Other' }), '/v1/patients'],
    ['another route', () => ({ family: 'Other', given: ['O'], specialty: 'Dentistry' }), '/v1/practitioners'],
  ])('refuses the key of another request: %s', async (_what, change, path) => {
    const [key, body] = [randomUUID(), patientOf()];
    await post(admin, key, body).expect(201);
    const answer = await post(admin, key, change(body), path);
    expect(said(answer)).toEqual([422, 'http.idempotency-key-reused']);
    expect(answer.text).not.toContain(body.mrn);
    expect(await charts(body.mrn)).toBe(1);
  });

  it('binds the key to the parameters of the route', async () => {
    const practitioner = (
      await admin.post('/v1/practitioners', { family: 'House', given: ['G'], specialty: 'Nephrology' }).expect(201)
    ).body as Made;
    const [one, two] = [
      (await staff.post('/v1/patients', patientOf()).expect(201)).body as Made,
      (await staff.post('/v1/patients', patientOf()).expect(201)).body as Made,
    ];
    const key = randomUUID();
    const member = { practitionerId: practitioner.id };
    await post(staff, key, member, `/v1/patients/${one.id}/care-team`).expect(201);
    expect(said(await post(staff, key, member, `/v1/patients/${two.id}/care-team`))).toEqual([
      422,
      'http.idempotency-key-reused',
    ]);
  });

  it('makes one of fifty parallel requests', async () => {
    const [key, body] = [randomUUID(), patientOf()];
    const answers = await Promise.all(Array.from({ length: 50 }, () => post(staff, key, body)));
    const made = answers.filter(({ status }) => status === 201);
    expect(new Set(made.map(({ text }) => text)).size).toBe(1);
    expect(made.filter(({ headers }) => headers['idempotency-replayed'] === undefined)).toHaveLength(1);
    for (const answer of answers.filter(({ status }) => status !== 201)) {
      expect([...said(answer)].join(' ')).toMatch(/^(409 http\.idempotency-in-progress|503 http\.unavailable)$/);
    }
    expect(await charts(body.mrn)).toBe(1);
  });

  it('waits for a first request that takes long, and answers the same', async () => {
    const [key, body] = [randomUUID(), patientOf()];
    await portal.owner.query('BEGIN; LOCK TABLE users.patient IN EXCLUSIVE MODE');
    const first = post(staff, key, body).then((answer) => answer);
    await new Promise((done) => setTimeout(done, 300));
    const second = post(staff, key, body).then((answer) => answer);
    await new Promise((done) => setTimeout(done, 1_400));
    await portal.owner.query('ROLLBACK');
    expect((await first).status).toBe(201);
    expect((await second).text).toBe((await first).text);
  });

  it('answers 409 when it cannot wait for the first any longer', async () => {
    const [key, body] = [randomUUID(), patientOf()];
    await portal.owner.query('BEGIN');
    await portal.owner.query(
      "INSERT INTO platform.idempotency (account_id, key, request_mac, created_at) VALUES ($1, $2, '', now())",
      [staff.id, key],
    );
    const answer = await post(staff, key, body);
    await portal.owner.query('ROLLBACK');
    expect(said(answer)).toEqual([409, 'http.idempotency-in-progress']);
    expect(answer.headers['retry-after']).toBe('2');
    await post(staff, key, body).expect(201);
  });

  it('does not let a failed attempt block the key', async () => {
    const [key, body] = [randomUUID(), patientOf()];
    await staff.post('/v1/patients', body).expect(201);
    expect((await post(staff, key, body)).status).toBe(409);
    await post(staff, key, patientOf()).expect(201);
    const other = randomUUID();
    await post(staff, other, { family: 1 }).expect(400);
    await post(staff, other, patientOf()).expect(201);
  });

  it('keeps the keys of accounts apart', async () => {
    const [key, body] = [randomUUID(), patientOf()];
    await post(staff, key, body).expect(201);
    const other = await makeStaff(portal, admin, 'staff');
    const answer = await post(other, key, body);
    expect(answer.status).toBe(409);
    expect(answer.headers['idempotency-replayed']).toBeUndefined();
    expect((await post(other, key, patientOf()).expect(201)).headers['idempotency-replayed']).toBeUndefined();
  });

  it('answers nothing to somebody who may not create (any more)', async () => {
    const [key, body] = [randomUUID(), patientOf()];
    await post(staff, key, body).expect(201);
    const patient = await makePatient(portal, admin);
    expect((await post(patient, key, body)).status).toBe(403);
    expect((await portal.http.post('/v1/patients').set('Idempotency-Key', key).send(body)).status).toBe(401);
  });

  it.each([
    ['empty', ''],
    ['with a space', 'a b'],
    ['too long', 'k'.repeat(256)],
  ])('refuses a key that is %s', async (_what, key) => {
    expect(said(await post(staff, key, patientOf()))).toEqual([400, 'http.idempotency-key']);
  });

  it('stores the answer sealed, for nobody but the account', async () => {
    const [key, body] = [randomUUID(), patientOf()];
    await post(staff, key, body).expect(201);
    const { rows } = await portal.owner.query<{ request_mac: Buffer; response: Buffer }>(
      'SELECT request_mac, response FROM platform.idempotency WHERE key = $1',
      [key],
    );
    expect(rows[0]!.response.includes(body.mrn)).toBe(false);
    await portal.owner.query('BEGIN; SET LOCAL ROLE portico_app');
    const seen = async (account: string) => {
      await portal.owner.query("SELECT set_config('app.account_id', $1, true)", [account]);
      return (await portal.owner.query('SELECT 1 FROM platform.idempotency WHERE key = $1', [key])).rows.length;
    };
    const counts = [await seen(staff.id), await seen(randomUUID()), await seen('')];
    await portal.owner.query('ROLLBACK');
    expect(counts).toEqual([1, 0, 0]);
  });

  it('refuses an answer that was moved to another key', async () => {
    const [one, two, body] = [randomUUID(), randomUUID(), patientOf()];
    await post(staff, one, patientOf()).expect(201);
    await post(staff, two, body).expect(201);
    await portal.owner.query(
      'UPDATE platform.idempotency SET response = (SELECT response FROM platform.idempotency WHERE key = $1) WHERE key = $2',
      [one, two],
    );
    expect(said(await post(staff, two, body))).toEqual([500, 'http.internal']);
  });

  it('forgets after 24 hours, and then the key is new', async () => {
    const [key, body] = [randomUUID(), patientOf()];
    await post(staff, key, body).expect(201);
    await portal.owner.query("UPDATE platform.idempotency SET created_at = now() - interval '2 days' WHERE key <> $1", [
      key,
    ]);
    portal.clock.forward(24 * 3_600 + 1);
    const later = await signInAs(portal, staff.credentials);
    expect((await post(later, key, body)).status).toBe(409);
    const fresh = patientOf();
    expect((await post(later, key, fresh).expect(201)).headers['idempotency-replayed']).toBeUndefined();
    expect(await charts(fresh.mrn)).toBe(1);
    for (let more = 0; more < 2; more++) await post(later, randomUUID(), patientOf()).expect(201);
    const { rows } = await portal.owner.query(
      "SELECT 1 FROM platform.idempotency WHERE created_at < now() - interval '1 day'",
    );
    expect(rows).toEqual([]);
  });
});
