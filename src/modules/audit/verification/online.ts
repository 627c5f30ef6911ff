import type { Config } from '../../../platform/config/config.js';
import { FileKeyManagement, KeyRing } from '../../../platform/crypto/index.js';
import type { VerifierKey } from '../../../tlog/index.js';
import { LogKeys } from '../sealing/log-keys.js';
import { ArchivedLeaves } from '../retention/archived-leaves.js';
import { AuditorPool } from '../tree/auditor-pool.js';
import { TreeRepository } from '../tree/tree.repository.js';
import { ArchiveCheck, besideArchive, type ArchiveReport } from './archive-check.js';
import { openCheckpoint } from './checkpoints.js';
import type { Finding } from './findings.js';
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
  /** What has left the database is not read. */
  skipArchive?: boolean;
  onProgress: (index: number, size: number) => void;
}

/** With what was found in the archive; null: nobody looked. */
export type DatabaseReport = LogReport & { archive: ArchiveReport | null };

const PAGE = 2_000;

/** Verifies the log where it lies, over the auditor's connections, as a process of its own. Writes nothing. */
export async function verifyDatabase(config: Config, options: DatabaseOptions): Promise<DatabaseReport> {
  const keysOf = options.keys.length > 0 ? given(options.keys) : await ofKeyFile(config);
  const pool = new AuditorPool(config);
  try {
    const log = new LogRepository(pool);
    const archive = new ArchivedLeaves(pool, config);
    const tree = new TreeRepository(pool, archive);
    const { previous, from, skipArchive, onProgress } = options;
    const where = 'the checkpoint that was kept';
    const kept =
      previous === null
        ? null
        : openCheckpoint(previous, { keys: keysOf(previous.split('\n', 1)[0]!), witnesses: [] }, where);
    const archiveCheck = new ArchiveCheck(archive, tree, log, onProgress);
    const archived = from > 0 || skipArchive ? null : await archiveCheck.run();
    const inArchive = archived?.findings ?? (await archiveCheck.glance());
    const report = await besideArchive(archive, async (archivedTo) => {
      const check = { keys: keysOf, hashes: tree.hashes(), verifiedTo: from, archivedTo, kept };
      const found = await new LogCheck(log, { ...check, page: PAGE, pause: () => Promise.resolve(), onProgress }).run();
      const sides = from > 0 ? [] : [await checkSubjects(log, archivedTo), await checkDisclosures(log)];
      return withFindings(found, [...found.findings, ...sides]);
    });
    return { ...withFindings(report, [...inArchive, ...report.findings]), archive: archived };
  } finally {
    await pool.close();
  }
}

function withFindings(report: LogReport, found: readonly (Finding | null)[]): LogReport {
  const findings = found.filter((one) => one !== null);
  return findings.length === 0 ? report : { ...report, findings, verdict: 'refused', root: null };
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
