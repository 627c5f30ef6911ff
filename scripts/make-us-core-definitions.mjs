// Makes src/fhir/definitions/us-core.json.gz from the packages of US Core (hl7.fhir.us.core, https://hl7.org/fhir/us/core/downloads.html):
// the profiles of resources of each version, without their prose. Run it again for a new version, with all versions:
//   npx node scripts/make-us-core-definitions.mjs hl7.fhir.us.core-6.1.0.tgz hl7.fhir.us.core-7.0.0.tgz
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { constants, gzipSync } from 'node:zlib';
import { parseStructureDefinition } from '@medplum/core';

const OUTPUT = new URL('../src/fhir/definitions/us-core.json.gz', import.meta.url);

const structures = process.argv.slice(2).flatMap((file) => {
  const folder = mkdtempSync(join(tmpdir(), 'us-core-'));
  execFileSync('tar', ['xzf', file, '-C', folder]);
  const found = readdirSync(join(folder, 'package'))
    .filter((name) => name.startsWith('StructureDefinition-'))
    .map((name) => JSON.parse(readFileSync(join(folder, 'package', name), 'utf8')))
    .filter(({ kind, derivation, type }) => kind === 'resource' && derivation === 'constraint' && type !== 'Extension')
    .map(slimStructure);
  rmSync(folder, { recursive: true });
  return found;
});

function slimStructure({ resourceType, url, version, name, kind, type, abstract, derivation, snapshot }) {
  const element = snapshot.element.map(slimElement);
  return { resourceType, url, version, name, kind, type, abstract, derivation, snapshot: { element } };
}

function slimElement(element) {
  const { id, path, min, max, base, contentReference, slicing, sliceName } = element;
  return {
    ...{ id, path, min, max, contentReference, sliceName },
    base: base && { path: base.path, min: base.min, max: base.max },
    slicing: slicing && { discriminator: slicing.discriminator, rules: slicing.rules, ordered: slicing.ordered },
    type: element.type?.map(({ code, profile, targetProfile, extension }) => ({
      code,
      profile,
      targetProfile,
      extension,
    })),
    // Those of base R4 were looked at already.
    constraint: element.constraint
      ?.filter(({ severity, key }) => severity === 'error' && key.startsWith('us-core'))
      .map(({ key, severity, human, expression }) => ({ key, severity, human, expression })),
    ...Object.fromEntries(Object.entries(element).filter(([member]) => /^(fixed|pattern)[A-Z]/.test(member))),
  };
}

/** The library cannot read some (slices behind a contentReference, as in Provenance): records are not judged by these. */
const readable = structures.filter((structure) => {
  try {
    return parseStructureDefinition(structure);
  } catch (error) {
    console.warn(`left out: ${structure.url}|${structure.version}: ${error.message}`);
    return false;
  }
});

const json = JSON.stringify({ structures: readable });
const packed = gzipSync(json, { level: constants.Z_BEST_COMPRESSION });
writeFileSync(OUTPUT, packed);
console.log(`${readable.length} profiles, ${json.length} bytes, ${packed.length} packed`);
