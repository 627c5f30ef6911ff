import { OperatorError } from './cli/command.js';
import { ConfigError } from './platform/config/config.js';
import { KeyFileError } from './platform/crypto/index.js';

interface Failure extends Error {
  code?: string;
  address?: string;
  port?: number;
  /** Of a name with several addresses: one for each. */
  errors?: Failure[];
}

const AWAY = new Set(['ECONNREFUSED', 'EHOSTUNREACH', 'ENETUNREACH', 'ETIMEDOUT', 'ENOTFOUND', 'EAI_AGAIN']);

/** By SQLSTATE (PostgreSQL, appendix A). What PostgreSQL says names users, databases and tables, and no data. */
const TO_DO: Record<string, string> = {
  '28P01': 'check user and password in the DATABASE_…_URL settings',
  '28000': 'check user, database and TLS in the DATABASE_…_URL settings, and pg_hba.conf',
  '3D000': 'create it, then run npm run cli -- migrate',
  '3F000': 'run npm run cli -- migrate',
  '42P01': 'run npm run cli -- migrate',
  '42501': 'run npm run cli -- migrate, which grants what the roles need',
  '53300': 'raise max_connections, or lower DATABASE_POOL_SIZE',
  '57P03': 'it is starting or stopping: try again shortly',
};

function ofDatabase(error: Failure): string | null {
  const failure = error.errors?.[0] ?? error;
  const code = failure.code ?? '';
  if (AWAY.has(code)) {
    const at = failure.address ? ` at ${failure.address}:${failure.port}` : '';
    return `PostgreSQL does not answer${at} (${code}): is it running, and do the DATABASE_…_URL settings name it?`;
  }
  if (/timeout/i.test(failure.message) && /connect/i.test(failure.message))
    return 'PostgreSQL does not answer in time: is it running, and do the DATABASE_…_URL settings name it?';
  const todo = TO_DO[code];
  return todo ? `PostgreSQL says: ${failure.message}. To do: ${todo}.` : null;
}

/** What the operator can mend, said in words and without a trace; null: it is a fault of ours. */
export function operatorWords(error: unknown): string | null {
  if (error instanceof ConfigError || error instanceof OperatorError || error instanceof KeyFileError)
    return error.message;
  return error instanceof Error ? ofDatabase(error) : null;
}
