import { inspect, type Inspection } from '../inspection.js';

/** Runs in a worker thread: one message in, one out. */
export default function inspectBatch(texts: string[]): Inspection[] {
  return texts.map(inspect);
}
