import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { loadConfig } from '../platform/config/config.js';
import {
  addKey,
  createKeyFile,
  FileKeyManagement,
  KEY_PURPOSES,
  KeyRing,
  type KeyPurpose,
} from '../platform/crypto/index.js';
import { appDataSource } from '../data-source.js';
import { Database } from '../platform/database/database.js';
import { ReadLanes } from '../platform/database/read-lanes.js';
import { Vault } from '../platform/database/vault.js';
import { OperatorError, type Command } from './command.js';

export const keysCreate: Command = {
  usage: '',
  summary:
    'Make a fresh key file at KEY_FILE. Without it, and without a copy of it, nothing that is sealed can be read again.',
  async run() {
    const { keyFile } = loadConfig();
    await mkdir(dirname(keyFile), { recursive: true, mode: 0o700 });
    await createKeyFile(keyFile);
    console.log(`Made ${keyFile}. Back it up now, apart from the database.`);
  },
};

const BATCH = 500;

export const keysRotate: Command = {
  usage: `<${KEY_PURPOSES.join('|')}>`,
  summary:
    'Add a new key of a purpose and retire the former one; for kek, wrap all data keys anew (nothing is encrypted again).',
  async run(_values, [purpose]) {
    if (!KEY_PURPOSES.includes(purpose as KeyPurpose))
      throw new OperatorError(`name a purpose: ${KEY_PURPOSES.join(', ')}`);
    const { keyFile, database } = loadConfig();
    const id = await addKey(keyFile, purpose as KeyPurpose);
    console.log(`The ${purpose} key ${id} is active. Restart every server process so that it uses it.`);
    if (purpose !== 'kek') return;
    const source = await appDataSource(database).initialize();
    const vault = new Vault(new FileKeyManagement(await KeyRing.load(keyFile)));
    const db = new Database(source, new ReadLanes(database.url));
    for (let total = 0; ;) {
      const moved = await db.write(null, (work) => vault.rotateWrapping(work, BATCH));
      if (moved === 0) break;
      console.log(`${(total += moved)} data keys are wrapped under it.`);
    }
    await source.destroy();
  },
};
