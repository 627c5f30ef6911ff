import { readFile } from 'node:fs/promises';
import { parseVerifierKey, type VerifierKey } from '../tlog/index.js';
import {
  bundleReportLines,
  logReportLines,
  Refusal,
  Unverifiable,
  verifyBundle,
  verifyDatabase,
} from '../modules/audit/index.js';
import { loadConfig } from '../platform/config/config.js';
import type { Command, Values } from './command.js';
import { progress } from './progress.js';

const VERIFIED = 0;
const REFUSED = 1;
const NOT_CHECKED = 2;

const UNITS: Record<string, number> = { s: 1, m: 60, h: 3_600, d: 86_400 };

function secondsOf(text: string): number {
  const [, count, unit] = /^(\d{1,6})([smhd])$/.exec(text) ?? [];
  if (!count || !unit) throw new Unverifiable('--max-age is a number and s, m, h or d, such as 10m');
  return Number(count) * UNITS[unit]!;
}

const textOf = (value: Values[string]): string | null => (typeof value === 'string' ? value : null);

function keysOf(value: Values[string], type: 1 | 4, option: string): VerifierKey[] {
  return [value ?? []].flat().map((text) => {
    const key = parseVerifierKey(String(text));
    if (key.type !== type) throw new Unverifiable(`${option} wants the key of a ${type === 1 ? 'log' : 'witness'}`);
    return key;
  });
}

interface Outcome {
  verdict: 'verified' | 'refused';
  report: object;
  lines: string[];
}

async function previousOf(values: Values): Promise<string | null> {
  const path = textOf(values.previous);
  return path === null ? null : readFile(path, 'utf8');
}

async function offline(path: string, values: Values): Promise<Outcome> {
  const keys = keysOf(values.key, 1, '--key');
  if (keys.length === 0)
    throw new Unverifiable(
      'give the verifier key of the log with --key; it has to come by another road than the bundle',
    );
  if (values.from !== undefined || values['skip-archive'] !== undefined)
    throw new Unverifiable('--from and --skip-archive go with the database, not with a bundle');
  const witnesses = keysOf(values.witness, 4, '--witness');
  const maxAge = textOf(values['max-age']);
  if (maxAge !== null && witnesses.length === 0)
    throw new Unverifiable(
      '--max-age needs --witness: only the signature of a witness says when a checkpoint was seen',
    );
  const tell = progress();
  const report = await verifyBundle(
    path,
    {
      keys,
      witnesses,
      previous: await previousOf(values),
      maxAgeSeconds: maxAge === null ? null : secondsOf(maxAge),
      now: new Date(),
    },
    (done, of) => tell(done / 1_000, of / 1_000, 'kB'),
  );
  return { verdict: report.verdict, report, lines: bundleReportLines(report) };
}

async function online(values: Values): Promise<Outcome> {
  if (values.witness !== undefined || values['max-age'] !== undefined)
    throw new Unverifiable('--witness and --max-age go with a bundle, not with the database');
  const from = textOf(values.from) ?? '0';
  if (!/^\d{1,15}$/.test(from)) throw new Unverifiable('--from is the place of an entry');
  const tell = progress();
  const report = await verifyDatabase(loadConfig(), {
    keys: keysOf(values.key, 1, '--key'),
    from: Number(from),
    previous: await previousOf(values),
    skipArchive: values['skip-archive'] === true,
    onProgress: (index, size) => tell(index, size, 'entries'),
  });
  const shown = { ...report, root: report.root?.toString('base64') ?? null };
  return { verdict: report.verdict, report: shown, lines: logReportLines(report) };
}

export const auditVerify: Command = {
  usage: '[bundle.zip | folder] [--key <verifier key>]',
  summary:
    'Verify an export of the audit trail offline, or without a path the trail in the database. Ends with 0: verified, 1: refused, 2: could not be checked.',
  options: {
    key: {
      type: 'string',
      multiple: true,
      description: 'verifier key of the log; may stand several times. For the database: those of KEY_FILE by default',
    },
    previous: {
      type: 'string',
      description: 'file of a checkpoint kept from earlier, from which the log must have grown',
    },
    'max-age': { type: 'string', description: 'bundle: oldest that the signature of the witness may be: 10m, 2h, 7d' },
    witness: {
      type: 'string',
      multiple: true,
      description: 'bundle: verifier key of a witness that must have signed as well',
    },
    from: { type: 'string', description: 'database: begin at the newest checkpoint up to this place, verified before' },
    'skip-archive': {
      type: 'boolean',
      description: 'database: do not read what lies in AUDIT_ARCHIVE_DIR',
    },
    json: { type: 'boolean', description: 'tell the result as JSON' },
  },
  async run(values, [path]) {
    try {
      const { verdict, report, lines } = await (path === undefined ? online(values) : offline(path, values));
      console.log(values.json ? JSON.stringify(report, null, 1) : lines.join('\n'));
      process.exitCode = verdict === 'verified' ? VERIFIED : REFUSED;
    } catch (error) {
      // What was found before anything else could be looked at; all other errors are no verdict.
      const isRefused = error instanceof Refusal;
      const message = error instanceof Error ? error.message : String(error);
      console.error(isRefused ? `REFUSED\n  ${message}` : `could not be checked: ${message}`);
      process.exitCode = isRefused ? REFUSED : NOT_CHECKED;
    }
  },
};
