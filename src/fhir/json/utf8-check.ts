/** Well-formed UTF-8, byte by byte: Table 3-7 of the Unicode standard (no overlong forms, no surrogates, at most U+10FFFF). */
export class Utf8Check {
  private following = 0;
  private low = 0x80;
  private high = 0xbf;

  get isInside(): boolean {
    return this.following > 0;
  }

  /** Takes a byte of 0x80 and above, or any byte while inside a character; false when it cannot stand here. */
  accept(byte: number): boolean {
    if (this.following === 0) return this.lead(byte);
    const fits = byte >= this.low && byte <= this.high;
    this.following--;
    this.low = 0x80;
    this.high = 0xbf;
    return fits;
  }

  private lead(byte: number): boolean {
    if (byte < 0xc2 || byte > 0xf4) return false;
    this.following = byte < 0xe0 ? 1 : byte < 0xf0 ? 2 : 3;
    if (byte === 0xe0) this.low = 0xa0;
    else if (byte === 0xed) this.high = 0x9f;
    else if (byte === 0xf0) this.low = 0x90;
    else if (byte === 0xf4) this.high = 0x8f;
    return true;
  }
}
