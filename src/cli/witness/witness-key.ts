import { createPrivateKey, createPublicKey, generateKeyPairSync, sign } from 'node:crypto';
import { mkdir, open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { createFile } from '../../platform/durable-file.js';
import { verifierKeyOf, type NoteSigner } from '../../tlog/index.js';
import { OperatorError } from '../command.js';

const GROUP_AND_OTHERS = 0o077;

/** The key of a witness (Ed25519, PKCS#8 PEM), made at the first start; refused where others than its owner may read it. */
export async function witnessSigner(file: string, name: string): Promise<NoteSigner> {
  const pem = (await readOwn(file)) ?? (await make(file));
  const privateKey = createPrivateKey(pem);
  if (privateKey.asymmetricKeyType !== 'ed25519') throw new OperatorError(`${file} holds no Ed25519 key`);
  const key = verifierKeyOf(name, 4, createPublicKey(privateKey));
  return { key, sign: (message) => sign(null, message, privateKey) };
}

async function readOwn(file: string): Promise<string | null> {
  const handle = await open(file, 'r').catch((error: { code?: string }) => {
    if (error.code === 'ENOENT') return null;
    throw error as Error;
  });
  if (!handle) return null;
  try {
    if (((await handle.stat()).mode & GROUP_AND_OTHERS) !== 0)
      throw new OperatorError(`${file} is open to others: run chmod 600 ${file}`);
    return await handle.readFile('utf8');
  } finally {
    await handle.close();
  }
}

async function make(file: string): Promise<string> {
  const pem = generateKeyPairSync('ed25519').privateKey.export({ format: 'pem', type: 'pkcs8' }).toString();
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  await createFile(file, pem);
  return pem;
}
