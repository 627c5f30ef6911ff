import type { SsoProvider } from '../../../platform/config/sso-providers.js';

/** Largest answer of a provider: metadata, keys and tokens are far smaller. */
const MAX_BYTES = 512 * 1024;

type Options = Omit<RequestInit, 'redirect'>;

async function limited(response: Response): Promise<Response> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of (response.body ?? []) as AsyncIterable<Uint8Array>) {
    size += chunk.length;
    if (size > MAX_BYTES) throw new TypeError('an identity provider answered too much');
    chunks.push(chunk);
  }
  const body = chunks.length === 0 ? null : Buffer.concat(chunks);
  return new Response(body, { status: response.status, headers: response.headers });
}

/**
 * The one way in which a provider is called: only over HTTPS, only at the hosts of its configuration whatever its metadata
 * name, never following a redirect, and never reading without end (OWASP SSRF prevention; ASVS 5.0 V10.5.3).
 */
export function fetchOf(provider: Pick<SsoProvider, 'hosts' | 'allowInsecureHttp'>) {
  return async (address: string, options: Options): Promise<Response> => {
    if (!isOf(provider, address)) throw new TypeError('an identity provider named a host that is not its own');
    return limited(await fetch(address, { ...options, redirect: 'manual' }));
  };
}

/** Is this address at one of the provider's configured hosts? */
export function isOf({ hosts, allowInsecureHttp }: Pick<SsoProvider, 'hosts' | 'allowInsecureHttp'>, address: string) {
  if (!URL.canParse(address)) return false;
  const { protocol, host, username, password } = new URL(address);
  const isSecure = protocol === 'https:' || (allowInsecureHttp && protocol === 'http:');
  return isSecure && username === '' && password === '' && hosts.includes(host);
}
