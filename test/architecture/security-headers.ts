import { expect } from '@jest/globals';

/**
 * What every answer carries, written from the requirements; only the documentation's pages have a policy of their own, and
 * only what is about nobody may be kept by caches.
 */
export function expectSecurityHeaders(
  { headers }: { headers: Record<string, string> },
  isPage = false,
  cached = 'no-store',
): void {
  expect(headers).toMatchObject({
    'cache-control': cached,
    'cross-origin-resource-policy': 'same-origin',
    'referrer-policy': 'no-referrer',
    'strict-transport-security': expect.stringMatching(/^max-age=\d{8}/),
    'x-content-type-options': 'nosniff',
    'x-frame-options': 'DENY',
    'x-request-id': expect.stringMatching(/^[0-9a-f-]{36}$/),
    'content-security-policy': isPage
      ? expect.stringContaining("default-src 'none'")
      : "default-src 'none'; frame-ancestors 'none'",
  });
  expect(headers['content-security-policy']).toContain("frame-ancestors 'none'");
  expect(Object.keys(headers)).not.toContain('x-powered-by');
  expect(Object.keys(headers)).not.toContain('server');
}
