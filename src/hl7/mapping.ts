import type { Hl7Sender } from './message.js';
import type { SenderZone } from './times.js';

/** What all that comes of one message has in common. */
export interface Mapping {
  sender: Hl7Sender;
  zone: SenderZone;
  hospitalMrnSystem: string;
  /** meta of each resource: the sender's clock. */
  meta: { lastUpdated: string } | undefined;
}
