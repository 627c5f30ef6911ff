import { createApp } from './app.js';
import { migrations } from './data-source.js';
import { operatorWords } from './operator-words.js';
import { ConfigError, loadConfig } from './platform/config/config.js';
import { missingMigrations } from './platform/database/schema-check.js';
import { listen } from './serve.js';

try {
  const config = loadConfig();
  const missing = await missingMigrations(
    config.database.url,
    migrations.map(({ name }) => name),
  );
  if (missing.length > 0)
    throw new ConfigError([
      `the database lacks ${missing.length} of ${migrations.length} migrations of this version: run npm run cli -- migrate`,
    ]);
  await listen(await createApp(config), config);
} catch (error) {
  // Nothing logs yet: the operator sees why on the console.
  process.stderr.write(`${operatorWords(error) ?? (error as Error).stack}\n`);
  process.exit(1);
}
