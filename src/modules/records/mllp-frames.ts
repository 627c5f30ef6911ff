// https://www.hl7.org/documentcenter/public/wg/inm/mllp_transport_specification.PDF: VT, the message, FS, CR.
const VT = 0x0b;
const FS = 0x1c;
const CR = 0x0d;
const MAX_PARTS = 1_024;
const BETWEEN: ReadonlySet<number> = new Set([0x0a, CR, 0x20]);

/** Why a connection is closed: what came is no frame, or too much of one. */
export class FramingFault extends Error {
  constructor(readonly code: 'no-frame' | 'frame-too-large' | 'too-much-at-once') {
    super(code);
  }
}

export interface FrameLimits {
  maxBytes: number;
  /** Asks for room for so many bytes more, of all connections together; false: there is none. */
  reserve: (bytes: number) => boolean;
  /** A frame has begun, or is whole. */
  begun: () => void;
}

/**
 * Frames as they arrive, one after the other, wherever the network cuts them. Memory is bounded by one frame; whoever sends
 * something else is not listened to. Nothing is read on while a frame is worked on: a sender cannot be faster than we are.
 */
export async function* framesOf(
  chunks: AsyncIterable<Buffer>,
  { maxBytes, reserve, begun }: FrameLimits,
): AsyncGenerator<Buffer> {
  let parts: Buffer[] | null = null;
  let size = 0;
  try {
    for await (const chunk of chunks) {
      let from = 0;
      while (from < chunk.length) {
        if (parts === null) {
          const byte = chunk[from++]!;
          if (byte === VT) {
            parts = [];
            begun();
          } else if (!BETWEEN.has(byte)) throw new FramingFault('no-frame');
          continue;
        }
        const end = endIn(chunk, from, lastOf(parts));
        const part = chunk.subarray(from, end ?? chunk.length);
        if (size + part.length > maxBytes + 2) throw new FramingFault('frame-too-large');
        if (!reserve(part.length)) throw new FramingFault('too-much-at-once');
        size += part.length;
        // A copy: a small piece would keep the whole chunk that it came in.
        if (part.length > 0) parts.push(Buffer.from(part));
        // Whoever sends letter by letter must not cost a list of letters.
        if (parts.length > MAX_PARTS) parts = [Buffer.concat(parts, size)];
        from = end ?? chunk.length;
        if (end === undefined) continue;
        const frame = Buffer.concat(parts, size).subarray(0, size - 2);
        parts = null;
        yield frame;
        reserve(-size);
        size = 0;
      }
    }
  } finally {
    reserve(-size);
  }
}

const lastOf = (parts: readonly Buffer[]): number | undefined => parts.at(-1)?.at(-1);

/** Byte behind the first FS and CR at or after `from`; the FS may be the last byte of the chunk before. */
function endIn(chunk: Buffer, from: number, before: number | undefined): number | undefined {
  if (before === FS && chunk[from] === CR) return from + 1;
  for (let at = chunk.indexOf(FS, from); at >= 0; at = chunk.indexOf(FS, at + 1))
    if (chunk[at + 1] === CR) return at + 2;
  return undefined;
}

export const framed = (message: Buffer): Buffer => Buffer.concat([Buffer.of(VT), message, Buffer.of(FS, CR)]);
