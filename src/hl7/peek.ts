import { decode } from './charset.js';
import { Hl7Fault } from './fault.js';
import { readMessage, type Hl7Header } from './message.js';

const HEAD_BYTES = 16_384;

/** MSH of the first message of these bytes, without a look at the rest; null where it cannot be read. */
export function peekHeader(bytes: Buffer, fallback: string): Hl7Header | null {
  // Latin-1 keeps each byte a letter: places in the text are places in the bytes.
  const head = bytes.toString('latin1', 0, HEAD_BYTES);
  const at = head.search(/MSH[^\w\s]/);
  if (at < 0) return null;
  const length = head.slice(at).search(/[\r\n]/);
  try {
    return readMessage(decode(bytes.subarray(at, length < 0 ? HEAD_BYTES : at + length), fallback).text).header;
  } catch (error) {
    if (error instanceof Hl7Fault) return null;
    throw error;
  }
}
