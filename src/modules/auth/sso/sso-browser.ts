import { randomToken } from '../../../platform/crypto/index.js';
import type { Ctx } from '../../../platform/access/context.js';

const COOKIE = 'sso';
/** Longer than everything that is bound to it. */
const SECONDS = 15 * 60;
const FORM = /^[\w-]{43}$/;

/** The token that ties a sign-in to the browser that began it; null where there is none. */
export function browserOf(ctx: Pick<Ctx, 'cookies'>): string | null {
  const token = ctx.cookies.get(COOKIE);
  return token !== null && FORM.test(token) ? token : null;
}

/**
 * Gives the browser its token, or lets it keep the one that it has, so that two tabs can sign in at once: nobody but this
 * origin can set a `__Host-` cookie. Lax, because the provider sends the browser back from another site.
 */
export function markBrowser(ctx: Pick<Ctx, 'cookies'>): string {
  const token = browserOf(ctx) ?? randomToken();
  ctx.cookies.set(COOKIE, token, { maxAgeSeconds: SECONDS, sameSite: 'lax' });
  return token;
}

export const forgetBrowser = (ctx: Pick<Ctx, 'cookies'>): void => ctx.cookies.clear(COOKIE);
