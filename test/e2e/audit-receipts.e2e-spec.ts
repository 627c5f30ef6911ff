import { generateKeyPairSync, sign } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import {
  formatNote,
  formatVerifierKey,
  leafHash,
  parseNote,
  parseReceipt,
  signNote,
  verifierKeyOf,
  verifyInclusion,
} from '../../src/tlog/index.js';
import { fillLog } from '../harness/filled-log.js';
import { bytes, openHospital, said, type Hospital } from '../harness/hospital.js';
import { checkLedger } from '../harness/ledger.js';
import { makeAdmin, makeStaff, type Caller } from '../harness/people.js';
import { startPortal, type Portal } from '../harness/portal.js';
import { isIncluded } from '../harness/rfc6962.js';
import { seal, wholeLog } from '../harness/seals.js';

let hospital: Hospital;
let lines: string[];
/** Of the checkpoint; more was logged since. */
let size: number;

const http = () => hospital.portal.http;
const officer = () => hospital.complianceOfficer;
/** The first sealed event that is about this chart; of the first that is about nobody's. */
const ofChart = (chart: string | undefined) =>
  lines.slice(0, size).findIndex((line) => (JSON.parse(line) as { e: { pat?: string } }).e.pat === chart);
const waitsForSeal = [409, 'audit.not-sealed-yet'];
const receipt = (caller: Caller, index: number) => caller.get(`/v1/audit/events/${index}/receipt`);

beforeAll(async () => {
  hospital = await openHospital();
  const { portal, anna, bela, clinician } = hospital;
  for (const patient of [anna, bela]) await patient.get(`/v1/patients/${patient.patientId}`).expect(200);
  await clinician.get(`/v1/patients/${anna.patientId}/records`).expect(200);
  await fillLog(portal.owner, 300);
  size = await seal(portal);
  await fillLog(portal.owner, 10);
  ({ lines } = await wholeLog(portal));
});

afterAll(async () => {
  await checkLedger(hospital.portal);
  await hospital.portal.close();
});

describe('a receipt', () => {
  it('is one file that proves an event by itself', async () => {
    const index = ofChart(undefined);
    const answer = await receipt(officer(), index).expect(200);
    expect(answer.headers).toMatchObject({
      'content-type': 'text/plain; charset=utf-8',
      'content-disposition': `attachment; filename="event-${index}.tlog-proof"`,
      'cache-control': 'no-store',
    });
    const { text: note } = await http().get('/v1/audit/checkpoint').expect(200);
    const [head, ...rest] = answer.text.split('\n\n');
    expect(rest.join('\n\n')).toBe(note);
    const [format, extra, place, ...hashes] = head!.split('\n');
    expect([format, place]).toEqual(['c2sp.org/tlog-proof@v1', `index ${index}`]);
    const line = Buffer.from(extra!.slice('extra '.length), 'base64');
    expect(line.toString()).toBe(lines[index]);
    const root = Buffer.from(note.split('\n')[2]!, 'base64');
    expect(
      isIncluded(
        { index, size, root },
        line,
        hashes.map((hash) => Buffer.from(hash, 'base64')),
      ),
    ).toBe(true);
    const parsed = parseReceipt(answer.text);
    expect(verifyInclusion({ index, size, leafHash: leafHash(parsed.extra!), proof: parsed.proof, root })).toBe(true);
  });

  it("is for patients too, of what is about them, and nobody else's is there for them", async () => {
    const { anna, bela, clinician, admin } = hospital;
    const own = ofChart(anna.patientId);
    expect(own).toBeGreaterThanOrEqual(0);
    const { extra } = parseReceipt((await receipt(anna, own).expect(200)).text);
    expect(extra!.toString()).toBe(lines[own]);

    const ask = (caller: typeof bela, index: number) => bytes(caller, 'get', `/v1/audit/events/${index}/receipt`);
    const nothing = await ask(bela, 999_999_999);
    expect(nothing).toContain('http.not-found');
    expect(await ask(bela, own)).toBe(nothing);
    expect(await ask(anna, ofChart(bela.patientId))).toBe(nothing);
    expect(await ask(anna, ofChart(undefined))).toBe(nothing);
    // Also where it is not sealed yet: that would say that there is something.
    expect(await ask(anna, lines.length - 1)).toBe(nothing);
    for (const caller of [clinician, admin])
      expect(said(await receipt(caller, own))).toEqual([403, 'access.forbidden']);
    expect(said(await http().get(`/v1/audit/events/${own}/receipt`))).toEqual([401, 'auth.sign-in-required']);
  });

  it('of an event that no checkpoint covers yet is to be asked for again', async () => {
    const answer = await receipt(officer(), lines.length - 1);
    expect([...said(answer), answer.headers['retry-after']]).toEqual([...waitsForSeal, '10']);
  });
});

