import { createHash, randomUUID } from 'node:crypto';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { exportJWK, exportPKCS8, generateKeyPair, SignJWT, type CryptoKey, type JWK } from 'jose';

export const CLIENT_ID = 'portico';
export const CLIENT_SECRET = 'a secret of the test only';
export const LOGOUT_EVENT = 'http://schemas.openid.net/event/backchannel-logout';

type Handler = (request: IncomingMessage, response: ServerResponse) => void | Promise<void>;

async function serve(handler: Handler): Promise<{ server: Server; origin: string }> {
  const server = createServer((request, response) => void handler(request, response));
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  // Where nobody closes it, it keeps no test from ending.
  server.unref().on('connection', (socket) => socket.unref());
  return { server, origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
}

const stop = (server: Server): Promise<void> =>
  new Promise((done) => {
    server.close(() => done());
    server.closeAllConnections();
  });

/** Writes SSO_PROVIDERS_FILE and the secrets beside it; resolves with its path. */
export function writeProviders(entries: object[], files: Record<string, string> = {}): string {
  const folder = mkdtempSync(join(tmpdir(), 'portico-sso-'));
  for (const [name, text] of Object.entries({ secret: CLIENT_SECRET, ...files }))
    writeFileSync(join(folder, name), text, { mode: 0o600 });
  const path = join(folder, 'sso-providers.json');
  writeFileSync(path, JSON.stringify(entries));
  return path;
}

/** What an entry of the file needs at least. */
export const providerEntry = (id: string, issuer: string, more: object = {}): object => ({
  id,
  name: `Provider ${id}`,
  issuer,
  clientId: CLIENT_ID,
  clientSecretFile: 'secret',
  audience: 'staff',
  roleMap: { nurses: 'staff', doctors: 'clinician' },
  allowInsecureHttp: true,
  ...more,
});

/** Somebody at the real provider, and how they sign in there. */
export interface Person {
  claims: Record<string, unknown>;
  acr?: string;
  amr?: string[];
}

/** A real OpenID Connect provider, see oidc-provider.mjs. */
export class RealProvider {
  issuer: string;
  /** PEM of the key by which the portal proves to be its client. */
  clientKey: string;
  private worker: Worker;

  static async start(publicUrl: string, id = 'hospital'): Promise<RealProvider> {
    const real = new RealProvider();
    const client = await generateKeyPair('ES256', { extractable: true });
    const signing = await generateKeyPair('RS256', { extractable: true });
    real.clientKey = await exportPKCS8(client.privateKey);
    const workerData = {
      clientId: CLIENT_ID,
      redirectUri: `${publicUrl}/v1/auth/sso/${id}/callback`,
      logoutUri: `${publicUrl}/v1/auth/sso/${id}/backchannel-logout`,
      clientKey: { ...(await exportJWK(client.publicKey)), kid: 'portico-1', use: 'sig', alg: 'ES256' },
      signingKey: { ...(await exportJWK(signing.privateKey)), kid: 'op-1', use: 'sig', alg: 'RS256' },
    };
    // Its warnings are about running it for real.
    real.worker = new Worker(new URL('./oidc-provider.mjs', import.meta.url), {
      workerData,
      stdout: true,
      stderr: true,
    });
    real.issuer = await new Promise<string>((done, fail) => real.worker.once('message', done).once('error', fail));
    return real;
  }

  /** Makes people known, says who signs in next, and where the portal really is. */
  async tell(news: { known?: Record<string, Person>; next?: string; reach?: string }): Promise<void> {
    await fetch(`${this.issuer}/people`, { method: 'PUT', body: JSON.stringify(news) });
  }

  async close(): Promise<void> {
    await this.worker.terminate();
  }
}

export interface AuthorizationRequest {
  state: string;
  nonce: string;
  code_challenge: string;
  redirect_uri: string;
  [name: string]: string;
}

export type IdTokenMaker = (request: AuthorizationRequest) => Promise<string> | string;

/** A provider of our own that answers whatever an attacker would have it answer. */
export class FakeProvider {
  readonly kid = 'fake-1';
  keys: { privateKey: CryptoKey; publicKey: CryptoKey };
  /** Replaces parts of the metadata. */
  metadata: Record<string, unknown> = {};
  /** Answers instead of the path, where it returns true. */
  intercept: (path: string, response: ServerResponse) => boolean = () => false;
  /** Paths that were asked for. */
  readonly asked: string[] = [];
  readonly tokenRequests: { body: URLSearchParams; authorization: string | undefined }[] = [];
  issuer: string;
  private server: Server;
  private readonly codes = new Map<string, { request: AuthorizationRequest; make: IdTokenMaker }>();

  static async start(): Promise<FakeProvider> {
    const fake = new FakeProvider();
    fake.keys = await generateKeyPair('RS256', { extractable: true });
    const { server, origin } = await serve((request, response) => fake.answer(request, response));
    fake.server = server;
    fake.issuer = origin;
    return fake;
  }

  close(): Promise<void> {
    return stop(this.server);
  }

  /** Claims of an ID token that is right in everything. */
  claims(request: { nonce?: string }, sub: string, more: object = {}): Record<string, unknown> {
    const now = Math.floor(Date.now() / 1000);
    const { issuer: iss } = this;
    return { iss, sub, aud: CLIENT_ID, iat: now, exp: now + 300, auth_time: now, nonce: request.nonce, ...more };
  }

  sign(claims: object, header: object = {}, key: CryptoKey = this.keys.privateKey): Promise<string> {
    return new SignJWT({ ...claims }).setProtectedHeader({ alg: 'RS256', kid: this.kid, ...header }).sign(key);
  }

  /** Signs somebody in: resolves with the code that the browser carries back. */
  grant(location: string, sub: string, claims: object = {}): string {
    return this.grantWith(location, (request) => this.sign(this.claims(request, sub, claims)));
  }

  grantWith(location: string, make: IdTokenMaker): string {
    const code = randomUUID();
    this.codes.set(code, { request: requestOf(location), make });
    return code;
  }

  private async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = request.url!.split('?')[0]!;
    this.asked.push(path);
    if (this.intercept(path, response)) return;
    if (path === '/.well-known/openid-configuration') return json(response, this.discovery());
    if (path === '/jwks') return json(response, { keys: [await this.publicJwk()] });
    if (path === '/token') return this.token(request, response);
    response.writeHead(404).end();
  }

  private discovery(): object {
    const { issuer } = this;
    return {
      issuer,
      authorization_endpoint: `${issuer}/authorize`,
      token_endpoint: `${issuer}/token`,
      jwks_uri: `${issuer}/jwks`,
      response_types_supported: ['code'],
      subject_types_supported: ['public'],
      id_token_signing_alg_values_supported: ['RS256'],
      authorization_response_iss_parameter_supported: true,
      ...this.metadata,
    };
  }

  private async publicJwk(): Promise<JWK> {
    return { ...(await exportJWK(this.keys.publicKey)), kid: this.kid, use: 'sig', alg: 'RS256' };
  }

  private async token(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let text = '';
    for await (const chunk of request) text += String(chunk);
    const body = new URLSearchParams(text);
    this.tokenRequests.push({ body, authorization: request.headers.authorization });
    const found = this.codes.get(body.get('code') ?? '');
    const challenge = createHash('sha256')
      .update(body.get('code_verifier') ?? '')
      .digest('base64url');
    if (!found || challenge !== found.request.code_challenge || body.get('redirect_uri') !== found.request.redirect_uri)
      return json(response, { error: 'invalid_grant', error_description: '<b>free text</b>' }, 400);
    const id_token = await found.make(found.request);
    json(response, { access_token: randomUUID(), token_type: 'Bearer', expires_in: 60, id_token });
  }
}

