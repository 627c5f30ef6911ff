import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from '@jest/globals';
import { Unverifiable, verifyBundle } from '../../src/modules/audit/verification/index.js';
import {
  CHOSEN,
  EDITED,
  itRefuses,
  lined,
  LOG,
  mallory,
  NOW,
  RANGE,
  signer,
  verify,
  WHOLE,
  witness,
  type Attack,
} from '../harness/audit-attacks.js';
import { checkpointOf, makeBundle, writeFolder } from '../harness/audit-bundle.js';

const ATTACKS: Attack[] = [
  {
    name: 'a CSV cell that contradicts its leaf',
    kind: 'edit',
    where: 'events.csv',
    place: { line: 5, index: 3 },
    files: (files) => lined(files, 'events.csv', (lines) => lines.with(4, lines[4]!.replace('10000000', '90000000'))),
  },
  {
    name: 'a CSV leaf that was edited',
    kind: 'edit',
    where: 'events.csv',
    plan: RANGE,
    place: { line: 5, index: 303 },
    files: (files) =>
      lined(files, 'events.csv', (lines) => lines.with(4, lines[4]!.replace('Record.read', 'Record.list'))),
  },
  {
    name: 'a CSV column without its header',
    kind: 'edit',
    where: 'events.csv',
    place: { line: 1 },
    files: (files) => lined(files, 'events.csv', (lines) => lines.with(0, lines[0]!.replace('/e/pat', 'patient'))),
  },
  {
    name: 'a FHIR event that contradicts its leaf',
    kind: 'edit',
    where: 'events.fhir.ndjson',
    place: { line: 5, index: 4 },
    files: (files) =>
      lined(files, 'events.fhir.ndjson', (lines) => lines.with(4, lines[4]!.replace('"action":"R"', '"action":"U"'))),
  },
  ...(
    [
      ['patient', '00000000-0000-4000-8000-000000000001', '00000000-0000-4000-8000-000000000002'],
      ['user', '10000000-0000-4000-8000-000000000004', '10000000-0000-4000-8000-000000000003'],
      ['address', '198.51.100.4', '203.0.113.4'],
    ] as const
  ).map(([what, from, to]): Attack => ({
    name: `a FHIR event with another ${what}`,
    kind: 'edit',
    where: 'events.fhir.ndjson',
    place: { line: 5, index: 4 },
    files: (files) =>
      lined(files, 'events.fhir.ndjson', (lines) =>
        lines.with(4, lines[4]!.replace(`"${from}"`, `"${to}"`).replace(`/${from}"`, `/${to}"`)),
      ),
  })),
  {
    name: 'a FHIR event with another leaf index',
    kind: 'edit',
    where: 'events.fhir.ndjson',
    place: { line: 5, index: 4 },
    files: (files) =>
      lined(files, 'events.fhir.ndjson', (lines) =>
        lines.with(4, lines[4]!.replace('"valueString":"4"', '"valueString":"5"')),
      ),
  },
  {
    name: 'a FHIR event without its leaf',
    kind: 'edit',
    where: 'events.fhir.ndjson',
    place: { line: 5, index: 4 },
    files: (files) =>
      lined(files, 'events.fhir.ndjson', (lines) => lines.with(4, lines[4]!.replace('/audit-leaf"', '/other"'))),
  },
  {
    name: 'an invented disclosure',
    kind: 'insertion',
    where: 'disclosures.ndjson',
    place: { line: 8, index: 7 },
    files: (files) =>
      lined(files, 'disclosures.ndjson', (lines) =>
        lines.with(
          7,
          JSON.stringify({
            leafIndex: 7,
            disclosure: Buffer.from('["c2FsdA","net",{"ip":"203.0.113.9"}]').toString('base64url'),
          }),
        ),
      ),
  },
  {
    name: 'a disclosure of another leaf',
    kind: 'insertion',
    where: 'disclosures.ndjson',
    place: { line: 8, index: 7 },
    files: (files) =>
      lined(files, 'disclosures.ndjson', (lines) => lines.with(7, lines[8]!.replace('"leafIndex":8', '"leafIndex":7'))),
  },
  {
    name: 'a disclosure of a leaf that is not in the bundle',
    kind: 'insertion',
    where: 'disclosures.ndjson',
    plan: RANGE,
    place: { line: 1, index: 7 },
    files: (files) =>
      lined(files, 'disclosures.ndjson', (lines) => [lines[0]!.replace('"leafIndex":300', '"leafIndex":7'), ...lines]),
  },
];

itRefuses(ATTACKS);

describe('what the verifier kept or asks for', () => {
  it('a kept checkpoint is where the log has grown from, or the log is refused', async () => {
    for (const plan of [WHOLE, RANGE]) {
      const files = await makeBundle(plan);
      const kept = (lines: string[], size: number, by = signer) => checkpointOf(lines, size, [by]);
      for (const size of [1, 255, 256, 300, 589, 590])
        expect((await verify(files, { previous: await kept(LOG, size) })).verdict).toBe('verified');
      expect((await verify(files, { previous: await kept(LOG, 591) })).findings[0]).toMatchObject({
        kind: 'rollback',
        index: 590,
      });
      expect((await verify(files, { previous: await kept(EDITED, 589) })).findings[0]).toMatchObject({ kind: 'fork' });
      expect((await verify(files, { previous: await kept(EDITED, 590) })).findings[0]).toMatchObject({ kind: 'fork' });
      expect((await verify(files, { previous: await kept(LOG, 590, mallory) })).findings[0]).toMatchObject({
        kind: 'signature',
      });
    }
    const chosen = await makeBundle(CHOSEN);
    await expect(verify(chosen, { previous: await checkpointOf(LOG, 17, [signer]) })).rejects.toThrow(Unverifiable);
    expect((await verify(chosen, { previous: await checkpointOf(LOG, 295, [signer]) })).verdict).toBe('verified');
  });

  it('a checkpoint that its witness saw too long ago is stale', async () => {
    const files = await makeBundle({ ...CHOSEN, signers: [signer, witness], witnessedAt: NOW.getTime() / 1000 - 601 });
    const asked = { witnesses: [witness.key], maxAgeSeconds: 600 };
    expect((await verify(files, asked)).findings).toMatchObject([{ kind: 'stale', where: 'checkpoint' }]);
    const report = await verify(files, { ...asked, maxAgeSeconds: 601 });
    expect(report).toMatchObject({
      verdict: 'verified',
      witnessed: [{ name: 'officer.example/w1', time: '2026-11-22T09:49:59.000Z' }],
    });
  });

  it('what is no bundle is not called refused', async () => {
    const asked = { keys: [signer.key], witnesses: [], previous: null, maxAgeSeconds: null, now: NOW };
    const folder = mkdtempSync(join(tmpdir(), 'portico-none-'));
    writeFolder(new Map([['x.zip', Buffer.from('no ZIP')]]), folder);
    for (const path of ['nowhere', 'x.zip', '.'])
      await expect(verifyBundle(join(folder, path), asked, () => undefined)).rejects.toThrow(Unverifiable);
    rmSync(folder, { recursive: true });
  });
});
