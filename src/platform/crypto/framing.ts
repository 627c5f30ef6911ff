const LENGTH_BYTES = 4;

/**
 * Joins texts so that no two different lists give the same bytes: each part is UTF-8 behind its length in bytes
 * (32 bit, big endian), after an optional head of fixed length; used for associated data and MAC inputs.
 */
export function frame(parts: readonly string[], head?: Buffer): Buffer {
  // UTF-8 takes at most three bytes for each unit of a JavaScript string: one pass writes and measures.
  const most = parts.reduce((sum, part) => sum + LENGTH_BYTES + 3 * part.length, head?.length ?? 0);
  const out = Buffer.allocUnsafe(most);
  let at = head ? head.copy(out) : 0;
  for (const part of parts) {
    const length = out.write(part, at + LENGTH_BYTES);
    at = out.writeUInt32BE(length, at) + length;
  }
  return out.subarray(0, at);
}
