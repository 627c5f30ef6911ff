import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { DeclaredRoutes } from '../../src/platform/access/declared-routes.js';
import { known, NOBODY, said, type Known } from '../harness/hospital.js';
import { checkLedger } from '../harness/ledger.js';
import { makeAdmin, type Caller } from '../harness/people.js';
import { startPortal, type Portal } from '../harness/portal.js';
import { ERROR, openDirectory, refusal, TYPE, type Directory } from '../harness/scim.js';

let portal: Portal;
let admin: Known<Caller>;
let entra: Directory;
let okta: Directory;

beforeAll(async () => {
  portal = await startPortal();
  admin = await known(makeAdmin(portal));
  entra = await openDirectory(portal, admin);
  okta = await openDirectory(portal, admin);
});

afterAll(async () => {
  await checkLedger(portal);
  await portal.close();
});

describe('a bearer secret', () => {
  const use = (token: string) => portal.http.get('/scim/v2/Users').set('Authorization', `Bearer ${token}`);
  const path = () => `/v1/users/${okta.id}/scim-tokens`;

  it('is shown once, known by a MAC alone, and counted when it is used', async () => {
    const made = await admin.post(path(), { name: 'Second' }).expect(201);
    const { token, id, expiresAt, createdAt } = made.body as Record<'token' | 'id' | 'expiresAt' | 'createdAt', string>;
    expect(token).toMatch(/^pscim_[\w-]{43}$/);
    expect(Date.parse(expiresAt) - Date.parse(createdAt)).toBe(180 * 86_400_000);
    const list = async () => ((await admin.get(path()).expect(200)).body as { items: Record<string, unknown>[] }).items;
    expect((await list())[0]).toEqual({
      id,
      accountId: okta.id,
      name: 'Second',
      createdAt,
      createdBy: admin.id,
      expiresAt,
      lastUsedAt: null,
      revokedAt: null,
    });
    expect((await use(token)).status).toBe(200);
    const used = (await list())[0]!.lastUsedAt;
    expect(used).not.toBeNull();
    await use(token).expect(200);
    expect((await list())[0]!.lastUsedAt).toBe(used);
    portal.clock.forward(61);
    await use(token).expect(200);
    expect((await list())[0]!.lastUsedAt).not.toBe(used);
    const secret = token.slice('pscim_'.length);
    const { rows } = await portal.owner.query<{ text: string }>('SELECT t::text AS text FROM auth.scim_token t');
    expect(JSON.stringify([rows, portal.log, await list()])).not.toContain(secret);
  });

  it('opens nothing from the next request on when it is revoked, runs out, or its account is disabled', async () => {
    const { body: made } = await admin.post(path(), { name: 'Third', days: 1 }).expect(201);
    const { token, id } = made as { token: string; id: string };
    await use(token).expect(200);
    await admin.post(`${path()}/${id}/revoke`).expect(200);
    const revoked = await use(token);
    expect(refusal(revoked)).toEqual([401, undefined]);
    expect(revoked.headers['www-authenticate']).toBe('Bearer error="invalid_token"');
    expect(said(await admin.post(`${path()}/${id}/revoke`))).toEqual([409, 'auth.scim-token-revoked-already']);
    expect(said(await admin.post(`/v1/users/${entra.id}/scim-tokens/${id}/revoke`))).toEqual([404, 'http.not-found']);

    const third = await openDirectory(portal, admin);
    await portal.owner.query(
      `UPDATE auth.scim_token SET created_at = $2::timestamptz - interval '1 day', expires_at = $2 WHERE account_id = $1`,
      [third.id, new Date(portal.clock.now().getTime() + 30_000)],
    );
    await use(third.token).expect(200);
    portal.clock.forward(31);
    expect(refusal(await use(third.token))).toEqual([401, undefined]);
    expect(portal.log.at(-1)).toMatchObject({ code: 'auth.token-expired' });
    await portal.owner.query(
      `UPDATE auth.scim_token SET expires_at = $2::timestamptz + interval '1 day' WHERE account_id = $1`,
      [third.id, portal.clock.now()],
    );
    await use(third.token).expect(200);
    await admin.post(`/v1/users/${third.id}/disable`, { reason: 'Test.' }).expect(200);
    expect(refusal(await use(third.token))).toEqual([401, undefined]);
    await admin.post(`/v1/users/${third.id}/enable`).expect(200);
    await use(third.token).expect(200);
    await admin.post(`/v1/users/${third.id}/roles/directory/revoke`, { reason: 'Test.' }).expect(200);
    expect(refusal(await use(third.token))).toEqual([401, undefined]);
  });

  it('that is none, or another, opens nothing', async () => {
    const flipped = entra.token.slice(0, -1) + (entra.token.endsWith('A') ? 'B' : 'A');
    for (const token of [flipped, `${entra.token}A`, entra.token.slice(0, -1), 'pscim_', 'pscim_a.b.c', 'PSCIM_x', 'x'])
      expect([token.length, ...refusal(await use(token))]).toEqual([token.length, 401, undefined]);
    const basic = await portal.http.get('/scim/v2/Users').set('Authorization', `Basic ${entra.token}`);
    expect(refusal(basic)).toEqual([401, undefined]);
    const inQuery = await portal.http.get('/scim/v2/Users').query({ access_token: entra.token });
    expect(refusal(inQuery)).toEqual([401, undefined]);
  });

  it('is no key to anything but SCIM: every other route that asks who it is refuses it', async () => {
    const guarded = portal.app
      .get(DeclaredRoutes)
      .list()
      .filter(({ path, endpoint }) => !path.startsWith('/scim/') && (endpoint.access ?? 'signed-in') === 'signed-in');
    expect(guarded.length).toBeGreaterThan(60);
    const letIn: string[] = [];
    for (const { method, path } of guarded) {
      const request = portal.http[method.toLowerCase() as 'get'](path.replace(/:\w+/g, NOBODY));
      const { status } = await request.set('Authorization', `Bearer ${entra.token}`);
      if (status !== 401) letIn.push(`${method} ${path}: ${status}`);
    }
    expect(letIn).toEqual([]);
    await use(entra.token).expect(200);
  });

  it('is made by administrators with a fresh second factor, for directories, a few at a time and a year at most', async () => {
    const create = (body: object, id = okta.id) => admin.post(`/v1/users/${id}/scim-tokens`, body);
    expect((await create({ name: 'x', days: 366 })).status).toBe(400);
    expect((await create({ name: 'x', days: 0 })).status).toBe(400);
    expect((await create({})).status).toBe(400);
    expect(said(await create({ name: 'x' }, admin.id))).toEqual([422, 'auth.no-directory']);
    expect(said(await create({ name: 'x' }, NOBODY))).toEqual([404, 'http.not-found']);
    const fresh = await openDirectory(portal, admin);
    const more = await Promise.all(Array.from({ length: 6 }, () => create({ name: 'x', days: 365 }, fresh.id)));
    expect(more.map(({ status }) => status).sort()).toEqual([201, 201, 201, 409, 409, 409]);
    await expect(
      portal.owner.query(
        `UPDATE auth.scim_token SET expires_at = created_at + interval '2 years' WHERE account_id = $1`,
        [fresh.id],
      ),
    ).rejects.toMatchObject({ constraint: 'scim_token__at_most_a_year' });
    portal.clock.forward(301);
    const { refreshToken } = admin.tokens;
    const { body } = await portal.http.post('/v1/auth/refresh').send({ refreshToken }).expect(200);
    Object.assign(admin.tokens, body);
    expect(said(await create({ name: 'x' }))).toEqual([403, 'auth.step-up-required']);
  });

  it('leaves its id, and the account, in the audit trail of each call', async () => {
    const answer = await entra.get('/Users').expect(200);
    const requestId = answer.headers['x-request-id'];
    const { rows } = await portal.owner.query<{ event: Record<string, unknown> }>(
      `SELECT event::jsonb AS event FROM audit.inbox WHERE request_id = $1
        UNION ALL SELECT leaf::jsonb -> 'e' FROM audit.entry WHERE request_id = $1`,
      [requestId],
    );
    expect(rows).toHaveLength(1);
    expect(rows[0]!.event).toMatchObject({
      sub: 'ScimUser.list',
      actor: { id: entra.id, roles: ['directory'] },
      ses: entra.tokenId,
      out: 0,
    });
  });
});

