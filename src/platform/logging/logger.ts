import { type Writable } from 'node:stream';
import pino, { type Logger as PinoLogger } from 'pino';
import type { LoggerService } from '@nestjs/common';

/**
 * The only keys that a log line may carry. Everything else is dropped, so that a careless `log.info({ body })`
 * cannot put a name, a result or a secret on disk. Values are ids, codes, counts and times; never free text of users.
 */
const ALLOWED = new Set([
  'requestId',
  'method',
  'route',
  'status',
  'ms',
  'code',
  'component',
  'count',
  'attempt',
  'address',
  'port',
  'reason',
  'version',
  'pid',
  'errorName',
  'errorCode',
  'stack',
  'job',
]);

type Fields = Partial<Record<string, string | number | boolean>>;

function allowed(fields: Fields): Fields {
  const kept: Fields = {};
  for (const [key, value] of Object.entries(fields)) if (ALLOWED.has(key)) kept[key] = value;
  return kept;
}

/** Where the code was, without the message: messages of database drivers and parsers quote their input. */
function traceOf(error: unknown): Fields {
  if (!(error instanceof Error)) return { errorName: typeof error };
  const frames = (error.stack ?? '')
    .split('\n')
    .filter((line) => /^\s+at /.test(line))
    .slice(0, 12)
    .join('\n');
  const code = (error as { code?: unknown }).code;
  return { errorName: error.name, stack: frames, ...(typeof code === 'string' ? { errorCode: code } : {}) };
}

/** JSON lines with an allow-list of fields. The log fails open (a full disk stops no care); the audit trail fails closed. */
export class Logger {
  private constructor(private readonly pino: PinoLogger) {}

  static to(level: string, stream?: Writable): Logger {
    const options = { level, base: { pid: process.pid }, timestamp: pino.stdTimeFunctions.isoTime };
    return new Logger(stream ? pino(options, stream) : pino(options));
  }

  info(message: string, fields: Fields = {}): void {
    this.pino.info(allowed(fields), message);
  }

  warn(message: string, fields: Fields = {}): void {
    this.pino.warn(allowed(fields), message);
  }

  error(message: string, error: unknown, fields: Fields = {}): void {
    this.pino.error({ ...allowed(fields), ...traceOf(error) }, message);
  }

  /** What Nest itself says: only its warnings and errors, and of those only the fixed first word. */
  forNest(): LoggerService {
    const quiet = () => undefined;
    return {
      log: quiet,
      debug: quiet,
      verbose: quiet,
      warn: (message: unknown) => this.pino.warn({ component: 'nest' }, String(message).slice(0, 200)),
      error: (message: unknown) => this.pino.error({ component: 'nest' }, String(message).slice(0, 200)),
    };
  }
}
