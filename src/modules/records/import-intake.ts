import {
  FhirReadError,
  exactInstantOf,
  readBundle,
  type BundleEntry,
  type BundleLimits,
  type Inspection,
  type ResourceInspector,
} from '../../fhir/index.js';
import { AttachmentSieve } from './attachment-sieve.js';
import { unreadableBundle, unsupportedBundleType } from './records.errors.js';

export interface InspectedEntry extends Omit<BundleEntry, 'resourceText'> {
  /** Which one, where a line holds several. */
  part?: number;
  /** Of a deletion: the sender's clock, where it was said. */
  deletedAt?: string;
  /** Undefined for an entry without a resource. */
  resource?: { text: string; inspection: Inspection };
}

/** A document's entries are taken like a collection's: its Composition is one of them and names the others. */
export const BUNDLE_TYPES = ['transaction', 'batch', 'collection', 'document'] as const;
export type BundleType = (typeof BUNDLE_TYPES)[number];

export interface InspectedBundle {
  type: BundleType;
  entries: InspectedEntry[];
}

// One message to the inspecting thread; the next one is read from the network meanwhile.
const BATCH_ENTRIES = 64;
const BATCH_CHARACTERS = 1_000_000;

class Intake {
  readonly entries: InspectedEntry[] = [];
  private batch: { entry: InspectedEntry; text: string }[] = [];
  private characters = 0;
  private inspecting: Promise<void> = Promise.resolve();

  constructor(private readonly inspector: ResourceInspector) {}

  async add({ resourceText: text, ...rest }: BundleEntry): Promise<void> {
    const entry: InspectedEntry = rest;
    this.entries.push(entry);
    if (text === undefined) return;
    this.batch.push({ entry, text });
    this.characters += text.length;
    if (this.batch.length >= BATCH_ENTRIES || this.characters >= BATCH_CHARACTERS) await this.next();
  }

  async finish(): Promise<InspectedEntry[]> {
    await this.next();
    await this.inspecting;
    return this.entries;
  }

  /** Waits for the batch before: a fast sender must not pile up texts here. */
  private async next(): Promise<void> {
    await this.inspecting;
    const { batch } = this;
    this.batch = [];
    this.characters = 0;
    this.inspecting = this.inspect(batch);
    // Reading may stop at a fault while this is under way; whoever waits for it still sees its error.
    this.inspecting.catch(() => undefined);
  }

  private async inspect(batch: { entry: InspectedEntry; text: string }[]): Promise<void> {
    const inspections = await this.inspector.inspectMany(batch.map(({ text }) => text));
    batch.forEach(({ entry, text }, at) => (entry.resource = { text, inspection: inspections[at]! }));
  }
}

/** Reads a Bundle and inspects its entries as they come. Throws a Problem for a body that is no whole Bundle. */
export async function readImport(
  body: AsyncIterable<Uint8Array>,
  limits: BundleLimits,
  inspector: ResourceInspector,
  sieve: AttachmentSieve,
): Promise<InspectedBundle> {
  const intake = new Intake(inspector);
  const { type, timestamp } = await readWhole(body, limits, sieve, (entry) => intake.add(entry));
  const entries = await intake.finish();
  for (const entry of entries) if (entry.request?.method === 'DELETE') entry.deletedAt = timestamp;
  return { type, entries };
}

/** Reads a Bundle for nothing but its faults: a body that cannot be taken is refused before anything comes of it. */
export async function checkBundle(body: AsyncIterable<Uint8Array>, limits: BundleLimits): Promise<BundleType> {
  return (await readWhole(body, limits, new AttachmentSieve(null), () => undefined)).type;
}

async function readWhole(
  body: AsyncIterable<Uint8Array>,
  limits: BundleLimits,
  sieve: AttachmentSieve,
  onEntry: (entry: BundleEntry) => void | Promise<void>,
): Promise<{ type: BundleType; timestamp?: string }> {
  try {
    const { type, timestamp } = await readBundle(sieve.through(body), limits, onEntry);
    if (!isSupported(type)) throw unsupportedBundleType();
    return { type, timestamp: timestamp === undefined ? undefined : exactInstantOf(timestamp) };
  } catch (error) {
    throw error instanceof FhirReadError ? unreadableBundle(error, sieve.removed) : error;
  }
}

const isSupported = (type: string | undefined): type is BundleType =>
  (BUNDLE_TYPES as readonly (string | undefined)[]).includes(type);
