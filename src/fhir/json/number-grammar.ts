// PostgreSQL's numeric (which jsonb keeps numbers in) ends at 131,072 digits before and 16,383 after the point
// (https://www.postgresql.org/docs/current/datatype-numeric.html); FHIR asks for 18 significant digits
// (https://hl7.org/fhir/R4/datatypes.html#decimal). Between the two there is no honest clinical value.
const MAX_LENGTH = 1_000;
const MAX_EXPONENT = 999;

const ZERO = 0x30;

type Part = 'sign' | 'zero' | 'integer' | 'point' | 'fraction' | 'e' | 'exponent-sign' | 'exponent';

/** Follows one JSON number byte by byte: https://www.rfc-editor.org/rfc/rfc8259#section-6 */
export class NumberGrammar {
  private part: Part = 'sign';
  private length = 0;
  private exponent = 0;

  /** False when no number starts with this byte. */
  start(byte: number): boolean {
    this.length = 1;
    this.exponent = 0;
    if (byte === 0x2d) this.part = 'sign';
    else if (byte === ZERO) this.part = 'zero';
    else if (isDigit(byte)) this.part = 'integer';
    else return false;
    return true;
  }

  /** False when the byte does not belong to the number any more. */
  accept(byte: number): boolean {
    const next = this.after(byte);
    if (next === undefined) return false;
    this.part = next;
    this.length++;
    if (next === 'exponent' && this.exponent <= MAX_EXPONENT) this.exponent = this.exponent * 10 + byte - ZERO;
    return true;
  }

  get isComplete(): boolean {
    return this.part === 'zero' || this.part === 'integer' || this.part === 'fraction' || this.part === 'exponent';
  }

  get isOutOfRange(): boolean {
    return this.length > MAX_LENGTH || this.exponent > MAX_EXPONENT;
  }

  private after(byte: number): Part | undefined {
    const digit = isDigit(byte);
    switch (this.part) {
      case 'sign':
        return byte === ZERO ? 'zero' : digit ? 'integer' : undefined;
      case 'zero':
        return pointOrE(byte);
      case 'integer':
        return digit ? 'integer' : pointOrE(byte);
      case 'point':
        return digit ? 'fraction' : undefined;
      case 'fraction':
        return digit ? 'fraction' : isE(byte) ? 'e' : undefined;
      case 'e':
        return digit ? 'exponent' : byte === 0x2b || byte === 0x2d ? 'exponent-sign' : undefined;
      case 'exponent-sign':
      case 'exponent':
        return digit ? 'exponent' : undefined;
    }
  }
}

function pointOrE(byte: number): Part | undefined {
  return byte === 0x2e ? 'point' : isE(byte) ? 'e' : undefined;
}

function isE(byte: number): boolean {
  return byte === 0x65 || byte === 0x45;
}

function isDigit(byte: number): boolean {
  return byte >= ZERO && byte <= 0x39;
}
