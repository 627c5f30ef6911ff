import { parseArgs } from 'node:util';
import { adminCreate } from './cli/admin-create.js';
import { auditArchive } from './cli/audit-archive.js';
import { auditVerify } from './cli/audit-verify.js';
import { clientKey, clientToken } from './cli/client-key.js';
import { demo, demoCode, demoToken } from './cli/demo.js';
import { doctor } from './cli/doctor.js';
import { keysAnnounce, keysCreate, keysRemove, keysRotate } from './cli/keys.js';
import { migrateCommand } from './cli/migrate.js';
import type { Command } from './cli/command.js';
import { auditNewOrigin } from './cli/audit-new-origin.js';
import { witness } from './cli/witness.js';
import { operatorWords } from './operator-words.js';

const commands: Record<string, Command> = {
  migrate: migrateCommand,
  'admin:create': adminCreate,
  'audit:verify': auditVerify,
  'audit:archive': auditArchive,
  'audit:new-origin': auditNewOrigin,
  'client:key': clientKey,
  'client:token': clientToken,
  'keys:create': keysCreate,
  'keys:announce': keysAnnounce,
  'keys:rotate': keysRotate,
  'keys:remove': keysRemove,
  doctor,
  witness,
  demo,
  'demo:code': demoCode,
  'demo:token': demoToken,
};

function help(): string {
  const width = Math.max(...Object.keys(commands).map((name) => name.length));
  const lines = Object.entries(commands).map(([name, { summary }]) => `  ${name.padEnd(width)}  ${summary}`);
  return `Usage: npm run cli -- <command> [options]\n\n${lines.join('\n')}\n\nnpm run cli -- <command> --help tells more. Settings come from the environment: see .env.example.`;
}

function helpOf(name: string, command: Command): string {
  const options = Object.entries(command.options ?? {}).map(
    ([option, { type, description }]) => `  --${option}${type === 'string' ? ' <value>' : ''}  ${description}`,
  );
  return [
    `Usage: npm run cli -- ${name} ${command.usage}`.trimEnd(),
    '',
    command.summary,
    ...(options.length > 0 ? ['', ...options] : []),
  ].join('\n');
}

async function main(args: string[]): Promise<number> {
  const [name, ...rest] = args;
  if (!name || name === 'help' || name === '--help') {
    console.log(help());
    return name ? 0 : 2;
  }
  const command = commands[name];
  if (!command) {
    console.error(`There is no command "${name}".\n\n${help()}`);
    return 2;
  }
  if (rest.includes('--help')) {
    console.log(helpOf(name, command));
    return 0;
  }
  const { values, positionals } = parseArgs({ args: rest, options: command.options ?? {}, allowPositionals: true });
  await command.run(values, positionals);
  // A command that has more to say than "done" has said it already.
  return Number(process.exitCode ?? 0);
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  const isUsage = (error as { code?: string }).code?.startsWith('ERR_PARSE_ARGS');
  console.error(isUsage ? (error as Error).message : (operatorWords(error) ?? error));
  process.exitCode = isUsage ? 2 : 1;
}
