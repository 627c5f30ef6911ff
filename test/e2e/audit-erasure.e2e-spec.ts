import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Sequencer } from '../../src/modules/audit/sequencer.js';
import { openHospital, said, type Hospital } from '../harness/hospital.js';
import { checkLedger } from '../harness/ledger.js';

const AGENT = 'An agent that only Anna has/1.0';

describe('erasing where somebody came from', () => {
  let hospital: Hospital;
  let seq: number;
  let leafBefore: string;
  let disclosureBefore: string;

  const event = async () => {
    const { body } = await hospital.complianceOfficer.get(`/v1/audit/events/${seq}`).expect(200);
    return body as { address: string | null; userAgent: string | null; actorId: string };
  };
  const leaf = async () =>
    (await hospital.portal.owner.query<{ leaf: string }>('SELECT leaf FROM audit.entry WHERE idx = $1', [seq])).rows[0]!
      .leaf;
  const values = async (actor: string) =>
    (
      await hospital.portal.owner.query<{ disclosure: string }>(
        'SELECT disclosure FROM audit.disclosure WHERE actor = $1',
        [actor],
      )
    ).rows.map(({ disclosure }) => disclosure);
  const erase = (body: object) => hospital.complianceOfficer.post('/v1/audit/erasures', body);

  beforeAll(async () => {
    hospital = await openHospital();
    const { portal, anna } = hospital;
    await anna.get('/v1/me').set('user-agent', AGENT).expect(200);
    await portal.app.get(Sequencer).sequence();
    const { rows } = await portal.owner.query<{ idx: string }>(
      `SELECT e.idx FROM audit.entry e JOIN audit.disclosure d ON e.leaf LIKE '%' || d.digest || '%' WHERE e.actor = $1
        AND convert_from(decode(translate(d.disclosure, '-_', '+/') || repeat('=', (4 - length(d.disclosure) % 4) % 4), 'base64'), 'UTF8') LIKE '%' || $2 || '%'`,
      [anna.id, AGENT],
    );
    seq = Number(rows[0]!.idx);
    leafBefore = await leaf();
    disclosureBefore = (await values(anna.id)).find((one) => Buffer.from(one, 'base64url').toString().includes(AGENT))!;
  });

  afterAll(async () => {
    await checkLedger(hospital.portal);
    await hospital.portal.close();
  });

  it('shows it until then, out of a digest that only the value and its salt open', async () => {
    expect(await event()).toMatchObject({ userAgent: AGENT, actorId: hospital.anna.id });
    const digest = createHash('sha256').update(disclosureBefore).digest('base64url');
    expect((JSON.parse(leafBefore) as { e: { net: { _sd: string[] } } }).e.net._sd).toEqual([digest]);
  });

  it('takes away nothing that was not asked for', async () => {
    const { body } = await erase({ accountId: hospital.bela.id, reason: 'Bela asked' }).expect(201);
    expect((body as { erased: number }).erased).toBeGreaterThan(0);
    const old = await erase({ accountId: hospital.anna.id, before: '2001-01-01T00:00:00Z', reason: 'of age' });
    expect(old.body).toMatchObject({ erased: 0, before: '2001-01-01T00:00:00.000Z' });
    expect(said(await erase({ reason: 'all of it' }))).toEqual([422, 'audit.erasure-of-everything']);
    expect(said(await erase({ accountId: hospital.anna.id }))).toEqual([400, 'http.invalid']);
    expect((await event()).userAgent).toBe(AGENT);
  });

  it('leaves the leaf as it was and nothing that would open it, and says who had it done and why', async () => {
    const { anna, portal, complianceOfficer } = hospital;
    const { body } = await erase({ accountId: anna.id, reason: 'Anna asked for it in writing' }).expect(201);
    expect(await event()).toMatchObject({ address: null, userAgent: null, actorId: anna.id });
    expect(await leaf()).toBe(leafBefore);
    expect(await values(anna.id)).toEqual([]);
    const { rows } = await portal.owner.query(
      'SELECT account_id, reason, erased_by, erased FROM audit.erasure WHERE erasure_id = $1',
      [(body as { id: string }).id],
    );
    expect(rows).toEqual([
      {
        account_id: anna.id,
        reason: 'Anna asked for it in writing',
        erased_by: complianceOfficer.id,
        erased: (body as { erased: number }).erased,
      },
    ]);
    await portal.app.get(Sequencer).sequence();
    const { body: found } = await complianceOfficer.get('/v1/audit/events?action=AuditErasure.create&outcome=success');
    expect((found as { items: { touched: { id: string }[] }[] }).items[0]!.touched.map(({ id }) => id)).toEqual([
      (body as { id: string }).id,
      anna.id,
    ]);
    const { rows: told } = await portal.owner.query(`SELECT 1 FROM audit.entry WHERE leaf LIKE '%in writing%'`);
    expect(told).toEqual([]);
  });

  it('is written down for good, even for the owner of the database', async () => {
    const { owner } = hospital.portal;
    await expect(owner.query(`UPDATE audit.erasure SET reason = 'another'`)).rejects.toThrow('append-only');
    await expect(owner.query('DELETE FROM audit.erasure')).rejects.toThrow('append-only');
    await expect(owner.query('TRUNCATE audit.erasure')).rejects.toThrow('append-only');
  });
});
