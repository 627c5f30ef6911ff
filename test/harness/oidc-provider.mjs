/**
 * A real OpenID Connect provider (oidc-provider) in a thread of its own: it does not take objects of Jest's realm for plain ones.
 * Its people sign in without a page; `PUT /people` says who is known and who signs in next.
 */
import { createServer } from 'node:http';
import { parentPort, workerData } from 'node:worker_threads';
import Provider from 'oidc-provider';

const { clientId, redirectUri, logoutUri, clientKey, signingKey } = workerData;
const publicUrl = new URL(redirectUri).origin;
const people = new Map();
/** `next` signs in at the next interaction; `reach` is where what is sent to the portal's public address really goes. */
const now = { next: '', reach: publicUrl };
let provider;

const server = createServer(async (request, response) => {
  if (request.method === 'PUT' && request.url === '/people') {
    const chunks = await request.toArray();
    const { known = {}, ...more } = JSON.parse(Buffer.concat(chunks).toString());
    for (const [sub, person] of Object.entries(known)) people.set(sub, person);
    Object.assign(now, more);
    return response.writeHead(204).end();
  }
  if (!request.url.startsWith('/interaction/')) return provider.callback()(request, response);
  const { acr, amr } = people.get(now.next);
  await provider.interactionFinished(request, response, { login: { accountId: now.next, acr, amr } });
});

await new Promise((done) => server.listen(0, '127.0.0.1', done));
const issuer = `http://127.0.0.1:${server.address().port}`;

provider = new Provider(issuer, {
  clients: [
    {
      client_id: clientId,
      token_endpoint_auth_method: 'private_key_jwt',
      token_endpoint_auth_signing_alg: 'ES256',
      jwks: { keys: [clientKey] },
      redirect_uris: [redirectUri],
      post_logout_redirect_uris: [`${publicUrl}/sign-in`],
      backchannel_logout_uri: logoutUri,
      backchannel_logout_session_required: true,
      grant_types: ['authorization_code'],
      response_types: ['code'],
    },
  ],
  jwks: { keys: [signingKey] },
  cookies: { keys: ['of the test'] },
  conformIdTokenClaims: false,
  scopes: ['openid', 'profile', 'email', 'work'],
  claims: {
    openid: ['sub'],
    profile: ['name', 'preferred_username', 'family_name', 'given_name'],
    email: ['email'],
    work: ['groups', 'npi', 'acr', 'amr'],
    auth_time: null,
    sid: null,
  },
  acrValues: ['urn:two-factors'],
  // Not required, so that a test can take it away and see what becomes of the answer.
  pkce: { required: () => false },
  features: {
    devInteractions: { enabled: false },
    backchannelLogout: { enabled: true },
    rpInitiatedLogout: {
      enabled: true,
      logoutSource: (ctx, form) => {
        ctx.body = form;
      },
      postLogoutSuccessSource: (ctx) => {
        ctx.body = 'gone';
      },
    },
  },
  renderError: (ctx, { error, error_description }) => {
    ctx.body = { error, error_description };
  },
  interactions: { url: (_, { uid }) => `/interaction/${uid}` },
  findAccount: (_, sub) => ({ accountId: sub, claims: () => ({ sub, ...people.get(sub).claims }) }),
  loadExistingGrant: async (ctx) => {
    const { client, session } = ctx.oidc;
    const grant = new provider.Grant({ clientId: client.clientId, accountId: session.accountId });
    grant.addOIDCScope('openid profile email work');
    await grant.save();
    return grant;
  },
  // Its own dispatcher refuses addresses of this machine.
  fetch: (url, { dispatcher: _, ...options }) => fetch(String(url).replace(publicUrl, now.reach), options),
});

parentPort.postMessage(issuer);
