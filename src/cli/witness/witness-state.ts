import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { createFile, replaceFile } from '../../platform/durable-file.js';
import { cosignatureTime, parseCheckpoint, parseNote, type Checkpoint, type VerifierKey } from '../../tlog/index.js';
import { OperatorError } from '../command.js';

/** The last checkpoint of a log that was cosigned here, with the cosignature. */
export interface Cosigned extends Checkpoint {
  note: string;
  at: Date;
}

const MOST_EVIDENCE = 1_000;

/** One file for each log, replaced as a whole and on disk (fsync) before the cosignature is given away; and a folder of what contradicts them. */
export class WitnessState {
  constructor(
    private readonly folder: string,
    private readonly key: VerifierKey,
  ) {}

  /** Two witnesses with one memory could each sign what the other has gone past. */
  async claim(): Promise<void> {
    await mkdir(this.folder, { recursive: true, mode: 0o700 });
    try {
      await createFile(this.lock, `${process.pid}\n`);
    } catch (error) {
      if ((error as { code?: string }).code !== 'EEXIST') throw error;
      const holder = Number(await readFile(this.lock, 'utf8'));
      if (holder !== process.pid && isAlive(holder))
        throw new OperatorError(
          `${this.folder} is in use by process ${holder}; if that is no witness, remove ${this.lock}`,
        );
      await replaceFile(this.lock, `${process.pid}\n`);
    }
  }

  async release(): Promise<void> {
    await unlink(this.lock);
  }

  /** Null: none so far. Rejects where the file is damaged: to go on from nothing would let the log go back. */
  async latest(origin: string): Promise<Cosigned | null> {
    const text = await readFile(this.fileOf(origin), 'utf8').catch((error: { code?: string }) => {
      if (error.code === 'ENOENT') return null;
      throw error as Error;
    });
    if (text === null) return null;
    const { body, signatures } = parseNote(text);
    const own = signatures.find(({ name, keyId }) => name === this.key.name && keyId.equals(this.key.keyId));
    // A new key of the same witness goes on from what the old one signed.
    return { ...parseCheckpoint(body), note: text, at: new Date(own ? cosignatureTime(own) * 1000 : 0) };
  }

  async keep(origin: string, note: string): Promise<void> {
    await replaceFile(this.fileOf(origin), note);
  }

  /** A checkpoint that the log has signed and that does not continue the last one: together they prove that it was forked. */
  async keepEvidence(origin: string, note: string): Promise<void> {
    const folder = join(this.folder, 'evidence');
    await mkdir(folder, { recursive: true, mode: 0o700 });
    if ((await readdir(folder)).length >= MOST_EVIDENCE) return;
    const digest = createHash('sha256').update(parseNote(note).body).digest('hex').slice(0, 32);
    await createFile(join(folder, `${encodeURIComponent(origin)}-${digest}.txt`), note).catch(
      (error: { code?: string }) => {
        if (error.code !== 'EEXIST') throw error as Error;
      },
    );
  }

  private get lock(): string {
    return join(this.folder, 'lock');
  }

  private fileOf(origin: string): string {
    return join(this.folder, `${encodeURIComponent(origin)}.checkpoint.txt`);
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as { code?: string }).code === 'EPERM';
  }
}
