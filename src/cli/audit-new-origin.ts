import { readFileSync } from 'node:fs';
import { NewOriginError, openNewOrigin } from '../modules/audit/index.js';
import { loadConfig } from '../platform/config/config.js';
import { OperatorError, type Command } from './command.js';

const LEAST_REASON = 10;
const MOST_REASON = 1_000;

export const auditNewOrigin: Command = {
  usage: '--reason <text> [--last <file>]',
  summary:
    'Go on signing the audit trail under a new name, after a restore to an earlier point was looked into. The old name is closed for good; its last checkpoint becomes the first event under the new one. Run it where a server runs, with its DATA_DIR.',
  options: {
    reason: { type: 'string', description: 'why, for the auditor: what was restored, to which point, who decided' },
    last: {
      type: 'string',
      description: 'file with the last checkpoint of the old name, as a witness or an anchor has kept it',
    },
  },
  async run({ reason, last }) {
    if (typeof reason !== 'string' || reason.trim().length < LEAST_REASON || reason.length > MOST_REASON)
      throw new OperatorError(`--reason is needed, ${LEAST_REASON} to ${MOST_REASON} characters`);
    const lastNote = typeof last === 'string' ? readFileSync(last, 'utf8') : null;
    try {
      const made = await openNewOrigin(loadConfig(), { reason: reason.trim(), lastNote, now: new Date() });
      console.log(`The log is signed as ${made.origin} from now on. Event ${made.place} holds the last checkpoint of the old name, of ${made.closedSize} entries.

Give the auditor and every witness the new verifier key (GET /v1/audit/keys). Keep the backup and the old checkpoints: they prove what was lost.`);
    } catch (error) {
      if (error instanceof NewOriginError) throw new OperatorError(error.message);
      throw error;
    }
  },
};
