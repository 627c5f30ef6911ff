import { ownerDataSource } from '../data-source.js';
import { ConfigError, loadConfig } from '../platform/config/config.js';
import { migrate } from '../platform/database/migrate.js';
import type { Command } from './command.js';

export const migrateCommand: Command = {
  usage: '',
  summary: 'Bring the database to this version: roles, logins of the configured URLs, schema. Safe to run again.',
  async run() {
    const { database } = loadConfig();
    const missing = (['ownerUrl', 'url', 'sequencerUrl', 'auditorUrl'] as const).filter((key) => database[key] === '');
    const names = {
      ownerUrl: 'DATABASE_OWNER_URL',
      url: 'DATABASE_URL',
      sequencerUrl: 'DATABASE_SEQUENCER_URL',
      auditorUrl: 'DATABASE_AUDITOR_URL',
    };
    if (missing.length > 0) throw new ConfigError(missing.map((key) => `${names[key]} is missing`));
    const done = await migrate(database, ownerDataSource(database));
    console.log(done.length === 0 ? 'The database is at this version already.' : `Done: ${done.join(', ')}`);
  },
};
