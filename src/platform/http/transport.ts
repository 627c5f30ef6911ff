import type { FastifyRequest } from 'fastify';
import type { Transport } from './cookies.js';

/** What the body asks for (`"transport": "cookie"`); a route that does not take the field refuses it before its handler runs. */
export const transportAsked = ({ body }: Pick<FastifyRequest, 'body'>): Transport =>
  (body as { transport?: unknown } | null | undefined)?.transport === 'cookie' ? 'cookie' : 'bearer';

const SAFE = new Set(['GET', 'HEAD', 'OPTIONS']);
export const isSafe = (method: string): boolean => SAFE.has(method);

/**
 * Does a browser say that another site, or a sibling host, made it send this? Sec-Fetch-Site is the browser's own word
 * (Fetch Metadata, W3C); where it is missing, Origin must be the portal's. Neither comes from what is no browser.
 */
export function isCrossSite({ headers }: Pick<FastifyRequest, 'headers'>, publicUrl: string): boolean {
  const site = headers['sec-fetch-site'];
  if (site !== undefined) return site !== 'same-origin' && site !== 'none';
  return headers.origin !== undefined && headers.origin !== new URL(publicUrl).origin;
}