function json(response: ServerResponse, body: object, status = 200): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
}

export const requestOf = (location: string): AuthorizationRequest =>
  Object.fromEntries(new URL(location).searchParams) as AuthorizationRequest;

interface Answered {
  status: number;
  location: string | null;
  body: Record<string, unknown>;
  text: string;
  headers: Headers;
}

/** A browser that goes from site to site: a jar of cookies for each host, and no redirect that it does not tell of. */
export class RoamingBrowser {
  private readonly jars = new Map<string, Map<string, string>>();

  /** `publicUrl` is what the portal calls itself; `url` is where it listens. */
  constructor(private readonly portal: { url: string; config: { http: { publicUrl: string } } }) {}

  async get(address: string, headers: Record<string, string> = {}): Promise<Answered> {
    return this.send('GET', address, undefined, headers);
  }

  post(path: string, body: object, headers: Record<string, string> = {}): Promise<Answered> {
    return this.send('POST', path, body, headers);
  }

  /** Sends a form, as the page of a provider does. */
  postForm(address: string, fields: Record<string, string>): Promise<Answered> {
    return this.send('POST', address, new URLSearchParams(fields), {});
  }

  /** The cookies that it would send to an address. */
  jar(address: string): Map<string, string> {
    const { host } = new URL(address, this.portal.config.http.publicUrl);
    const jar = this.jars.get(host) ?? new Map<string, string>();
    this.jars.set(host, jar);
    return jar;
  }

  /** Follows redirects until it leaves for the front end; resolves with that address. */
  async follow(address: string): Promise<URL> {
    let at = new URL(address, this.portal.config.http.publicUrl).href;
    for (let hops = 0; hops < 12; hops++) {
      const { location, status, body } = await this.get(at, { accept: 'text/html' });
      if (location === null) throw new Error(`no redirect from ${at}: ${status} ${JSON.stringify(body)}`);
      at = new URL(location, at).href;
      if (at.startsWith(`${this.portal.config.http.publicUrl}/sign-in`)) return new URL(at);
    }
    throw new Error('too many redirects');
  }

  private async send(
    method: string,
    path: string,
    body: object | undefined,
    headers: Record<string, string>,
  ): Promise<Answered> {
    const isForm = body instanceof URLSearchParams;
    const { publicUrl } = this.portal.config.http;
    const address = new URL(path, publicUrl).href;
    const jar = this.jar(address);
    const cookie = [...jar].map(([name, value]) => `${name}=${value}`).join('; ');
    const answer = await fetch(address.replace(publicUrl, this.portal.url), {
      method,
      redirect: 'manual',
      headers: {
        ...headers,
        ...(cookie === '' ? {} : { cookie }),
        ...(body === undefined || isForm ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: isForm ? body : JSON.stringify(body) }),
    });
    for (const line of answer.headers.getSetCookie()) {
      const [pair, ...attributes] = line.split('; ');
      const [name, value] = pair!.split(/=(.*)/s) as [string, string];
      const isGone = value === '' || attributes.some((one) => /^(max-age=0|expires=Thu, 01 Jan 1970)/i.test(one));
      if (isGone) jar.delete(name);
      else jar.set(name, value);
    }
    const text = await answer.text();
    const isJson = answer.headers.get('content-type')?.includes('json');
    return {
      status: answer.status,
      location: answer.headers.get('location'),
      body: isJson && text !== '' ? (JSON.parse(text) as Record<string, unknown>) : {},
      text,
      headers: answer.headers,
    };
  }
}
