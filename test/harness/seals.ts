import { SealingJob } from '../../src/modules/audit/sealing/sealing.job.js';
import { Sealer } from '../../src/modules/audit/sealing/sealer.js';
import { Sequencer } from '../../src/modules/audit/sequencer.js';
import type { Portal } from './portal.js';
import { leafHashOf, PlainTree } from './rfc6962.js';

/** The log as the owner of the database sees it: the leaves, and the tree that they make by the plain definition. */
export async function wholeLog({ owner }: Portal): Promise<{ lines: string[]; tree: PlainTree }> {
  const { rows } = await owner.query<{ leaf: string }>('SELECT leaf FROM audit.entry ORDER BY idx');
  const lines = rows.map(({ leaf }) => leaf);
  return { lines, tree: new PlainTree(lines.map(leafHashOf)) };
}

/** Has everything that waits placed and sealed, and from now on nothing unless asked for; resolves with the size of the newest checkpoint. */
export async function seal({ app, owner }: Portal): Promise<number> {
  await app.get(SealingJob).beforeApplicationShutdown();
  await app.get(Sequencer).sequence();
  await app.get(Sealer).turn(true);
  const { rows } = await owner.query<{ size: string }>('SELECT max(size) AS size FROM audit.published');
  return Number(rows[0]!.size);
}
