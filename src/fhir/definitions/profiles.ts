import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { getAllDataTypes, parseStructureDefinition } from '@medplum/core';

type StructureDefinition = Parameters<typeof parseStructureDefinition>[0];
type Structure = StructureDefinition & { url: string; version: string; type: string };

/** One version of a profile, known to @medplum/core as the type `key`. */
export interface Profile {
  key: string;
  url: string;
  version: string;
  /** The type of resource that it is for. */
  type: string;
}

/**
 * The profiles of US Core (generated: scripts/make-us-core-definitions.mjs), of the versions that are there. Each is parsed
 * once, when a record first claims it, and kept: parsing one takes longer than judging a record by it.
 */
class Profiles {
  private readonly byUrl: ReadonlyMap<string, readonly Structure[]>;
  private readonly parsed = new Map<Structure, Profile>();

  constructor({ structures }: { structures: Structure[] }) {
    this.byUrl = Map.groupBy(structures, ({ url }) => url);
  }

  /** What a canonical in meta.profile names: that version, or without one all that are there. None: not judged by. */
  named(canonical: string): Profile[] {
    const [url = '', version] = canonical.split('|');
    const structures = this.byUrl.get(url) ?? [];
    return structures
      .filter((structure) => version === undefined || structure.version === version)
      .map((structure) => this.parse(structure));
  }

  private parse(structure: Structure): Profile {
    const known = this.parsed.get(structure);
    if (known) return known;
    const { url, version, type } = structure;
    const profile = { key: `${url}|${version}`, url, version, type };
    // Under a name of its own, and without its inner types: those would take the place of base R4's.
    getAllDataTypes()[profile.key] = parseStructureDefinition(structure);
    this.parsed.set(structure, profile);
    return profile;
  }
}

let all: Profiles | undefined;

export function profiles(): Profiles {
  all ??= new Profiles(readFile());
  return all;
}

function readFile(): { structures: Structure[] } {
  const packed = readFileSync(new URL('./us-core.json.gz', import.meta.url));
  return JSON.parse(gunzipSync(packed).toString('utf8')) as { structures: Structure[] };
}
