import { isKey, parseReference, type BusinessIdentifier } from '../../fhir/index.js';
import { baseOf, keyOf, type Identified, type RecordKey } from './import-candidates.js';

/** A record that a reference can mean. */
export interface Target {
  type: string;
  recordId: string;
  /** Whose record it is; for a Patient, the chart. Null: of no patient, or held. */
  patientId: string | null;
  /** What it is, and what is mentioned in it. */
  codes: readonly string[];
}

/** A business identifier of one type of record, as conditional references name it. */
export interface Token {
  type: string;
  system: string;
  value: string;
}

/** One text for what a reference names, also where it is kept as something that is waited for. */
export const tokenKey = ({ type, system, value }: Token): string => `${type}?${system}|${value}`;

/** The other way round. A type has no `?` and no `/`; a record's id has no `?`. */
export function wantedOf(keys: Iterable<string>): Wanted {
  const wanted: Wanted = { keys: [], tokens: [] };
  for (const key of keys) {
    const [, type, kind, rest] = /^([A-Za-z]+)([/?])(.*)$/s.exec(key)!;
    const bar = rest!.indexOf('|');
    if (kind === '/') wanted.keys.push({ type: type!, sourceId: rest! });
    else wanted.tokens.push({ type: type!, system: rest!.slice(0, bar), value: rest!.slice(bar + 1) });
  }
  return wanted;
}

/** What references name that the Bundle itself does not say: to be looked up among the feed's records. */
export interface Wanted {
  keys: RecordKey[];
  tokens: Token[];
}

/**
 * Resolves references as one feed's Bundle means them (https://hl7.org/fhir/R4/bundle.html#references), in this order:
 * fullUrl in the Bundle; type and id within the feed; a conditional reference with exactly one hit. Pure: it is told what
 * the Bundle and the database hold.
 */
export class ReferenceBook {
  private readonly targets = new Map<string, Target>();
  private readonly hits = new Map<string, Set<string>>();

  constructor(
    private readonly source: string,
    private readonly bundle: Pick<Identified, 'candidates' | 'named'>,
  ) {
    for (const candidate of bundle.candidates) {
      for (const identifier of candidate.identifiers) this.addHit(candidate.type, identifier, keyOf(candidate));
    }
  }

  wanted(): Wanted {
    const { candidates, named } = this.bundle;
    const keys = new Map(
      [...candidates, ...named.values()].map(({ type, sourceId }): [string, RecordKey] => [
        keyOf({ type, sourceId }),
        { type, sourceId },
      ]),
    );
    const tokens = new Map<string, Token>();
    const links = candidates.flatMap((candidate) => candidate.links.map((link) => link.reference));
    for (const reference of new Set([
      ...candidates.flatMap(({ references }) => references.map((one) => one.reference)),
      ...links,
    ])) {
      const key = this.keyNamedBy(reference);
      if (key) keys.set(keyOf(key), key);
      const token = tokenOf(reference);
      if (token) tokens.set(tokenKey(token), token);
    }
    return { keys: [...keys.values()], tokens: [...tokens.values()] };
  }

  /** Says that a record exists, or will when the import is done. */
  add(record: RecordKey, target: Target): void {
    this.targets.set(keyOf(record), target);
  }

  /** Says that a stored record of the feed has this identifier. */
  addStored(token: Token, sourceId: string): void {
    this.addHit(token.type, token, keyOf({ type: token.type, sourceId }));
  }

  /** The record that a reference means; undefined when it means none that is known, or could mean several. */
  resolve(reference: string): Target | undefined {
    const named = this.bundle.named.get(reference) ?? this.keyNamedBy(reference);
    if (named) return this.targets.get(keyOf(named));
    const token = tokenOf(reference);
    const hits = token && this.hits.get(tokenKey(token));
    const [only] = hits?.size === 1 ? hits : [];
    return only === undefined ? undefined : this.targets.get(only);
  }

  /** How the stored text names it: `Type/<our id>`; a Patient by its chart. Undefined leaves the reference as sent. */
  readonly literal = (reference: string): string | undefined => {
    const target = this.resolve(reference);
    if (!target) return undefined;
    if (target.type !== 'Patient') return `${target.type}/${target.recordId}`;
    // Of a Patient that was deleted before it came, the chart is not known.
    return target.patientId === null ? undefined : `Patient/${target.patientId}`;
  };

  /** How the sender's text names it wherever it is sent: `Type/<the sender's id>`. What a fullUrl stood for, only its Bundle says. */
  readonly canonical = (reference: string): string | undefined => {
    const key = this.bundle.named.get(reference) ?? this.keyNamedBy(reference);
    return key && keyOf(key);
  };

  /** What has to come for this reference to mean something; undefined: nothing that could. */
  awaitedKey(reference: string): string | undefined {
    const key = this.canonical(reference);
    if (key !== undefined) return key;
    const token = tokenOf(reference);
    return token && tokenKey(token);
  }

  /** Relative, or absolute under the feed's own address; a version named in it is the sender's and is dropped. */
  private keyNamedBy(reference: string): RecordKey | undefined {
    const parsed = parseReference(reference);
    if (parsed.kind === 'relative') return { type: parsed.type, sourceId: parsed.id };
    if (parsed.kind !== 'absolute' || parsed.type === undefined || parsed.id === undefined) return undefined;
    return parsed.base === baseOf(this.source) ? { type: parsed.type, sourceId: parsed.id } : undefined;
  }

  private addHit(type: string, { system, value }: Pick<BusinessIdentifier, 'system' | 'value'>, key: string): void {
    if (system === undefined) return;
    const token = tokenKey({ type, system, value });
    const hits = this.hits.get(token);
    if (hits) hits.add(key);
    else this.hits.set(token, new Set([key]));
  }
}

/** `Practitioner?identifier=system|value`, and nothing else: any other search could mean somebody else tomorrow. */
function tokenOf(reference: string): Token | undefined {
  const parsed = parseReference(reference);
  if (parsed.kind !== 'conditional') return undefined;
  const [first, ...others] = [...new URLSearchParams(parsed.query)];
  if (!first || others.length > 0 || first[0] !== 'identifier') return undefined;
  const bar = first[1].indexOf('|');
  if (bar <= 0 || bar === first[1].length - 1 || !isKey(first[1])) return undefined;
  return { type: parsed.type, system: first[1].slice(0, bar), value: first[1].slice(bar + 1) };
}

/** References that stay unresolved and should not: a contained resource and an address elsewhere are meant as they stand. */
export function shouldResolve(reference: string): boolean {
  const { kind } = parseReference(reference);
  return kind === 'urn' || kind === 'relative' || kind === 'conditional';
}
