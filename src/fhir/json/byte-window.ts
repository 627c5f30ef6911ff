/** The part of a byte stream that may still be asked for, addressed by offsets of the whole stream. */
export class ByteWindow {
  private chunks: Uint8Array[] = [];
  private start = 0;

  append(chunk: Uint8Array): void {
    this.chunks.push(chunk);
  }

  /** Whole chunks only: nothing is copied. */
  dropBefore(offset: number): void {
    let dropped = 0;
    for (const chunk of this.chunks) {
      if (this.start + chunk.length > offset) break;
      this.start += chunk.length;
      dropped++;
    }
    if (dropped > 0) this.chunks.splice(0, dropped);
  }

  text(from: number, to: number): string {
    return this.bytes(from, to).toString('utf8');
  }

  private bytes(from: number, to: number): Buffer {
    const parts: Uint8Array[] = [];
    let at = this.start;
    for (const chunk of this.chunks) {
      const end = at + chunk.length;
      if (end > from && at < to) parts.push(chunk.subarray(Math.max(0, from - at), Math.min(chunk.length, to - at)));
      at = end;
      if (at >= to) break;
    }
    const only = parts.length === 1 ? parts[0] : undefined;
    return only ? Buffer.from(only.buffer, only.byteOffset, only.length) : Buffer.concat(parts);
  }
}
