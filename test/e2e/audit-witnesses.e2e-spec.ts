import { afterEach, describe, expect, it } from '@jest/globals';
import { cosignatureTime, isSignedBy, parseNote, parseVerifierKey } from '../../src/tlog/index.js';
import {
  closeAnchors,
  disputes,
  done,
  folder,
  hand,
  logKey,
  published,
  serve,
  states,
  told,
  witness,
  witnesses,
} from '../harness/anchors.js';
import { checkLedger } from '../harness/ledger.js';
import { ORIGIN, portalOn, report, sealed } from '../harness/sealing.js';

afterEach(closeAnchors);

describe('a witness', () => {
  const settings = (...all: { url: string; vkey: string }[]) => ({
    AUDIT_WITNESSES: all.map(({ url, vkey }) => `${url}=${vkey}`).join(','),
  });

  it('countersigns every checkpoint, and what is published bears the signatures of all', async () => {
    const all = [await witness('officer.test/w1'), await witness('officer.test/w2')];
    const portal = await portalOn({ env: settings(...all) });
    for (const count of [1, 255, 600, 1]) {
      await sealed(portal, count);
      await hand(portal);
      const note = parseNote(await published(portal));
      expect(note.signatures.map(({ name }) => name)).toEqual([ORIGIN, 'officer.test/w1', 'officer.test/w2']);
      for (const vkey of [await logKey(), ...all.map((one) => one.vkey)])
        expect(isSignedBy(note, parseVerifierKey(vkey))).toBe(true);
    }
    expect(await states(portal)).toEqual([done('witness officer.test/w1', 857), done('witness officer.test/w2', 857)]);
    // Again after ten minutes: the newer line stands in place of the older.
    const before = cosignatureTime(parseNote(await published(portal)).signatures[1]!);
    portal.clock.forward(601);
    await hand(portal);
    const again = parseNote(await published(portal)).signatures;
    expect(again).toHaveLength(3);
    expect(cosignatureTime(again[1]!)).toBeGreaterThanOrEqual(before);
    await checkLedger(portal);
  });

  it('that was away, or has a memory that we do not know of, is led on from where it is', async () => {
    const state = folder();
    const first = await witness('officer.test/w1', state);
    const portal = await portalOn({ env: settings(first) });
    await sealed(portal, 300);
    await hand(portal);
    await portal.owner.query('DELETE FROM audit.anchor');
    await sealed(portal, 77);
    await hand(portal);
    expect(await states(portal)).toEqual([done('witness officer.test/w1', 377)]);
    await witnesses.pop()!.close();
    await sealed(portal, 5);
    await hand(portal);
    expect((await states(portal))[0]).toMatchObject({ failures: 1, failure: 'audit.anchor-failed: ECONNREFUSED' });
    expect(parseNote(await published(portal)).signatures).toHaveLength(1);
  });

  it('that has seen further than the log goes, or another log, is evidence: told and audited', async () => {
    const one = await witness('officer.test/w1');
    const portal = await portalOn({ env: settings(one) });
    await sealed(portal, 300);
    await hand(portal);
    // The same key has signed for another database: this one was restored, as far as the witness can tell.
    const restored = await portalOn({ env: settings(one) });
    await sealed(restored, 100);
    await hand(restored);
    await hand(restored);
    expect(told(restored)).toEqual([
      ['audit.witness-ahead', 'witness officer.test/w1: the witness has signed 300 entries, the log is at 100'],
    ]);
    expect(await disputes(restored)).toEqual(['audit.witness-ahead']);

    const other = await portalOn({ env: settings(one) });
    await other.http.get('/health/ready').expect(200);
    await sealed(other, 299);
    expect(report(other).size).toBe(300);
    await hand(other);
    await sealed(other, 7);
    other.clock.forward(11);
    await hand(other);
    expect(told(other)).toEqual([
      ['audit.witness-conflict', 'witness officer.test/w1: the witness has signed another log of 300 entries'],
    ]);
    expect(await disputes(other)).toEqual(['audit.witness-conflict']);
    expect((await states(other))[0]).toMatchObject({ size: null, failures: 2 });
  });

  it.each([
    ['nothing', 200, ''],
    ['no signature line', 200, 'signed\n'],
    ['the line of another', 200, 'OTHER'],
    ['a signature of another checkpoint', 200, 'REPLAY'],
    ['too much', 200, 'x'.repeat(20_000)],
    ['a size that is none', 409, 'many\n'],
    ['a refusal', 403, ''],
  ])('is believed nothing that it has not signed: it answers %s', async (_, status, reply) => {
    const real = await witness('officer.test/w1');
    const stranger = await witness('officer.test/w1', folder());
    let line = '';
    const url = await serve((__, response) => {
      response.writeHead(status).end(reply === 'OTHER' || reply === 'REPLAY' ? line : reply);
    });
    const portal = await portalOn({ env: settings({ url, vkey: real.vkey }) });
    const signer = reply === 'REPLAY' ? real : stranger;
    const seed = await portalOn({ env: settings(signer) });
    await sealed(seed, reply === 'REPLAY' ? 2 : 3);
    await hand(seed);
    line = `${(await published(seed)).trimEnd().split('\n').at(-1)!}\n`;
    await sealed(portal, 3);
    await hand(portal);
    expect((await states(portal))[0]).toMatchObject({ size: null, failures: 1 });
    expect(parseNote(await published(portal)).signatures).toHaveLength(1);
  });
});
