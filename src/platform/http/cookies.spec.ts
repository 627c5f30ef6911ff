import { fastifyCookie } from '@fastify/cookie';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { fastify } from 'fastify';
import { Cookies } from './cookies.js';

// The library loads its parser with its plugin.
beforeAll(async () => {
  await fastify().register(fastifyCookie, { hook: false });
});

const NAME = '__Host-portico-access';

describe('the cookies of a request', () => {
  it.each([
    [undefined, null],
    ['', null],
    [`${NAME}=a.b.c`, 'a.b.c'],
    [`theme=dark; ${NAME}=a.b.c; x=y`, 'a.b.c'],
    [`${NAME}=`, null],
    [`${NAME}`, null],
    ['portico-access=a', null],
    [`x${NAME}=a`, null],
    // Two of them, in whatever way.
    [`${NAME}=a; ${NAME}=b`, null],
    [`${NAME}=a; x=${NAME}=b`, null],
    // Names that a sibling host may set and that a parser would take for ours.
    [`=${NAME}=planted`, null],
    [`x=y; =${NAME}=planted`, null],
    [`\u00a0${NAME}=planted`, null],
    [`x=y; \u00a0${NAME}=planted`, null],
    [`x=y;\t${NAME}=planted`, null],
    [`x=y;${NAME}=planted`, null],
    [`x=y,${NAME}=planted`, null],
    [`${NAME} =planted`, null],
  ])('%j', (header, value) => {
    expect(new Cookies(header).get('access')).toBe(value);
  });
});

describe('the cookies of an answer', () => {
  it('are for this host, over HTTPS, from its own pages, out of reach of scripts', () => {
    const cookies = new Cookies(undefined);
    cookies.set('access', 'a.b.c');
    cookies.set('device', 'd', { maxAgeSeconds: 60.9 });
    cookies.set('sso', 's', { sameSite: 'lax' });
    expect(cookies.lines()).toEqual([
      '__Host-portico-access=a.b.c; Path=/; HttpOnly; Secure; SameSite=Strict',
      '__Host-portico-device=d; Max-Age=60; Path=/; HttpOnly; Secure; SameSite=Strict',
      '__Host-portico-sso=s; Path=/; HttpOnly; Secure; SameSite=Lax',
    ]);
  });

  it('are cleared under the same attributes, and the last word counts', () => {
    const cookies = new Cookies(undefined);
    cookies.set('access', 'a');
    cookies.clear('access');
    expect(cookies.lines()).toEqual(['__Host-portico-access=; Max-Age=0; Path=/; HttpOnly; Secure; SameSite=Strict']);
  });
});
