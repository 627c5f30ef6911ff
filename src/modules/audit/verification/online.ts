import type { Config } from '../../../platform/config/config.js';
import { FileKeyManagement, KeyRing } from '../../../platform/crypto/index.js';
import type { VerifierKey } from '../../../tlog/index.js';
import { LogKeys } from '../sealing/log-keys.js';
import { AuditorPool } from '../tree/auditor-pool.js';
import { TreeRepository } from '../tree/tree.repository.js';
import { openCheckpoint } from './checkpoints.js';
import { LogCheck, type LogReport } from './log-check.js';
import { LogRepository } from './log.repository.js';
import { checkDisclosures, checkSubjects } from './side-tables.js';
import { isNameOf } from './trusted-keys.js';

export interface DatabaseOptions {
  /** Keys of the log from elsewhere; none: those of the key file. */
  keys: readonly VerifierKey[];
  /** Verified before, up to this size; 0: all of it. */
  from: number;
  /** A checkpoint that was kept outside. */
  previous: string | null;
  onProgress: (index: number, size: number) => void;
}

const PAGE = 2_000;

/** Verifies the log where it lies, over the auditor's connections, as a process of its own. Writes nothing. */
export async function verifyDatabase(config: Config, options: DatabaseOptions): Promise<LogReport> {
  const keysOf = options.keys.length > 0 ? given(options.keys) : await ofKeyFile(config);
  const pool = new AuditorPool(config);
  try {
    const log = new LogRepository(pool);
    const { previous, from, onProgress } = options;
    const where = 'the checkpoint that was kept';
    const report = await new LogCheck(log, {
      keys: keysOf,
      hashes: new TreeRepository(pool).hashes(),
      verifiedTo: from,
      archivedTo: 0,
      kept:
        previous === null
          ? null
          : openCheckpoint(previous, { keys: keysOf(previous.split('\n', 1)[0]!), witnesses: [] }, where),
      page: PAGE,
      pause: () => Promise.resolve(),
      onProgress,
    }).run();
    const sides = from > 0 ? [] : [await checkSubjects(log, 0), await checkDisclosures(log)];
    const findings = [...report.findings, ...sides.filter((one) => one !== null)];
    return findings.length === 0 ? report : { ...report, findings, verdict: 'refused', root: null };
  } finally {
    await pool.close();
  }
}

type KeysOf = (origin: string) => readonly VerifierKey[];

const given =
  (keys: readonly VerifierKey[]): KeysOf =>
  (origin) =>
    keys.filter(({ name }) => name === origin);

async function ofKeyFile({ keyFile, audit }: Config): Promise<KeysOf> {
  const keys = new LogKeys(new FileKeyManagement(await KeyRing.load(keyFile)));
  return (origin) => (isNameOf(origin, audit.origin) ? keys.verifiers(origin) : []);
}
