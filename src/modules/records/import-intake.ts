import type { Readable } from 'node:stream';
import {
  FhirReadError,
  readBundle,
  type BundleEntry,
  type BundleLimits,
  type Inspection,
  type ResourceInspector,
} from '../../fhir/index.js';
import { unreadableBundle, unsupportedBundleType } from './records.errors.js';

export interface InspectedEntry extends Omit<BundleEntry, 'resourceText'> {
  /** Undefined for an entry without a resource. */
  resource?: { text: string; inspection: Inspection };
}

export const BUNDLE_TYPES = ['transaction', 'batch', 'collection'] as const;
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

/**
 * Reads a Bundle from an unread request body and inspects its entries as they arrive. Throws a Problem for a body that is
 * no whole Bundle; the rest of such a body is still taken off the wire, so that the sender gets to read the answer.
 */
export async function readImport(
  body: Readable,
  limits: BundleLimits,
  inspector: ResourceInspector,
): Promise<InspectedBundle> {
  const intake = new Intake(inspector);
  try {
    // Ending the loop early must not destroy the stream: that would cut the connection before the answer.
    const chunks = body.iterator({ destroyOnReturn: false }) as AsyncIterable<Uint8Array>;
    const { type } = await readBundle(chunks, limits, (entry) => intake.add(entry));
    if (!isSupported(type)) throw unsupportedBundleType();
    return { type, entries: await intake.finish() };
  } catch (error) {
    discard(body);
    throw error instanceof FhirReadError ? unreadableBundle(error) : error;
  }
}

const isSupported = (type: string | undefined): type is BundleType =>
  (BUNDLE_TYPES as readonly (string | undefined)[]).includes(type);

/** What still comes is read and dropped; the server's request timeout bounds for how long. */
function discard(body: Readable): void {
  body.on('error', () => undefined);
  body.resume();
}
