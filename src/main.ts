import { createApp } from './app.js';
import { ConfigError, loadConfig } from './platform/config/config.js';
import { listen } from './serve.js';

try {
  const config = loadConfig();
  await listen(await createApp(config), config);
} catch (error) {
  // Nothing logs yet: the operator sees why on the console.
  process.stderr.write(`${error instanceof ConfigError ? error.message : (error as Error).stack}\n`);
  process.exit(1);
}
