import { createHash } from 'node:crypto';
import { TLSSocket } from 'node:tls';
import type { FastifyRequest } from 'fastify';
import ipaddr from 'ipaddr.js';
import type { Config } from '../config/config.js';

/** RFC 8705 section 3.1 (`x5t#S256`): SHA-256 of the certificate's DER, base64url. */
export const certificateThumbprint = (der: Buffer): string => createHash('sha256').update(der).digest('base64url');

const isWithin = (address: string, networks: readonly string[]): boolean => {
  if (!ipaddr.isValid(address)) return false;
  const parsed = ipaddr.process(address);
  return networks.some((network) => {
    const [base, bits] = network.includes('/')
      ? ipaddr.parseCIDR(network)
      : [ipaddr.parse(network), parsed.kind() === 'ipv4' ? 32 : 128];
    return parsed.kind() === base.kind() && parsed.match(base, bits);
  });
};

const MAX_HEADER = 12_000;
const BASE64 = /^[A-Za-z0-9+/]+={0,2}$/;
const PEM = /^-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]+)-----END CERTIFICATE-----\s*$/;

/**
 * DER of the certificate in a proxy's header: RFC 9440 `Client-Cert` (base64 between colons), or percent-encoded PEM as nginx's
 * `$ssl_client_escaped_cert` gives it. Null for everything else.
 */
export function derInHeader(value: string | string[] | undefined): Buffer | null {
  if (typeof value !== 'string' || value.length > MAX_HEADER) return null;
  const between = /^:(.+):$/.exec(value)?.[1];
  if (between !== undefined) return BASE64.test(between) ? Buffer.from(between, 'base64') : null;
  try {
    const text = PEM.exec(decodeURIComponent(value))?.[1]?.replace(/\s/g, '');
    return text !== undefined && BASE64.test(text) ? Buffer.from(text, 'base64') : null;
  } catch {
    return null;
  }
}

/**
 * The client's certificate of mutual TLS, whose chain was checked: by this server against TLS_CLIENT_CA_FILE, or by a trusted
 * proxy that names it in TLS_CLIENT_CERT_HEADER. The header counts from nobody else.
 */
export class ClientCertificates {
  private readonly header: string | null;
  private readonly proxies: readonly string[];

  constructor({ http }: Pick<Config, 'http'>) {
    this.header = http.clientCertHeader;
    this.proxies = http.trustedProxies;
  }

  /** Its thumbprint, or null when there is none that counts. */
  of(request: FastifyRequest): string | null {
    const { socket } = request.raw;
    if (this.header !== null && isWithin(socket.remoteAddress ?? '', this.proxies)) {
      const der = derInHeader(request.headers[this.header]);
      return der && certificateThumbprint(der);
    }
    if (!(socket instanceof TLSSocket) || !socket.authorized) return null;
    const raw = socket.getPeerX509Certificate()?.raw;
    return raw ? certificateThumbprint(raw) : null;
  }
}
