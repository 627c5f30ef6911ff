import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { Config } from '../../../platform/config/config.js';
import { Intake, type InboxLook } from './intake.js';

const config = { audit: { inboxRows: 100, inboxSeconds: 600 } } as Config;
const FULL: InboxLook = { rows: 101, oldestSeconds: 1 };
const LATE: InboxLook = { rows: 1, oldestSeconds: 601 };
const WELL: InboxLook = { rows: 90, oldestSeconds: 600 };
const BETWEEN: InboxLook = { rows: 95, oldestSeconds: 1 };

function after(...looks: InboxLook[]): boolean {
  const intake = new Intake(config);
  for (const look of looks) intake.looked(look);
  return intake.isOpen;
}

describe('the intake', () => {
  it('is open until three looks in a row find too much', () => {
    expect(after()).toBe(true);
    expect(after(FULL, FULL)).toBe(true);
    expect(after(FULL, LATE, FULL)).toBe(false);
    expect(after(FULL, FULL, WELL, FULL, FULL)).toBe(true);
  });

  it('opens only when clearly less waits: at the limit it stays as it was', () => {
    expect(after(FULL, FULL, FULL, BETWEEN)).toBe(false);
    expect(after(FULL, FULL, FULL, BETWEEN, WELL)).toBe(true);
    expect(after(BETWEEN, BETWEEN, BETWEEN)).toBe(true);
    expect(after(LATE, LATE, LATE, WELL, BETWEEN)).toBe(true);
  });

  it('counts one row more than it lets wait, and no further', () => {
    expect(new Intake(config).countTo).toBe(101);
  });

  it('is never closed by looks that find little, nor open after three that find too much', () => {
    const look = fc.record({ rows: fc.nat(101), oldestSeconds: fc.nat(1_000) });
    fc.assert(
      fc.property(fc.array(look), (looks) => {
        const isOver = ({ rows, oldestSeconds }: InboxLook): boolean => rows > 100 || oldestSeconds > 600;
        const last = looks.slice(-3);
        if (last.length === 3 && last.every(isOver)) expect(after(...looks)).toBe(false);
        const newest = looks.at(-1);
        if (newest && newest.rows <= 90 && newest.oldestSeconds <= 600) expect(after(...looks)).toBe(true);
      }),
    );
  });
});
