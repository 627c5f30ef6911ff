import { Problem } from '../../../platform/http/problem.js';

/** A checkpoint is signed every ten seconds at most. */
const RETRY_SECONDS = 10;

export const notSealedYet = (): Problem =>
  new Problem(409, 'audit.not-sealed-yet', 'No signed checkpoint covers this yet. Try again shortly.', {
    retryAfterSeconds: RETRY_SECONDS,
  });

export const noSuchProof = (): Problem =>
  new Problem(422, 'audit.no-such-proof', 'An index lies below the size of its tree, and `from` is at most `to`.');

export const logDamaged = (): Problem =>
  new Problem(
    500,
    'audit.log-damaged',
    'The audit trail does not lead to its signed checkpoint here, so nothing is handed out. Have the trail verified.',
  );
