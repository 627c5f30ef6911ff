import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import {
  loadDataType,
  tryGetDataType,
  type Constraint,
  type InternalSchemaElement,
  type InternalTypeSchema,
} from '@medplum/core';

type StructureDefinition = Parameters<typeof loadDataType>[0];
type CodesBySystem = Readonly<Record<string, readonly string[]>>;

interface DefinitionsFile {
  structures: (StructureDefinition & { abstract: boolean })[];
  codes: Record<string, CodesBySystem>;
}

/** A JSON member name of a type and what may stand there; a choice such as value[x] has one per type. */
export interface MemberDefinition {
  element: InternalSchemaElement;
  /** FHIR type code of the value, such as `dateTime`, `Reference`, `ObservationComponent`, `Resource`. */
  type: string;
  isArray: boolean;
  /** `value[x]` for a choice. */
  choice?: string;
}

export interface TypeDefinition {
  name: string;
  members: ReadonlyMap<string, MemberDefinition>;
  /** The invariants of the type itself. */
  rules: readonly Constraint[];
}

/** `system` to codes, and the codes of all systems for elements of type `code`, which name no system. */
export interface ValueSetCodes {
  bySystem: ReadonlyMap<string, ReadonlySet<string>>;
  all: ReadonlySet<string>;
}

/**
 * The base R4 definitions (generated: scripts/make-fhir-definitions.mjs). Read at first use, each resource type parsed
 * when it is first met: a process that never validates pays nothing.
 */
class Definitions {
  private readonly resources = new Map<string, StructureDefinition>();
  private readonly abstract = new Set<string>();
  private readonly loaded = new Set<string>();
  private readonly types = new Map<string, TypeDefinition | undefined>();
  private readonly codes: Record<string, CodesBySystem>;
  private readonly valueSets = new Map<string, ValueSetCodes | undefined>();

  constructor(file: DefinitionsFile) {
    this.codes = file.codes;
    for (const structure of file.structures) {
      if (structure.abstract) this.abstract.add(structure.type);
      if (structure.kind === 'resource' && !structure.abstract) this.resources.set(structure.type, structure);
      else loadDataType(structure);
    }
  }

  isResourceType(name: string): boolean {
    return this.resources.has(name);
  }

  /** Makes a resource type known to @medplum/core too; false when R4 has no such type. */
  load(resourceType: string): boolean {
    const structure = this.resources.get(resourceType);
    if (!structure) return false;
    if (!this.loaded.has(resourceType)) {
      loadDataType(structure);
      this.loaded.add(resourceType);
    }
    return true;
  }

  type(name: string): TypeDefinition | undefined {
    if (!this.types.has(name)) this.types.set(name, this.read(name));
    return this.types.get(name);
  }

  valueSet(url: string): ValueSetCodes | undefined {
    if (!this.valueSets.has(url)) {
      const codes = Object.hasOwn(this.codes, url) ? this.codes[url] : undefined;
      this.valueSets.set(url, codes && toSets(codes));
    }
    return this.valueSets.get(url);
  }

  private read(name: string): TypeDefinition | undefined {
    if (this.resources.has(name)) this.load(name);
    const schema = tryGetDataType(name);
    return schema && { name, members: membersOf(schema), rules: schema.constraints ?? [] };
  }
}

function membersOf(schema: InternalTypeSchema): Map<string, MemberDefinition> {
  const members = new Map<string, MemberDefinition>();
  for (const [name, element] of Object.entries(schema.elements)) {
    const isArray = element.isArray === true;
    const stem = name.endsWith('[x]') ? name.slice(0, -3) : undefined;
    for (const { code } of element.type) {
      if (stem === undefined) members.set(name, { element, type: code, isArray });
      else members.set(stem + capitalized(code), { element, type: code, isArray, choice: name });
    }
  }
  return members;
}

function toSets(codes: CodesBySystem): ValueSetCodes {
  const bySystem = new Map(Object.entries(codes).map(([system, list]) => [system, new Set(list)]));
  return { bySystem, all: new Set(Object.values(codes).flat()) };
}

function capitalized(name: string): string {
  return name.charAt(0).toUpperCase() + name.slice(1);
}

let definitions: Definitions | undefined;

export function r4(): Definitions {
  definitions ??= new Definitions(readFile());
  return definitions;
}

function readFile(): DefinitionsFile {
  const packed = readFileSync(new URL('./r4.json.gz', import.meta.url));
  return JSON.parse(gunzipSync(packed).toString('utf8')) as DefinitionsFile;
}
