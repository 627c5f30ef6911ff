import { readFileSync } from 'node:fs';
import { findPackageJSON } from 'node:module';

/** Version of the portal that runs, as in its package.json. */
export const VERSION = (JSON.parse(readFileSync(findPackageJSON(import.meta.url)!, 'utf8')) as { version: string })
  .version;
