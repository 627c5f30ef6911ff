/** What was done to the log or to an export. `stale`: nothing wrong, but too old; `signature`: not signed by who has to. */
export const TAMPERINGS = [
  'edit',
  'deletion',
  'insertion',
  'reorder',
  'truncation',
  'rollback',
  'fork',
  'signature',
  'stale',
] as const;
export type Tampering = (typeof TAMPERINGS)[number];

/** One thing that is wrong, and where. */
export interface Finding {
  kind: Tampering;
  /** File of the bundle, or table of the database. */
  where: string;
  /** Line of the file, from 1. */
  line: number | null;
  /** First leaf that it concerns. */
  index: number | null;
  /** Last leaf that it can be, where the place is only known to lie from `index` to here. */
  through: number | null;
  /** For a person; holds no content of the log. */
  what: string;
}

type Place = Partial<Pick<Finding, 'line' | 'index' | 'through'>>;

export const finding = (kind: Tampering, where: string, what: string, place: Place = {}): Finding => ({
  kind,
  where,
  line: null,
  index: null,
  through: null,
  ...place,
  what,
});

/** Verification ends here: this was found. */
export class Refusal extends Error {
  constructor(readonly finding: Finding) {
    super(finding.what);
  }
}

/** Nothing can be said either way: a file cannot be read, a key is missing, a proof that would be needed is not there. */
export class Unverifiable extends Error {}

const number = new Intl.NumberFormat('en');

/** One line for a person: `edit: events.ndjson, line 18, leaf 17: …`. */
export function sentence({ kind, where, line, index, through, what }: Finding): string {
  const leaf = index === null ? null : `leaf ${number.format(index)}`;
  const span = through === null || through === index ? leaf : `${leaf} to ${number.format(through)}`;
  const place = [where, line === null ? null : `line ${number.format(line)}`, span].filter((part) => part !== null);
  return `${kind}: ${place.join(', ')}: ${what}`;
}
