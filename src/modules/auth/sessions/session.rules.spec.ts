import { describe, expect, it } from '@jest/globals';
import type { Role } from '../../../platform/access/vocabulary.js';
import { deviceOf, limitsFor, verdictOf, type SessionState } from './session.rules.js';

const start = new Date('2026-11-22T08:00:00Z');
const at = (seconds: number) => new Date(start.getTime() + seconds * 1000);
const session = (change: Partial<SessionState> = {}): SessionState => ({
  createdAt: start,
  lastActiveAt: start,
  idleSeconds: 900,
  expiresAt: at(43_200),
  endedAt: null,
  ...change,
});

describe('verdictOf', () => {
  it.each([
    ['just opened', session(), 0, 'live'],
    ['one second before the idle limit', session(), 899, 'live'],
    ['at the idle limit', session(), 900, 'idle'],
    ['active again since', session({ lastActiveAt: at(600) }), 1499, 'live'],
    ['one second before its end', session({ lastActiveAt: at(43_199) }), 43_199, 'live'],
    ['at its end, however active', session({ lastActiveAt: at(43_199) }), 43_200, 'expired'],
    ['idle and past its end', session(), 50_000, 'expired'],
    ['ended, also when nothing else is wrong', session({ endedAt: at(1) }), 2, 'ended'],
  ] as const)('%s', (_, state, seconds, verdict) => {
    expect(verdictOf(state, at(seconds))).toBe(verdict);
  });
});

describe('limitsFor', () => {
  const sessions = {
    patient: { idleSeconds: 900, absoluteSeconds: 43_200 },
    staff: { idleSeconds: 600, absoluteSeconds: 28_800 },
    accessTokenSeconds: 300,
  };
  const limits = (...roles: Role[]) => limitsFor(new Set(roles), sessions);

  it('gives staff the shorter session, also when they are patients too', () => {
    expect(limits('clinician')).toEqual(sessions.staff);
    expect(limits('patient', 'admin')).toEqual(sessions.staff);
  });

  it('gives patients and their proxies theirs, and nobody in particular no more', () => {
    expect(limits('patient')).toEqual(sessions.patient);
    expect(limits('proxy')).toEqual(sessions.patient);
    expect(limits()).toEqual(sessions.patient);
  });
});

describe('deviceOf', () => {
  it.each([
    ['Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0', 'Firefox on Windows'],
    [
      'Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 Version/18.0 Mobile/15E148 Safari/604.1',
      'Safari on iPhone',
    ],
    [
      'Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 Chrome/140.0.0.0 Mobile Safari/537.36',
      'Chrome on Android',
    ],
    [
      'Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/140.0.0.0 Safari/537.36 Edg/140.0.0.0',
      'Edge on Windows',
    ],
    ['curl/8.5.0', 'curl'],
    ['', 'Unknown device'],
    ['<script>alert(1)</script>', 'Unknown device'],
  ])('%s', (userAgent, words) => {
    expect(deviceOf(userAgent)).toBe(words);
  });
});
