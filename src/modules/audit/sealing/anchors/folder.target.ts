import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createFile } from '../../../../platform/durable-file.js';
import type { SignedRow } from '../checkpoints.repository.js';
import { anchorPath, type AnchorTarget, type Cosignature } from './target.js';
import { requireSameCheckpoint } from './same-checkpoint.js';

const READ_ONLY = 0o444;

/** A folder in which each checkpoint is a file that is written once and never again (O_EXCL). */
export class FolderTarget implements AnchorTarget {
  readonly name = 'folder';

  constructor(private readonly root: string) {}

  async push(checkpoint: SignedRow): Promise<Cosignature[]> {
    const { folder, file } = anchorPath(checkpoint);
    const path = join(this.root, folder, file);
    await mkdir(join(this.root, folder), { recursive: true, mode: 0o755 });
    try {
      await createFile(path, checkpoint.note, READ_ONLY);
    } catch (error) {
      if ((error as { code?: string }).code !== 'EEXIST') throw error;
      requireSameCheckpoint(checkpoint, await readFile(path, 'utf8'));
    }
    return [];
  }
}
