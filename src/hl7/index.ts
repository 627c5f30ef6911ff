export { ACCEPTED, answersTo, batchOf, type Verdict } from './ack.js';
export { messagesOf } from './batch.js';
export { CHARSET_NAMES, decode, encode } from './charset.js';
export { Hl7Fault } from './fault.js';
export { peekHeader } from './peek.js';
export { readMessage, type Hl7Header, type Hl7Sender, type ReadMessage } from './message.js';
export { EVENTS, translate, type Translated } from './translate.js';
