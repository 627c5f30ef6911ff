import { makeHospital } from '../../src/demo/hospital.js';
import { ResourceInspector, rewriteReferences } from '../../src/fhir/index.js';
import { importLines } from '../harness/feed.js';
import { makeFeed, type Caller } from '../harness/people.js';
import type { Portal } from '../harness/portal.js';
import { median } from './statistics.js';

interface Entry {
  fullUrl: string;
  resource: { resourceType: string; id?: string };
}

/** The demo's hospital as an export: a resource a line, its references by type and id. */
function linesOf(): string[] {
  const hospital = makeHospital({ seed: 11, today: new Date('2026-11-22T00:00:00Z') });
  const bundles = [hospital.directoryBundle, ...hospital.patients.map(({ bundle }) => bundle)];
  const entries = bundles.flatMap((bundle) => (JSON.parse(bundle) as { entry: Entry[] }).entry);
  const uuidOf = (url: string): string => url.replace(/^.*[:/]/, '');
  const names = new Map(
    entries.map(({ fullUrl, resource }) => [fullUrl, `${resource.resourceType}/${resource.id ?? uuidOf(fullUrl)}`]),
  );
  return entries.map(({ fullUrl, resource }) =>
    rewriteReferences(JSON.stringify({ ...resource, id: resource.id ?? uuidOf(fullUrl) }), (one) => names.get(one)),
  );
}

/**
 * Resources a second: looked at and nothing else, against taken in over HTTP, sealed, resolved, stored and audited. In turns in
 * one process, each import for a feed of its own, so that all of it is new.
 */
export async function importRate(portal: Portal, admin: Caller, rounds: number): Promise<object> {
  const lines = linesOf();
  const inspector = new ResourceInspector({ idleTimeoutMs: 600_000 });
  const rates: { validation: number; import: number }[] = [];
  const perSecond = async (work: () => Promise<unknown>): Promise<number> => {
    const begun = performance.now();
    await work();
    return (lines.length * 1000) / (performance.now() - begun);
  };
  // Definitions are loaded and programs compiled before anything is measured.
  for (let round = -1; round < rounds; round++) {
    const feed = await makeFeed(portal, admin, `https://bench.example.org/import/${round}`);
    const rate = {
      validation: await perSecond(() => inspector.inspectMany(lines)),
      import: await perSecond(async () => {
        const { status, created } = await importLines(feed, ...lines);
        if (status !== 'completed' || created !== lines.length)
          throw new Error(`an import ended as ${status}, ${created}`);
      }),
    };
    if (round >= 0) rates.push(rate);
  }
  await inspector.close();
  return {
    resources: lines.length,
    validationPerSecond: Math.round(median(rates.map((rate) => rate.validation))),
    importPerSecond: Math.round(median(rates.map((rate) => rate.import))),
    ratio: Number(median(rates.map((rate) => rate.import / rate.validation)).toFixed(3)),
  };
}
