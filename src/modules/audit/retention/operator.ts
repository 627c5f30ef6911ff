import { SystemClock } from '../../../platform/clock.js';
import type { Config } from '../../../platform/config/config.js';
import { FileKeyManagement, KeyRing } from '../../../platform/crypto/index.js';
import { LogKeys } from '../sealing/log-keys.js';
import { AuditorPool } from '../tree/auditor-pool.js';
import { TreeRepository } from '../tree/tree.repository.js';
import { ArchiveDamaged, ArchiveUnavailable, reasonOf } from './archive.errors.js';
import { ArchivedLeaves } from './archived-leaves.js';
import { Archiver, ArchivingRefused } from './archiver.js';
import { Retention, type Done, type Order } from './retention.js';
import { RetentionPool, RetentionRepository } from './retention.repository.js';

/** Why nothing more was done; the message says what to look at. */
export class RetentionError extends Error {}

/** What the servers' job does, done now by a process of the operator's; null: a server is at it. */
export async function applyRetention(config: Config, order: Order): Promise<Done | null> {
  const keys = new LogKeys(new FileKeyManagement(await KeyRing.load(config.keyFile)));
  const [pool, auditor, clock] = [new RetentionPool(config), new AuditorPool(config), new SystemClock()];
  const archive = new ArchivedLeaves(auditor, config);
  const blocks = new RetentionRepository(pool);
  const archiver = new Archiver(archive, new TreeRepository(auditor, archive), blocks, keys, clock);
  try {
    return await new Retention(config, archive, archiver, blocks, clock).run(order);
  } catch (error) {
    if (error instanceof ArchivingRefused) throw new RetentionError(error.message);
    if (error instanceof ArchiveUnavailable || error instanceof ArchiveDamaged)
      throw new RetentionError(reasonOf(error));
    throw error;
  } finally {
    await Promise.all([pool.close(), auditor.close()]);
  }
}
