import { fastifyCookie } from '@fastify/cookie';

/** How a browser asked at sign-in to carry its session: in a header of its own making, or in cookies that scripts cannot read. */
export type Transport = 'bearer' | 'cookie';

export interface CookieOptions {
  /** Left out: the cookie goes with the browser's own session. */
  maxAgeSeconds?: number;
  /** `lax` only for what must come back with a navigation from another site, such as the state of a single sign-on. */
  sameSite?: 'strict' | 'lax';
}

/** RFC 6265bis §4.1.3.2: a browser takes this name only over HTTPS, for this one host, for all paths; no sibling host can set it. */
const nameOf = (name: string): string => `__Host-portico-${name}`;

/**
 * The cookies of one request, and those that its answer sets: only with success, and never with fewer attributes than
 * Secure, HttpOnly, SameSite and the whole path.
 */
export class Cookies {
  private readonly changes = new Map<string, string>();

  constructor(private readonly header: string | undefined) {}

  /**
   * The value of our cookie; null where there is none, or more than one. Its name must stand where browsers write one: what
   * parsers make of odd white space or of an empty name would let a sibling host plant it after all.
   */
  get(name: string): string | null {
    const full = nameOf(name);
    if (this.header === undefined || this.header.split(full).length !== 2) return null;
    if (!new RegExp(`(?:^|; )${full}=`).test(this.header)) return null;
    return fastifyCookie.parse(this.header)[full] || null;
  }

  set(name: string, value: string, { maxAgeSeconds, sameSite = 'strict' }: CookieOptions = {}): void {
    const full = nameOf(name);
    const line = fastifyCookie.serialize(full, value, {
      path: '/',
      secure: true,
      httpOnly: true,
      sameSite,
      ...(maxAgeSeconds === undefined ? {} : { maxAge: Math.max(0, Math.floor(maxAgeSeconds)) }),
    });
    this.changes.set(full, line);
  }

  clear(name: string): void {
    this.set(name, '', { maxAgeSeconds: 0 });
  }

  /** Values of the Set-Cookie headers. */
  lines(): string[] {
    return [...this.changes.values()];
  }
}
