import { Problem } from '../../../platform/http/problem.js';

export const downloadNotReady = (): Problem =>
  new Problem(
    409,
    'records.download-not-ready',
    'The files are still being written: ask how far it is, and come back.',
    {
      retryAfterSeconds: 5,
    },
  );

export const downloadOver = (): Problem =>
  new Problem(
    409,
    'records.download-over',
    'The files of this download are gone, or were never made. Ask for a new one.',
  );

export const tooManyDownloads = (): Problem =>
  new Problem(
    429,
    'records.too-many-downloads',
    'You have asked for many downloads today. Use one that is there, or come back tomorrow.',
    {
      retryAfterSeconds: 3_600,
    },
  );

export const downloadsBusy = (): Problem =>
  new Problem(503, 'records.downloads-busy', 'Several files are being fetched right now. Try again in a moment.', {
    retryAfterSeconds: 10,
  });

export const tooManyTransmissions = (): Problem =>
  new Problem(
    429,
    'records.too-many-transmissions',
    'You have sent many copies today. Come back tomorrow, or download it.',
    {
      retryAfterSeconds: 3_600,
    },
  );

/** Mail systems refuse what is larger; the sender would learn of it too late. */
export const transmissionTooLarge = (bytes: number, limit: number): Problem =>
  new Problem(
    422,
    'records.transmission-too-large',
    `These files have ${bytes} bytes, and a mail takes ${limit}. Send fewer files, ask for a download of fewer days or types, or download it and hand it over.`,
    { errors: [{ pointer: '/files', code: 'too-large', detail: `At most ${limit} bytes.` }] },
  );

export const noSuchFile = (): Problem =>
  new Problem(422, 'records.no-such-file', 'The download has no file of one of these names.', {
    errors: [{ pointer: '/files', code: 'no-such-file', detail: 'Take names of the files of the download.' }],
  });
