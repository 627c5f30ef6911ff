import { mkdir, open, rename } from 'node:fs/promises';
import { dirname } from 'node:path';

/** Makes what happened to names in a folder survive a loss of power. */
export async function syncFolder(folder: string): Promise<void> {
  if (process.platform === 'win32') return; // a folder cannot be opened there
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

async function writeAndSync(path: string, content: string | Buffer, flags: 'w' | 'wx', mode: number): Promise<void> {
  const handle = await open(path, flags, mode);
  try {
    await handle.writeFile(content, 'utf8');
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Replaces a file as a whole: once this resolves, the new text is what a crash or a loss of power leaves; until then, the old. */
export async function replaceFile(path: string, text: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const draft = `${path}.${process.pid}.new`;
  await writeAndSync(draft, text, 'w', 0o600);
  await rename(draft, path);
  await syncFolder(dirname(path));
}

/** Makes a file that was not there; rejects with EEXIST where it was, and leaves that as it is. */
export async function createFile(path: string, content: string | Buffer, mode = 0o600): Promise<void> {
  await writeAndSync(path, content, 'wx', mode);
  await syncFolder(dirname(path));
}
