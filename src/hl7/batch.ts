import { Hl7Fault } from './fault.js';
import { segmentsOf } from './message.js';

export const MAX_MESSAGES = 1_000;
const ENVELOPE = /^(?:FHS|BHS|FTS|BTS)(?=[^A-Za-z0-9])/;

/** The messages of a text: one, or those of a file or batch (chapter 2.10.3), whose own segments are looked at for their number. */
export function messagesOf(text: string): { isBatch: boolean; messages: string[] } {
  const lines = segmentsOf(text);
  const end = text.includes('\r') ? '\r' : '\n';
  const isBatch = ENVELOPE.test(lines[0] ?? '');
  if (!isBatch) return { isBatch, messages: [text] };
  const messages: string[][] = [];
  for (const [at, line] of lines.entries()) {
    const envelope = ENVELOPE.exec(line)?.[0];
    if (line.startsWith('MSH')) messages.push([line]);
    else if (envelope === 'BTS') checkCount(line, at, messages.length);
    else if (envelope === undefined && messages.length === 0)
      throw new Hl7Fault(
        'no-message',
        '100',
        { line: at + 1 },
        'A segment stands before the first message of its batch.',
        true,
      );
    else if (envelope === undefined) messages.at(-1)!.push(line);
    if (messages.length > MAX_MESSAGES)
      throw new Hl7Fault(
        'too-many-messages',
        '100',
        { line: at + 1 },
        `A batch has ${MAX_MESSAGES} messages at most.`,
        true,
      );
  }
  if (!lines.some((line) => line.startsWith('BTS') || line.startsWith('FTS')))
    throw new Hl7Fault('truncated', '100', { line: lines.length }, 'The end of the batch is missing (BTS).', true);
  return { isBatch, messages: messages.map((segments) => segments.join(end)) };
}

/** BTS-1, where it is said: of a batch that lost some of its messages on the way none is taken. */
function checkCount(line: string, at: number, count: number): void {
  const said = line.slice(4).split(line.charAt(3))[0]!.trim();
  if (said !== '' && Number(said) !== count)
    throw new Hl7Fault(
      'batch-count',
      '100',
      { line: at + 1, segment: 'BTS', field: 1 },
      'BTS-1 says another number of messages.',
      true,
    );
}
