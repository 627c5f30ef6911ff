import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { readHl7Feeds } from './hl7-feeds.js';

const folder = mkdtempSync(join(tmpdir(), 'portico-hl7-feeds-'));

function problemsOf(content: unknown): string[] {
  const path = join(folder, 'feeds.json');
  writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content));
  const problems: string[] = [];
  readHl7Feeds(path, problems);
  return problems;
}

const FEED = { source: 'https://lab.test', senders: [{ facility: 'LAB' }] };

describe('the file of HL7 feeds', () => {
  it('is read with what is not said: this machine alone, production alone, ASCII, UTC', () => {
    const path = join(folder, 'good.json');
    writeFileSync(path, JSON.stringify([FEED]));
    const problems: string[] = [];
    expect(readHl7Feeds(path, problems)).toEqual([
      {
        source: 'https://lab.test',
        senders: [{ application: undefined, facility: 'LAB' }],
        networks: ['127.0.0.0/8', '::1/128'],
        certificates: [],
        systems: {},
        processingIds: ['P'],
        timeZone: 'UTC',
        charset: 'ASCII',
      },
    ]);
    expect(problems).toEqual([]);
    expect(readHl7Feeds('', problems)).toEqual([]);
  });

  it.each([
    ['no JSON', 'cannot be read as JSON'],
    [{}, 'must hold a list'],
    [[{ ...FEED, senders: [] }], 'senders'],
    [[{ source: 'x' }], 'senders'],
    [[{ ...FEED, sender: 'LAB' }], 'sender'],
    [[{ ...FEED, networks: ['10.0.0.0/99'] }], 'is no CIDR'],
    [[{ ...FEED, certificates: ['AA:BB'] }], 'SHA-256'],
    [[{ ...FEED, timeZone: 'Mars/Base' }], 'no zone'],
    [[{ ...FEED, processingIds: ['X'] }], 'P, T or D'],
    [[{ ...FEED, systems: { MAIN: 'no uri' } }], 'is no URI'],
    [[FEED, FEED], 'the same source'],
  ])('of %j is refused, with why', (content, why) => {
    expect(problemsOf(content).join()).toContain(why);
  });
});
