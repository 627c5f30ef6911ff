/** Statuses that a reader must not miss, in words; others are shown as they are. */
const WORDS: Readonly<Record<string, string>> = {
  registered: 'Registered: there is no result yet',
  partial: 'Partial: more is to come',
  preliminary: 'Preliminary: not yet verified',
  final: 'Final',
  amended: 'Amended: changed since it was final',
  corrected: 'Corrected: it was wrong before',
  appended: 'Added to since it was final',
  cancelled: 'Cancelled',
  'entered-in-error': 'Entered in error',
  'not-done': 'Not done',
  'on-hold': 'On hold',
  unknown: 'Status not known',
};

export const statusWords = (status: string): string | null =>
  status === '' ? null : Object.hasOwn(WORDS, status) ? WORDS[status]! : status;
