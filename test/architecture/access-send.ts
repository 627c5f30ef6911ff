import type supertest from 'supertest';
import type { Portal } from '../harness/portal.js';
import type { Sent } from './access-requests.js';

/** The request of one cell of the table. */
export function send(
  portal: Portal,
  { route, sent, token, requestId }: { route: string; sent: Sent; token: string | null; requestId: string },
): supertest.Test {
  const [method, template] = route.split(' ') as [string, string];
  const path = template.replace(/:(\w+)|\*/g, (all, name: string = all) => sent.params![name]!);
  const url = sent.query === undefined ? path : `${path}?${sent.query}`;
  const request = portal.http[method.toLowerCase() as 'get'](url).set('X-Request-Id', requestId);
  if (sent.headers) void request.set(sent.headers);
  if (sent.form) return request.type('form').send(sent.form);
  if (token !== null) void request.set('Authorization', `Bearer ${token}`);
  if (sent.ifMatch !== undefined) void request.set('If-Match', `"${sent.ifMatch}"`);
  if (sent.bundle !== undefined) return request.set('Content-Type', 'application/fhir+json').send(sent.bundle);
  if (sent.lines !== undefined) return request.set('Content-Type', 'application/fhir+ndjson').send(sent.lines);
  if (sent.message !== undefined) return request.set('Content-Type', 'application/hl7-v2').send(sent.message);
  return sent.body === undefined ? request : request.send(sent.body);
}
