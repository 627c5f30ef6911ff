/** A leaf as the formats read it; what is written out as evidence are always the bytes of its line. */
export interface Leaf {
  i: number;
  n?: number;
  e: {
    id: string;
    t: string;
    act: string;
    sub: string;
    out: number;
    req: string;
    actor: { id?: string; roles?: string[] };
    http?: { m: string; route: string; st: number };
    err?: string;
    pat?: string;
    purp?: string;
    res?: { t: string; i: string; v?: number }[];
  };
}

/** One entry of the log, on its way into an export. */
export interface Entry {
  index: number;
  /** The exact bytes, as text; UTF-8 outside. */
  line: string;
  storedHash: Buffer;
  /** What opens the commitment to address and user agent (RFC 9901); null where it was erased, undefined where it is not asked for. */
  disclosure: string | null | undefined;
}

export const leafOf = ({ line }: Entry): Leaf => JSON.parse(line) as Leaf;
