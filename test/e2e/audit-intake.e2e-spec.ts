import { randomUUID } from 'node:crypto';
import { connect } from 'node:net';
import { afterEach, describe, expect, it } from '@jest/globals';
import { Sequencer } from '../../src/modules/audit/sequencer.js';
import {
  aged,
  alarmed,
  check,
  checked,
  healthFor,
  look,
  something,
  watched,
  withoutSequencer,
} from '../harness/faults.js';
import type { Caller } from '../harness/people.js';
import type { Portal } from '../harness/portal.js';

let portal: Portal;
let officer: Caller;

async function open(env: Record<string, string>): Promise<void> {
  ({ portal, officer } = await watched(env));
}

afterEach(() => checked(portal));

describe('the intake', () => {
  const refused = async (): Promise<void> => {
    const answer = await portal.http.get('/v1/nothing');
    expect([answer.status, answer.body]).toEqual([503, expect.objectContaining({ code: 'audit.unavailable' })]);
    expect(answer.headers['retry-after']).toBe('2');
    expect(answer.headers['content-type']).toContain('application/problem+json');
  };
  const events = async (): Promise<number> =>
    (await portal.owner.query<{ n: number }>('SELECT count(*)::int AS n FROM audit.inbox')).rows[0]!.n;

  it('closes when too many events wait, also for writes and the health page, and opens when they are fewer', async () => {
    await open({ AUDIT_INBOX_ROWS: '20' });
    await withoutSequencer(portal, async () => {
      for (let n = 0; n < 21; n++) await something(portal);
      // A sequencer that was away for a moment catches up.
      await look(portal, 2);
      await something(portal);
      await look(portal, 1);
      const before = await events();
      await refused();
      await portal.http.get('/health/ready').expect(503);
      await officer.get('/v1/me').expect(503);
      await portal.http.post('/v1/auth/login').send({ username: 'somebody', password: 'wrong' }).expect(503);
      // Whether the process lives is no matter of the trail.
      await portal.http.get('/health/live').expect(200);
      await look(portal, 1);
      // What is refused adds nothing but the alarm's own event.
      expect((await events()) - before).toBeLessThanOrEqual(1);
      expect(check(portal, 'audit-intake')).toMatchObject({ status: 'alarm', code: 'audit.intake-closed' });
    });
    await portal.app.get(Sequencer).sequence();
    await refused();
    await look(portal, 1);
    await something(portal);
    expect((await healthFor(officer)).inbox.open).toBe(true);
    expect(await alarmed(portal, 'audit.intake-closed')).toEqual([1, 1]);
  });

  it("closes when the oldest has waited too long by the database's clock, and stays so while nobody can look", async () => {
    await open({ AUDIT_INBOX_MINUTES: '10' });
    await withoutSequencer(portal, async () => {
      await something(portal);
      await aged(portal, '11 minutes');
      await look(portal, 3);
      await refused();
    });
    await portal.owner.query('REVOKE SELECT ON audit.inbox FROM portico_sequencer');
    await portal.app.get(Sequencer).sequence();
    await look(portal, 2);
    await refused();
    expect(portal.log.filter(({ msg }) => msg === 'the ledger cannot be watched')).toHaveLength(1);
    await portal.owner.query('GRANT SELECT ON audit.inbox TO portico_sequencer');
    await look(portal, 1);
    await something(portal);
  });

  it('refuses while it is closed also what never becomes a request, and stores no event of it', async () => {
    await open({ AUDIT_INBOX_ROWS: '5' });
    await withoutSequencer(portal, async () => {
      for (let n = 0; n < 6; n++) await something(portal);
      await look(portal, 3);
      await refused();
      // Garbage is refused before it becomes a request, and adds no event either.
      const before = await events();
      const socket = connect(Number(new URL(portal.url).port), '127.0.0.1');
      const text = await new Promise<string>((resolve) => {
        let all = '';
        socket.on('data', (data) => (all += data.toString())).on('close', () => resolve(all));
        socket.write(`NONSENSE ${randomUUID()}\r\n\r\n`);
      });
      expect(text).toMatch(/^HTTP\/1\.1 503 /);
      expect(text).toContain('audit.unavailable');
      expect(await events()).toBe(before);
    });
  });
});
