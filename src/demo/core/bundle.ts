import { fullUrlOf } from './identity.js';
import type { JsonObject } from './json.js';
import { toText } from './json.js';

export interface Resource extends JsonObject {
  resourceType: string;
  id: string;
}

export const transaction = (resources: readonly Resource[]): string =>
  toText({
    resourceType: 'Bundle',
    type: 'transaction',
    entry: resources.map((resource) => ({
      fullUrl: fullUrlOf(resource.resourceType, resource.id),
      resource,
      request: { method: 'POST', url: resource.resourceType },
    })),
  });
