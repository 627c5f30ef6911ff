/** https://terminology.hl7.org/CodeSystem-v2-0357.html */
export const HL7_ERRORS = {
  '100': 'Segment sequence error',
  '101': 'Required field missing',
  '102': 'Data type error',
  '103': 'Table value not found',
  '200': 'Unsupported message type',
  '201': 'Unsupported event code',
  '202': 'Unsupported processing id',
  '203': 'Unsupported version id',
  '207': 'Application internal error',
} as const;
export type Hl7Error = keyof typeof HL7_ERRORS;

/** Where in a message: line of the segment from 1, its name, how manieth of that name, field and repetition; as far as it is known. */
export interface Hl7Place {
  line: number;
  segment?: string;
  sequence?: number;
  field?: number;
}

/**
 * A message that cannot be taken, and where; never with a value of it. `reject`: no message that could be put right and tried again
 * here (AR); else it is one that was meant for us and is wrong (AE).
 */
export class Hl7Fault extends Error {
  constructor(
    readonly code: string,
    readonly error: Hl7Error,
    readonly place: Hl7Place,
    detail: string,
    readonly isReject = false,
  ) {
    super(detail);
  }
}