describe('every refusal under /scim', () => {
  it('has the form of SCIM', async () => {
    const send = (method: 'get' | 'post' | 'put' | 'patch' | 'delete', path: string) =>
      portal.http[method](path).set('Authorization', `Bearer ${entra.token}`);
    const json = (text: string, type = TYPE) => send('post', '/scim/v2/Users').set('Content-Type', type).send(text);
    const refusals: [number, string | undefined, ReturnType<typeof json>][] = [
      [401, undefined, portal.http.get('/scim/v2/Users')],
      [404, undefined, send('get', '/scim')],
      [404, undefined, send('get', '/scim/')],
      [404, undefined, send('get', '/scim/v2')],
      [404, undefined, send('get', '/scim/v3/Users')],
      [404, undefined, send('get', '/scim/v2/Devices?filter=x')],
      [404, undefined, send('post', '/scim/v2/Nothing').set('Content-Type', TYPE).send('{}')],
      [404, undefined, send('put', '/scim/v2/Users').send({})],
      [400, 'invalidSyntax', json('{"userName":')],
      [400, 'invalidSyntax', json('')],
      [400, 'invalidSyntax', json('['.repeat(5_000))],
      [400, 'invalidSyntax', json('{"__proto__": {"a": 1}}')],
      [400, 'invalidSyntax', json(`[${'0,'.repeat(70_000)}0]`)],
      [415, undefined, json('<user/>', 'application/xml')],
      [415, undefined, json('userName=x', 'application/x-www-form-urlencoded')],
      [413, undefined, json(`"${'x'.repeat(2_100_000)}"`)],
      [400, undefined, send('get', '/scim/v2/Users/%E0%A4%A')],
      [414, undefined, send('get', `/scim/v2/Users/${'a'.repeat(200)}`)],
    ];
    for (const [status, scimType, request] of refusals) {
      const answer = await request;
      expect(refusal(answer)).toEqual([status, scimType]);
      expect(answer.headers['x-request-id']).toMatch(/^[0-9a-f-]{36}$/);
      expect(answer.headers['cache-control']).toBe('no-store');
    }
    expect((await send('delete', `/scim/v2/Users/${NOBODY}`).set('Content-Type', TYPE)).status).toBe(404);
  });

  it('is the portal’s own everywhere else, also where the address only looks alike', async () => {
    for (const path of ['/scimitar', '/v1/scim', '/x/scim/v2/Users'])
      expect((await portal.http.get(path)).headers['content-type']).toMatch(/^application\/problem\+json/);
    const scimBody = portal.http.post('/v1/auth/login').set('Content-Type', TYPE).send('{}');
    expect(said(await scimBody)).toEqual([415, 'http.media-type']);
  });

  it('is in that form also when the audit trail cannot be written', async () => {
    await portal.owner.query('BEGIN');
    await portal.owner.query('LOCK TABLE audit.inbox IN ACCESS EXCLUSIVE MODE');
    const answer = await entra.get('/Users');
    await portal.owner.query('ROLLBACK');
    expect(refusal(answer)).toEqual([503, undefined]);
    expect(answer.headers['retry-after']).toBeDefined();
    expect(answer.body.schemas).toEqual([ERROR]);
  });
});
