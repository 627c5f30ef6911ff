import { describe, expect, it } from '@jest/globals';
import { maskedNumber, mobileNumberOf } from './phone-numbers.js';

describe('mobileNumberOf', () => {
  it.each([
    ['a mobile number of Germany', '+4915112345678', '+4915112345678'],
    ['spaces and brackets', ' +49 (151) 123-45678', '+4915112345678'],
    ['the United Kingdom', '+44 7911 123456', '+447911123456'],
    ['the United States, where mobile and fixed look alike', '+1 212 555 2368', '+12125552368'],
    ['a fixed line', '+49 30 123456', null],
    ['a premium number', '+44 909 879 0123', null],
    ['no country', '0151 12345678', null],
    ['an extension', '+1 212 555 2368 ext. 5', null],
    ['too short', '+49151', null],
    ['text around it', 'call +4915112345678', null],
    ['letters', '+1 800 FLOWERS', null],
    ['nothing', ' ', null],
  ])('%s', (_, typed, number) => {
    expect(mobileNumberOf(typed)).toBe(number);
  });
});

describe('maskedNumber', () => {
  it('shows the last two digits', () => {
    expect(maskedNumber('+4915112345678')).toBe('•••• 78');
  });
});
