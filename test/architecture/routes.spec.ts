import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Controller, Get, Module, type ExecutionContext, type Type } from '@nestjs/common';
import { DiscoveryModule, NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import type supertest from 'supertest';
import { DeclaredRoutes, type DeclaredRoute } from '../../src/platform/access/declared-routes.js';
import { DoorGuard } from '../../src/platform/access/door.guard.js';
import { Endpoint } from '../../src/platform/access/endpoint.js';
import { OpenApi } from '../../src/platform/docs/openapi.js';
import { NOBODY } from '../harness/hospital.js';
import { checkLedger } from '../harness/ledger.js';
import { refusal } from '../harness/scim.js';
import type { Caller } from '../harness/people.js';
import { accessMatrix, PEOPLE } from './access-matrix.js';
import { openWorld, signedInAs, type World } from './access-world.js';
import { expectSecurityHeaders } from './security-headers.js';

const declaration = { action: 'read', subject: 'Self', summary: 'Declared', response: null } as const;

@Controller('declared')
class Declared {
  @Get()
  @Endpoint(declaration)
  read(): void {}
}

@Controller('forgotten')
class Forgotten {
  @Get()
  @Endpoint(declaration)
  read(): void {}

  @Get('open')
  open(): void {}
}

@Controller('heir')
class Heir extends Forgotten {
  @Get()
  @Endpoint(declaration)
  override read(): void {}
}

/** A tiny application with the portal's own inventory of routes. */
async function start(controller: Type): Promise<NestFastifyApplication> {
  @Module({ imports: [DiscoveryModule], controllers: [controller], providers: [DeclaredRoutes] })
  class Tiny {}
  const app = await NestFactory.create<NestFastifyApplication>(Tiny, new FastifyAdapter(), {
    logger: false,
    abortOnError: false,
  });
  return app.init();
}

describe('a route without a declaration', () => {
  it('keeps the application from starting, also one that a controller inherits', async () => {
    await expect(start(Forgotten)).rejects.toThrow(/routes without @Endpoint.*: Forgotten\.open$/);
    await expect(start(Heir)).rejects.toThrow(/routes without @Endpoint.*: Heir\.open$/);
    const app = await start(Declared);
    expect(app.get(DeclaredRoutes).list()).toMatchObject([{ method: 'GET', path: '/declared' }]);
    await app.close();
  });

  it('would be refused at the door, whoever knocks', () => {
    const door = new DoorGuard({ now: () => new Date() });
    // eslint-disable-next-line @typescript-eslint/unbound-method -- Nest hands the guard the bare method.
    const handler = Forgotten.prototype.open;
    const knock = () => door.canActivate({ getHandler: () => handler } as unknown as ExecutionContext);
    expect(knock).toThrow(expect.objectContaining({ status: 403, code: 'access.undeclared' }));
  });
});

interface Operation {
  parameters?: { in: string; name: string }[];
  requestBody?: { content: Record<string, unknown> };
}

let world: World;
let routes: readonly DeclaredRoute[];
let operations: Record<string, Record<string, Operation>>;

beforeAll(async () => {
  world = await openWorld();
  routes = world.portal.app.get(DeclaredRoutes).list();
  operations = (await world.portal.app.get(OpenApi).document()).paths as typeof operations;
});

afterAll(async () => {
  await checkLedger(world.portal);
  await world.portal.close();
});

const PARAMS: Record<string, string> = {
  name: 'events.ndjson',
  '*': '000',
  seq: '0',
  role: 'staff',
  file: 'swagger-ui.css',
};
const pathOf = ({ path }: DeclaredRoute): string =>
  path.replace(/:(\w+)|\*/g, (all, name: string = all) => PARAMS[name] ?? NOBODY);
const nameOf = ({ method, path }: DeclaredRoute): string => `${method} ${path}`;

const operationOf = ({ method, path }: DeclaredRoute): Operation =>
  operations[path.replace(/:(\w+)/g, '{$1}').replace('*', '{path}')]![method.toLowerCase()]!;

const takesQuery = (route: DeclaredRoute) =>
  !route.endpoint.dialect?.ignoresUnknownQuery &&
  (operationOf(route).parameters ?? []).some((parameter) => parameter.in === 'query');
const isPaged = (route: DeclaredRoute) => (operationOf(route).parameters ?? []).some(({ name }) => name === 'limit');
// RFC 6749 section 3.2: the token endpoint ignores what it does not know.
const takesJson = (route: DeclaredRoute) =>
  'application/json' in (operationOf(route).requestBody?.content ?? {}) && !route.endpoint.dialect?.readsForms;

const send = (route: DeclaredRoute, path = pathOf(route)): supertest.Test =>
  world.portal.http[route.method.toLowerCase() as 'get'](path).set('If-Match', '"1"');

/** Somebody who may use the route, as the access matrix has it; null for a public one. */
async function callerFor(route: DeclaredRoute): Promise<Caller | null> {
  if (route.endpoint.access === 'public') return null;
  const rows = accessMatrix().filter((row) => row.route === nameOf(route));
  const person = PEOPLE.find((one) => rows.some((row) => row.expected[one] < 300));
  return signedInAs(world, person!);
}

/** What a route answers to its own caller; the pointers and codes of the faults. */
async function faults(route: DeclaredRoute, query: string, body?: object): Promise<string[]> {
  const caller = await callerFor(route);
  const request = send(route, pathOf(route) + query);
  if (caller) void request.set('Authorization', `Bearer ${caller.tokens.accessToken}`);
  const answer = await (body ? request.send(body) : request);
  expectSecurityHeaders(answer);
  const { errors = [] } = answer.body as { errors?: { pointer: string; code: string }[] };
  return [String(answer.status), ...errors.map(({ pointer, code }) => `${pointer} ${code}`)];
}

/** Where the body may speak for somebody half-way through a sign-in: one that is well-formed, and speaks for nobody. */
const MID_SIGN_IN: Record<string, object> = {
  '/v1/auth/passkeys/registration': {
    response: {
      ...{ id: 'a', rawId: 'a', type: 'public-key', clientExtensionResults: {} },
      response: { clientDataJSON: 'a', attestationObject: 'a' },
    },
  },
};

describe('every route', () => {
  it('answers 401 without credentials and with such as are none, unless it is public', async () => {
    const guarded = routes.filter(({ endpoint }) => endpoint.access !== 'public');
    expect(guarded.length).toBeGreaterThan(30);
    const garbage = { none: null, basic: 'Basic YTpi', empty: 'Bearer', word: 'Bearer garbage', token: 'Bearer a.b.c' };
    for (const route of guarded) {
      for (const [kind, authorization] of Object.entries(garbage)) {
        const request = send(route);
        if (authorization !== null) void request.set('Authorization', authorization);
        // Half-way through a sign-in the body may speak for somebody; it does not here.
        const answer = await (takesJson(route)
          ? request.send(MID_SIGN_IN[route.path] ?? (route.path.endsWith('/confirm') ? { code: '1' } : {}))
          : request);
        expectSecurityHeaders(answer);
        const isNone = kind === 'none' || kind === 'basic';
        const code = isNone ? 'auth.sign-in-required' : 'auth.token-invalid';
        // The errors of SCIM have no place for our code; what they have is looked at instead.
        const isScim = route.path.startsWith('/scim/');
        const told = isScim ? refusal(answer) : [answer.status, answer.body.code];
        expect([nameOf(route), kind, ...told]).toEqual([nameOf(route), kind, 401, isScim ? undefined : code]);
        expect(answer.headers['www-authenticate']).toMatch(/^Bearer/);
      }
      if (route.method !== 'GET') continue;
      const head = await world.portal.http.head(pathOf(route));
      expect([nameOf(route), head.status]).toEqual([nameOf(route), 401]);
    }
  });

  it('carries the security headers on every kind of refusal', async () => {
    const { http } = world.portal;
    const login = () => http.post('/v1/auth/login').set('Content-Type', 'application/json');
    const refusals: [number, supertest.Test][] = [
      [404, http.get('/nowhere')],
      [404, http.get('/v1/patients/')],
      [404, http.delete('/v1/me')],
      [404, http.options('/v1/me')],
      [400, login().send('{"username":')],
      [400, login().send('')],
      [400, login().send('['.repeat(5000))],
      [415, http.post('/v1/auth/login').set('Content-Type', 'application/x-www-form-urlencoded').send('a=b')],
      [413, login().send(`"${'x'.repeat(3_000_000)}"`)],
      [400, http.get('/v1/records/%E0%A4%A')],
      [414, http.get(`/v1/records/${'a'.repeat(200)}`)],
      [431, http.get('/v1/me').set('X-Long', 'a'.repeat(20_000))],
    ];
    for (const [status, request] of refusals) {
      const answer = await request;
      expect(answer.status).toBe(status);
      expectSecurityHeaders(answer);
      expect(answer.headers['content-type']).toMatch(/^application\/problem\+json/);
    }
  });

  it('refuses query parameters and body keys that it does not know, and names them', async () => {
    const [withQuery, withBody] = [routes.filter(takesQuery), routes.filter(takesJson)];
    expect(withQuery.length).toBeGreaterThanOrEqual(8);
    expect(withBody.length).toBeGreaterThan(15);
    for (const route of withQuery) {
      expect([nameOf(route), await faults(route, '?surprise=1')]).toEqual([
        nameOf(route),
        // Beside it, what is needed there and was not sent.
        expect.arrayContaining(['400', '/surprise unknown']),
      ]);
      expect([nameOf(route), await faults(route, '?limit=1&limit=2')]).toEqual([
        nameOf(route),
        expect.arrayContaining(['400', isPaged(route) ? '/limit wrong-type' : '/limit unknown']),
      ]);
    }
    for (const route of withBody) {
      const found = await faults(route, '', { surprise: 1 });
      expect([nameOf(route), found]).toEqual([nameOf(route), expect.arrayContaining(['400', '/surprise unknown'])]);
      expect([nameOf(route), (await faults(route, '', [{ surprise: 1 }]))[0]]).toEqual([nameOf(route), '400']);
    }
    const create = routes.find((route) => nameOf(route) === 'POST /v1/users')!;
    expect(await faults(create, '', { practitioner: { surprise: 1 } })).toContain('/practitioner/surprise unknown');
  });
});
