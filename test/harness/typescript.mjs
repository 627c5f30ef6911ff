// Lets plain Node run the project's TypeScript with decorators: for what runs outside Jest's own transform (global
// set-up, benchmark, resilience scripts). Use: node --import ./test/harness/typescript.mjs file.ts
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { createRequire, registerHooks } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { SWC_OPTIONS } from './swc-options.mjs';

const require = createRequire(import.meta.url);

// Tests start dozens of processes: each file is compiled once, by what it says and how.
const CACHE = fileURLToPath(new URL('../../node_modules/.cache/portico-typescript/', import.meta.url));
const HOW = JSON.stringify(SWC_OPTIONS) + readFileSync(require.resolve('@swc/core/package.json'), 'utf8');
mkdirSync(CACHE, { recursive: true });

function compiled(filename) {
  const source = readFileSync(filename, 'utf8');
  const kept = join(CACHE, createHash('sha256').update(`${HOW}\n${filename}\n${source}`).digest('hex'));
  if (existsSync(kept)) return readFileSync(kept, 'utf8');
  const { code } = require('@swc/core').transformSync(source, { ...SWC_OPTIONS, filename });
  // Whole or not at all: others may look for it at this moment.
  writeFileSync(`${kept}.${process.pid}`, code);
  renameSync(`${kept}.${process.pid}`, kept);
  return code;
}

registerHooks({
  resolve(specifier, context, next) {
    if (/^\.{1,2}\/.*\.js$/.test(specifier) && context.parentURL?.endsWith('.ts')) {
      const url = new URL(specifier.replace(/\.js$/, '.ts'), context.parentURL);
      if (existsSync(url)) return next(url.href, context);
    }
    return next(specifier, context);
  },
  load(url, context, next) {
    if (!url.startsWith('file:') || !url.endsWith('.ts')) return next(url, context);
    return { format: 'module', source: compiled(fileURLToPath(url)), shortCircuit: true };
  },
});
