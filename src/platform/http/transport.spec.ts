import { describe, expect, it } from '@jest/globals';
import { isCrossSite, transportAsked } from './transport.js';

describe('isCrossSite', () => {
  const PUBLIC = 'https://portal.test/base';
  it.each([
    [{}, false],
    [{ 'sec-fetch-site': 'same-origin' }, false],
    [{ 'sec-fetch-site': 'none' }, false],
    [{ 'sec-fetch-site': 'same-site' }, true],
    [{ 'sec-fetch-site': 'cross-site' }, true],
    [{ 'sec-fetch-site': 'cross-site', origin: 'https://portal.test' }, true],
    [{ 'sec-fetch-site': '' }, true],
    [{ 'sec-fetch-site': 'SAME-ORIGIN' }, true],
    [{ origin: 'https://portal.test' }, false],
    [{ origin: 'http://portal.test' }, true],
    [{ origin: 'https://portal.test:444' }, true],
    [{ origin: 'https://portal.test.evil.example' }, true],
    [{ origin: 'https://sub.portal.test' }, true],
    [{ origin: 'null' }, true],
    [{ origin: '' }, true],
  ])('%j', (headers, isCross) => {
    expect(isCrossSite({ headers }, PUBLIC)).toBe(isCross);
  });
});

describe('transportAsked', () => {
  it.each([
    [undefined, 'bearer'],
    [null, 'bearer'],
    ['cookie', 'bearer'],
    [{}, 'bearer'],
    [{ transport: 'bearer' }, 'bearer'],
    [{ transport: ['cookie'] }, 'bearer'],
    [{ transport: 'cookie' }, 'cookie'],
  ])('%j', (body, transport) => {
    expect(transportAsked({ body })).toBe(transport);
  });
});
