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
