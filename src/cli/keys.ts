import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { loadConfig } from '../platform/config/config.js';
import {
  addKey,
  announceKey,
  createKeyFile,
  FileKeyManagement,
  KEY_PURPOSES,
  KeyRing,
  removeKey,
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

const RESTART = 'Restart every server process';

function purposeOf(given: string | undefined): KeyPurpose {
  const purpose = KEY_PURPOSES.find((one) => one === given);
  if (!purpose) throw new OperatorError(`name a purpose: ${KEY_PURPOSES.join(', ')}`);
  return purpose;
}

export const keysAnnounce: Command = {
  usage: `<${KEY_PURPOSES.join('|')}>`,
  summary:
    'Add a key that every server process knows and none uses yet: the step before keys:rotate, so that no replica meets a key that it does not know.',
  async run(_values, [given]) {
    const purpose = purposeOf(given);
    const id = await announceKey(loadConfig().keyFile, purpose);
    console.log(`The ${purpose} key ${id} is announced. ${RESTART}, wait five minutes, then: keys:rotate ${purpose}`);
  },
};

export const keysRemove: Command = {
  usage: '<id of a retired token-signing or audit-signing key>',
  summary:
    'Take a retired signing key out, the step after keys:rotate: tokens that it signed are refused from the next start on; checkpoints get one signature again, and old ones are verified with its published public half.',
  async run(_values, [id = '']) {
    const { keyFile, sessions } = loadConfig();
    const purpose = await removeKey(keyFile, id);
    console.log(
      purpose === 'audit-signing'
        ? `The key is out of ${keyFile}. ${RESTART}, once a checkpoint bears the signature of the new key (GET /v1/audit/checkpoint shows it).`
        : `The key is out of ${keyFile}. ${RESTART}, not before ${sessions.accessTokenSeconds / 60} minutes after they were restarted for keys:rotate.`,
    );
  },
};

const BATCH = 500;

export const keysRotate: Command = {
  usage: `<${KEY_PURPOSES.join('|')}>`,
  summary:
    'Make the announced key of a purpose the active one (a new one where none was announced) and retire the former; for kek, wrap all data keys anew (nothing is encrypted again).',
  async run(_values, [given]) {
    const purpose = purposeOf(given);
    const { keyFile, database } = loadConfig();
    const id = await addKey(keyFile, purpose);
    console.log(`The ${purpose} key ${id} is active. ${RESTART} so that it uses it.`);
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
