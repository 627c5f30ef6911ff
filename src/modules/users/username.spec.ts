import { describe, expect, it } from '@jest/globals';
import { USERNAME, normaliseUsername, usernameKey } from './username.js';

describe('usernameKey', () => {
  it.each([
    ['Anna.Berg', 'anna.berg'],
    ['  anna.berg ', 'anna.berg'],
    ['ＡＮＮＡ', 'anna'],
    ['Zoe\u0308', 'zoë'],
    ['anna@example.org', 'anna@example.org'],
  ])('%j is looked up as %j', (given, key) => expect(usernameKey(given)).toBe(key));
});

describe('USERNAME', () => {
  it.each(['abc', 'anna.berg', 'müller_1', 'a@b.example', 'x'.repeat(64)])('takes %j', (name) =>
    expect(USERNAME.test(normaliseUsername(name))).toBe(true),
  );
  it.each(['ab', '', 'a b c', 'anna\u200bberg', 'anna\u0000', "o'hara", 'anna\n', 'x'.repeat(65)])(
    'refuses %j',
    (name) => expect(USERNAME.test(name)).toBe(false),
  );
});
