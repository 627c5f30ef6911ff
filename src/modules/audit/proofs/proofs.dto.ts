import { Texts, Uuid, Whole } from '../../../platform/http/fields.js';

/** More than any proof has: two hashes for each level of a tree of 2^53 leaves. */
const MOST_HASHES = 128;

export class InclusionQuery {
  @Whole({ optional: true, description: 'Place of the leaf, from 0. Either this or `eventId`.' })
  index?: number;

  @Uuid({ optional: true, description: 'Id of the event. Either this or `index`.' })
  eventId?: string;

  @Whole({ optional: true, description: "Size of the tree; the latest checkpoint's by default, and never more." })
  size?: number;
}

export class ConsistencyQuery {
  @Whole({ optional: true, description: 'Size of the older tree; needed.' })
  from?: number;

  @Whole({ optional: true, description: "Size of the newer tree; the latest checkpoint's by default, and never more." })
  to?: number;
}

export class InclusionView {
  @Whole({ description: 'Place of the leaf, from 0.' })
  leafIndex: number;

  @Whole({ description: 'Size of the tree.' })
  treeSize: number;

  @Texts({ many: MOST_HASHES, description: 'RFC 6962 §2.1.1, base64: sibling of the leaf first.' })
  hashes: string[];
}

export class ConsistencyView {
  @Whole({ description: 'Size of the older tree.' })
  oldSize: number;

  @Whole({ description: 'Size of the newer tree.' })
  newSize: number;

  @Texts({ many: MOST_HASHES, description: 'RFC 6962 §2.1.2, base64.' })
  hashes: string[];
}
