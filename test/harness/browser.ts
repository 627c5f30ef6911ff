import type supertest from 'supertest';
import type { Portal } from './portal.js';

type Method = 'get' | 'post' | 'patch' | 'put' | 'delete';

/** A browser at a page of the portal: keeps cookies as RFC 6265bis has it, and sends what browsers send of themselves. */
export class Browser {
  readonly jar = new Map<string, string>();
  csrfToken: string | null = null;

  constructor(
    readonly portal: Portal,
    readonly userAgent = 'Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0',
  ) {}

  get cookies(): string {
    return [...this.jar].map(([name, value]) => `${name}=${value}`).join('; ');
  }

  /** A request of the portal's own page; `csrf` null leaves the token out. */
  async send(
    method: Method,
    path: string,
    body?: object,
    csrf: string | null = this.csrfToken,
  ): Promise<supertest.Response> {
    const request = this.portal.http[method](path).set('User-Agent', this.userAgent);
    void request.set('Sec-Fetch-Site', 'same-origin').set('Origin', 'https://portal.test');
    if (this.jar.size > 0) void request.set('Cookie', this.cookies);
    if (csrf !== null && method !== 'get') void request.set('X-CSRF-Token', csrf);
    const answer = await (body === undefined ? request : request.send(body));
    this.keep(answer);
    return answer;
  }

  keep({ headers, body }: Pick<supertest.Response, 'headers' | 'body'>): void {
    for (const line of (headers['set-cookie'] ?? []) as unknown as string[]) {
      const [pair, ...attributes] = line.split('; ');
      const [name, value] = pair!.split('=') as [string, string];
      if (attributes.includes('Max-Age=0')) this.jar.delete(name);
      else this.jar.set(name, value);
    }
    this.csrfToken = (body as { csrfToken?: string }).csrfToken ?? this.csrfToken;
  }
}
