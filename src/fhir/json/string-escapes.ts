const SIMPLE = new Set([...'"\\/bfnrt'].map((letter) => letter.charCodeAt(0)));
const U = 0x75;

export type EscapeStep = 'more' | 'complete' | 'malformed' | 'forbidden';

/**
 * Follows the escapes of one string. Refuses \u0000 and unpaired surrogates: PostgreSQL's jsonb cannot hold either
 * (https://www.postgresql.org/docs/current/datatype-json.html), so they are bad input and not a later server error.
 */
export class StringEscapes {
  private digits = -1;
  private unit = 0;
  private awaitsLow = false;

  begin(): void {
    this.digits = -1;
  }

  reset(): void {
    this.awaitsLow = false;
  }

  /** True while a high surrogate has been read and its low half must come next. */
  get isHalfPair(): boolean {
    return this.awaitsLow;
  }

  /** Takes the bytes behind a backslash, one at a time. */
  accept(byte: number): EscapeStep {
    if (this.digits < 0) return this.letter(byte);
    const digit = hexDigit(byte);
    if (digit < 0) return 'malformed';
    this.unit = this.unit * 16 + digit;
    this.digits++;
    return this.digits === 4 ? this.codeUnit() : 'more';
  }

  private letter(byte: number): EscapeStep {
    if (byte === U) {
      this.digits = 0;
      this.unit = 0;
      return 'more';
    }
    if (!SIMPLE.has(byte)) return 'malformed';
    return this.awaitsLow ? 'forbidden' : 'complete';
  }

  private codeUnit(): EscapeStep {
    const isLow = this.unit >= 0xdc00 && this.unit <= 0xdfff;
    if (isLow !== this.awaitsLow || this.unit === 0) return 'forbidden';
    this.awaitsLow = this.unit >= 0xd800 && this.unit <= 0xdbff;
    return 'complete';
  }
}

function hexDigit(byte: number): number {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  const lower = byte | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1;
}
