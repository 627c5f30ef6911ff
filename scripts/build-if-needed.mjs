// Builds only when a source file is newer than the last build, so that a start costs nothing when nothing changed.
import { spawnSync } from 'node:child_process';
import { existsSync, globSync, statSync } from 'node:fs';

const BUILT = 'dist/src/main.js';
const sources = [
  'nest-cli.json',
  'tsconfig.json',
  'tsconfig.build.json',
  ...globSync('{src,migrations}/**/*.{ts,json,gz,mjs}'),
];
const newest = Math.max(...sources.map((file) => statSync(file).mtimeMs));
if (!existsSync(BUILT) || statSync(BUILT).mtimeMs < newest) {
  const { status } = spawnSync(process.platform === 'win32' ? 'npx.cmd' : 'npx', ['nest', 'build'], {
    stdio: 'inherit',
  });
  process.exit(status ?? 1);
}
