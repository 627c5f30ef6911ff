import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { generateSigner } from '../harness/stranger-keys.js';
import { MUTATIONS } from '../harness/bundle-mutations.js';
import { mutated, type Files } from '../harness/mutating.js';
import { again, bundleOf, exported, fetched, manifestOf, settle, verifierKey } from '../harness/exports.js';
import { fillLog } from '../harness/filled-log.js';
import { openHospital, type Hospital } from '../harness/hospital.js';
import { checkLedger } from '../harness/ledger.js';
import { leafHashOf } from '../harness/rfc6962.js';
import { hasPython, laidOut, stranger } from '../harness/stranger.js';

if (!hasPython) console.warn('SKIPPED: the stranger’s verifier needs python3, which is not here');
const told = hasPython ? describe : describe.skip;

let hospital: Hospital;
let vkey: string;
const bundles = {} as Record<'log' | 'range' | 'patient' | 'chosen', Files>;
let zip: Buffer;

beforeAll(async () => {
  if (!hasPython) return;
  hospital = await openHospital({ ACCESS_TOKEN_MINUTES: '60' });
  const { portal, anna, clinician, complianceOfficer } = hospital;
  await fillLog(portal.owner, 700);
  for (let n = 0; n < 4; n++) await anna.get(`/v1/patients/${anna.patientId}`).expect(200);
  await clinician.get(`/v1/patients/${anna.patientId}/records`).expect(200);
  await settle(portal);
  vkey = await verifierKey(portal);
  const officer = await again(complianceOfficer);
  const made = async (body: object) => {
    const { id } = await exported(officer, { formats: ['csv', 'fhir'], ...body });
    zip = await fetched(officer, `/v1/audit/exports/${id}/bundle`);
    return bundleOf(officer, id);
  };
  bundles.range = await made({ filter: { fromSeq: 250, toSeq: 600 } });
  bundles.patient = await made({ filter: { patientId: [anna.patientId] } });
  bundles.chosen = await made({ filter: { action: 'Record.read', outcome: 'success' } });
  bundles.log = await made({ disclosures: true });
}, 120_000);

afterAll(async () => {
  if (!hasPython) return;
  await checkLedger(hospital.portal);
  await hospital.portal.close();
});

const asked = (files: Files, ...more: string[]) => stranger(laidOut(files), '--key', vkey, ...more);

told('a stranger who knows the standard alone', () => {
  it('has the known answers of the standard, by two ways of verifying a signature', () => {
    expect(stranger('--self-test')).toEqual({
      code: 0,
      words: expect.stringMatching(/^VERIFIED 2\d known answers\n$/),
    });
  });

  it.each(Object.keys({ log: 0, range: 0, patient: 0, chosen: 0 }) as (keyof typeof bundles)[])(
    'verifies the export of %s, with its table and its AuditEvents',
    (of) => {
      const verdict = asked(bundles[of]);
      expect(verdict).toEqual({ code: 0, words: expect.stringMatching(/^VERIFIED /) });
      const holds = { log: 'the whole log', range: 'the entries 250 to 600', patient: 'chosen', chosen: 'chosen' }[of];
      expect(verdict.words).toContain(holds);
      expect(verdict.words.includes('complete for')).toBe(of === 'patient');
    },
  );

  it('verifies the ZIP as it was fetched', () => {
    const file = join(laidOut(new Map()), 'bundle.zip');
    writeFileSync(file, zip);
    expect(stranger(file, '--key', vkey)).toMatchObject({ code: 0 });
  });

  it('holds the log against a checkpoint that was kept, and is told of a fork and of a rollback', async () => {
    const { portal } = hospital;
    const kept = join(laidOut(new Map([['kept', bundles.range.get('checkpoint')!]])), 'kept');
    expect(asked(bundles.log, '--previous', kept)).toMatchObject({ code: 0 });
    const newer = join(laidOut(new Map([['kept', bundles.log.get('checkpoint')!]])), 'kept');
    expect(asked(bundles.range, '--previous', newer)).toEqual({ code: 1, words: expect.stringMatching(/rolled back/) });
    // The log's own key signs two histories.
    const { size } = (await portal.owner.query<{ size: string }>('SELECT max(size) AS size FROM audit.checkpoint'))
      .rows[0]!;
    const signer = generateSigner(vkey.split('+')[0]!);
    const other = (n: number) => signer.checkpoint(n, Buffer.alloc(32, 9));
    const forked = join(laidOut(new Map([['kept', other(Number(size) - 5)]])), 'kept');
    expect(asked(bundles.log, '--previous', forked, '--key', signer.vkey)).toEqual({
      code: 1,
      words: expect.stringMatching(/another one when it was signed/),
    });
  });

  it('refuses a key that has not signed it, and a witness that has not', () => {
    const { vkey: other } = generateSigner(vkey.split('+')[0]!);
    expect(stranger(laidOut(bundles.log), '--key', other)).toEqual({
      code: 1,
      words: expect.stringMatching(/not signed/),
    });
    expect(asked(bundles.log, '--witness', generateSigner('officer.example/w1', 4).vkey)).toEqual({
      code: 1,
      words: expect.stringMatching(/officer.example\/w1 has not signed/),
    });
  });

  it('refuses to call a patient complete who is not', () => {
    const verdict = asked(bundles.chosen, '--complete-for', hospital.bela.patientId);
    expect(verdict).toEqual({ code: 1, words: expect.stringMatching(/nothing about|begin with the first|left out/) });
  });

  it('verifies a signature, a leaf and a file by the commands of the README alone', () => {
    const folder = laidOut(bundles.log);
    const readme = bundles.log.get('README.txt')!.toString();
    const commands = readme
      .split('\n')
      .filter((line) => /^ {2}(head|grep|\(printf|openssl|sha256sum)/.test(line))
      .map((line) =>
        line.replace(/ {2,}\(compare.*/, '').replace('<base64 of the key>', vkey.split('+').slice(2).join('+')),
      );
    expect(commands).toHaveLength(6);
    const { status, stdout, stderr } = spawnSync('bash', ['-euc', commands.join('\n')], {
      cwd: folder,
      encoding: 'utf8',
    });
    expect([status, stderr]).toEqual([0, '']);
    const [line] = bundles.log.get('events.ndjson')!.toString().split('\n');
    expect(stdout.split('\n')[0]).toBe(leafHashOf(line!).toString('base64'));
    expect(stdout).toContain(manifestOf(bundles.log).files.find(({ name }) => name === 'events.ndjson')!.sha256);
    expect(stdout).toContain('Signature Verified Successfully');
  });

  it('is told by the manifest of whatever was changed without it', () => {
    const files = new Map(bundles.log);
    files.set('events.csv', Buffer.concat([files.get('events.csv')!, Buffer.from('x')]));
    expect(asked(files)).toEqual({ code: 1, words: 'REFUSED events.csv: is not the file of the manifest\n' });
  });

  it.each(MUTATIONS)('refuses, of $of: $name', (mutation) => {
    const verdict = asked(mutated(bundles[mutation.of], mutation));
    expect(verdict).toEqual({ code: 1, words: expect.stringMatching(mutation.says) });
    expect(verdict.words).toMatch(/^REFUSED /);
  });
});
