const LENGTH_BYTES = 4;

/**
 * Joins texts so that no two different lists give the same bytes: each part is UTF-8 behind its length in bytes
 * (32 bit, big endian), after an optional head of fixed length; used for associated data and MAC inputs.
 */
export function frame(parts: readonly string[], head?: Buffer): Buffer {
  const lengths = parts.map((part) => Buffer.byteLength(part));
  const headLength = head?.length ?? 0;
  const out = Buffer.allocUnsafe(lengths.reduce((sum, length) => sum + LENGTH_BYTES + length, headLength));
  head?.copy(out);
  let at = headLength;
  for (const [i, part] of parts.entries()) {
    at = out.writeUInt32BE(lengths[i]!, at);
    at += out.write(part, at);
  }
  return out;
}