describe('a log that was tampered with', () => {
  const INDEX = 20;
  /** What can be tampered with; events go on coming in behind it. */
  const SEALED = { entry: 'idx < 300', tile_hash: 'true', checkpoint: 'true', verifier_key: 'true' };
  let portal: Portal;
  let officer: Caller;

  beforeAll(async () => {
    portal = await startPortal();
    officer = await makeStaff(portal, await makeAdmin(portal), 'compliance_officer');
    await fillLog(portal.owner, 300);
    await seal(portal);
    await receipt(officer, INDEX).expect(200);
    // No trigger stands in a superuser's way.
    await portal.owner.query("SET session_replication_role = 'replica'");
    for (const [table, rows] of Object.entries(SEALED))
      await portal.owner.query(`CREATE TEMP TABLE was_${table} AS SELECT * FROM audit.${table} WHERE ${rows}`);
  });

  afterAll(() => portal.close());

  const EDITED = `leaf = replace(leaf, '"m":', '"M":')`;
  const OTHER = `decode(repeat('ab', 32), 'hex')`;
  const REHASHED = `leaf_hash = sha256('\\x00'::bytea || convert_to(replace(leaf, '"m":', '"M":'), 'UTF8'))`;
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  const foreign = verifierKeyOf('portal.test/audit', 1, publicKey);
  const PLANTED = 'a note of another key';

  /** The newest checkpoint, signed by somebody else. */
  async function plant(): Promise<string> {
    const { rows } = await portal.owner.query<{ note: string }>(
      'SELECT note FROM audit.checkpoint ORDER BY size DESC LIMIT 1',
    );
    const { body } = parseNote(rows[0]!.note);
    const signature = await signNote(body, { key: foreign, sign: (message) => sign(null, message, privateKey) });
    return `WITH planted AS (INSERT INTO audit.verifier_key VALUES ('${formatVerifierKey(foreign)}', 'portal.test/audit', now()))
      UPDATE audit.checkpoint SET note = '${formatNote({ body, signatures: [signature] })}'`;
  }

  it.each([
    ['an edited leaf', `UPDATE audit.entry SET ${EDITED} WHERE idx = ${INDEX}`],
    ['an edited leaf with its hash', `UPDATE audit.entry SET ${EDITED}, ${REHASHED} WHERE idx = ${INDEX}`],
    ['another hash on the way', `UPDATE audit.entry SET leaf_hash = ${OTHER} WHERE idx = ${INDEX + 1}`],
    ['another hash of a tile', `UPDATE audit.tile_hash SET hash = ${OTHER}`, 290],
    ['an entry missing on the way', `DELETE FROM audit.entry WHERE idx = ${INDEX + 1}`],
    ['no tile hashes', 'DELETE FROM audit.tile_hash', 290],
    [
      'another root',
      `UPDATE audit.checkpoint SET note = regexp_replace(note, '\n[^\n]{43}=\n', E'\n' || encode(sha256('x'), 'base64') || E'\n')`,
    ],
    ['a checkpoint without its signature', `UPDATE audit.checkpoint SET note = replace(note, E'\n\n— ', E'\n\n— x')`],
    ['a checkpoint that is no note', `UPDATE audit.checkpoint SET note = 'signed'`],
    ["another key's signature, with that key among the published ones", PLANTED],
  ])('gives no receipt out over %s, and says so to the operator', async (_, sql, index = INDEX) => {
    expect((await portal.owner.query(sql === PLANTED ? await plant() : sql)).rowCount).toBeGreaterThan(0);
    const logged = portal.log.length;
    const answer = await receipt(officer, index);
    for (const [table, rows] of Object.entries(SEALED))
      await portal.owner.query(
        `BEGIN; DELETE FROM audit.${table} WHERE ${rows}; INSERT INTO audit.${table} SELECT * FROM was_${table}; COMMIT`,
      );
    expect([...said(answer), answer.text.includes('tlog-proof')]).toEqual([500, 'audit.log-damaged', false]);
    expect(portal.log.slice(logged).map(({ msg }) => msg)).toContainEqual(expect.stringContaining('signed checkpoint'));
    await receipt(officer, index).expect(200);
  });

  it('or that has no checkpoint yet has nothing to prove to anybody', async () => {
    await portal.owner.query('DELETE FROM audit.checkpoint');
    expect(said(await receipt(officer, INDEX))).toEqual(waitsForSeal);
    for (const path of ['checkpoint', 'proof/consistency?from=1', 'tile/0/000.p/1']) {
      const answer = await portal.http.get(`/v1/audit/${path}`);
      expect([path, ...said(answer), answer.headers['cache-control']]).toEqual([path, ...waitsForSeal, 'no-store']);
    }
  });
});
