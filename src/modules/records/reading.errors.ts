import { Problem } from '../../platform/http/problem.js';

export const alreadyHeld = (): Problem =>
  new Problem(409, 'records.already-held', 'This record is held back already: lift that first.');

export const notHeld = (): Problem => new Problem(409, 'records.not-held', 'This record is not held back.');

export const holdEnd = (detail: string): Problem =>
  new Problem(422, 'records.hold-end', detail, { errors: [{ pointer: '/until', code: 'hold-end', detail }] });

export const notOfPortal = (): Problem =>
  new Problem(
    409,
    'records.not-of-portal',
    'This record came from another system: it is corrected there, and the correction comes with its feed.',
  );

export const notSupplied = (): Problem =>
  new Problem(409, 'records.not-supplied', 'This record was not supplied by the patient.');

export const alreadyDecided = (): Problem =>
  new Problem(409, 'records.already-decided', 'The care team has said already whether it goes by this record.');

export const alreadyRetracted = (): Problem =>
  new Problem(409, 'records.already-retracted', 'This record was retracted.');

export const oneOf = (pointer: string, detail: string): Problem =>
  new Problem(422, 'records.incomplete', detail, { errors: [{ pointer, code: 'incomplete', detail }] });

export const attachmentRefused = (detail: string): Problem => new Problem(409, 'records.attachment-refused', detail);

export const attachmentAwaited = (): Problem =>
  new Problem(409, 'records.attachment-awaited', 'The content of this attachment has not come yet.');

export const attachmentElsewhere = (): Problem =>
  new Problem(
    409,
    'records.attachment-elsewhere',
    'This attachment is kept elsewhere: its address is in the list of attachments. Nothing is fetched from there.',
  );

export const notKept = (): Problem =>
  new Problem(
    409,
    'records.attachment-not-kept',
    'An attachment of this record was too large to be kept: the record cannot be given as it was sent.',
  );

export const attachmentTampered = (): Problem =>
  new Problem(
    500,
    'records.attachment-tampered',
    'This attachment is not what was stored, and is not handed out. It was reported.',
  );
