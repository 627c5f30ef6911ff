/** What a resource is made of. Decimals are `Decimal`, never `number`: 5.40 is not 5.4 on a laboratory report. */
export type Json = string | number | boolean | Decimal | Json[] | { [key: string]: Json | undefined };
export type JsonObject = { [key: string]: Json | undefined };

// Stage 4 and in Node 24, not yet in TypeScript's library.
const { rawJSON } = JSON as unknown as { rawJSON: (text: string) => unknown };

/** A decimal that is written with exactly the digits it was made with. */
export class Decimal {
  constructor(readonly text: string) {
    if (!/^-?(0|[1-9]\d*)(\.\d+)?$/.test(text)) throw new TypeError(`not a plain decimal: ${text}`);
  }

  static of(value: number, digits: number): Decimal {
    return new Decimal(value.toFixed(digits));
  }

  get value(): number {
    return Number(this.text);
  }

  toJSON(): unknown {
    return rawJSON(this.text);
  }

  toString(): string {
    return this.text;
  }
}

export const toText = (value: Json): string => JSON.stringify(value);
