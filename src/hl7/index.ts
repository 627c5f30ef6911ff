export { ACCEPTED, answersTo, batchOf, type AckCode, type Verdict } from './ack.js';
export { messagesOf } from './batch.js';
export { CHARSET_NAMES, decode, encode } from './charset.js';
export { HL7_ERRORS, Hl7Fault, type Hl7Error, type Hl7Place } from './fault.js';
export { peekHeader } from './peek.js';
export { readMessage, type Hl7Header, type Hl7Sender, type ReadMessage } from './message.js';
export { translate, type Translated } from './translate.js';
