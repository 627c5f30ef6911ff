import { applyRetention, RetentionError } from '../modules/audit/index.js';
import { loadConfig } from '../platform/config/config.js';
import { OperatorError, type Command } from './command.js';
import { progress } from './progress.js';

/** A day, or a time with its offset. */
const TIME = /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d{1,3})?)?(Z|[+-]\d\d:\d\d))?$/;

function timeOf(text: string): Date {
  const time = new Date(text);
  if (!TIME.test(text) || Number.isNaN(time.getTime()))
    throw new OperatorError('--before is a day or a time, such as 2025-01-01 or 2025-01-01T00:00:00Z');
  if (time > new Date()) throw new OperatorError('--before lies in the future');
  return time;
}

export const auditArchive: Command = {
  usage: '[--before <time>]',
  summary:
    'Move blocks of the audit trail that are older than AUDIT_HOT_MONTHS from the database to AUDIT_ARCHIVE_DIR, and delete from there what is older than AUDIT_RETENTION_YEARS and under no legal hold. Servers do the same by themselves; it can be stopped at any time and run again.',
  options: {
    before: {
      type: 'string',
      description: 'archive blocks whose events are all older than this, whatever AUDIT_HOT_MONTHS says',
    },
  },
  async run({ before }) {
    const tell = progress();
    try {
      const done = await applyRetention(loadConfig(), {
        before: typeof before === 'string' ? timeOf(before) : null,
        onProgress: (block, at, of) => tell(at, of, `steps of block ${block}`),
      });
      if (!done) throw new OperatorError('A server is at it right now: look again later.');
      for (const { block, first, end, digest } of done.archived)
        console.log(`archived block ${block}: events ${first} to ${end - 1}, digest ${digest.toString('hex')}`);
      for (const { block, first, end } of done.deleted)
        console.log(`deleted block ${block}: events ${first} to ${end - 1}`);
      for (const { block } of done.held) console.log(`kept block ${block}: a legal hold is in force`);
      if (done.archived.length + done.deleted.length + done.held.length === 0) console.log('Nothing is due.');
    } catch (error) {
      if (error instanceof RetentionError) throw new OperatorError(error.message);
      throw error;
    }
  },
};
