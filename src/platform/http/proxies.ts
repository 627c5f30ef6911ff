import type { FastifyRequest } from 'fastify';
import ipaddr from 'ipaddr.js';

/**
 * Does a proxy on this machine carry the request that TRUSTED_PROXIES does not name? All its clients, strangers among them, then
 * come from one address, which looks like this machine's own. Where it is named, Fastify has read on to the client (`ips`).
 */
export function isByUnnamedProxy({ headers, ip, ips = [ip] }: Pick<FastifyRequest, 'headers' | 'ip' | 'ips'>): boolean {
  const isForwarded = headers['x-forwarded-for'] !== undefined || headers.forwarded !== undefined;
  return isForwarded && ips.length === 1 && ipaddr.isValid(ip) && ipaddr.process(ip).range() === 'loopback';
}
