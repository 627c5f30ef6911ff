import { createHash, randomBytes } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import type { Trail } from '../../platform/access/trail.js';

/** A salted commitment (RFC 9901 section 4.2) and what opens it. */
export interface Commitment {
  digest: string;
  disclosure: string;
  actor: string;
  /** True once the opening value is known to be stored. */
  stored: boolean;
}

/** 128 bits: without it, an address could be found from its digest by trying all. */
const SALT_BYTES = 16;

export function commit(name: string, value: unknown): Pick<Commitment, 'digest' | 'disclosure'> {
  const disclosure = Buffer.from(JSON.stringify([randomBytes(SALT_BYTES).toString('base64url'), name, value])).toString(
    'base64url',
  );
  return { disclosure, digest: createHash('sha256').update(disclosure, 'ascii').digest('base64url') };
}

/**
 * Where requests come from, committed to once for each session and place: its events already share the session's id, so
 * that sharing a digest tells nothing more, and one stored row serves them all.
 */
export class NetCommitments {
  private readonly known = new LRUCache<string, Commitment>({ max: 10_000, ttl: 3_600_000 });

  of(trail: Trail): Commitment {
    const session = trail.actor?.sessionId ?? '';
    const key = `${session}\n${trail.peer}\n${trail.userAgent}`;
    let commitment = this.known.get(key);
    if (!commitment) {
      commitment = {
        ...commit('net', { ip: trail.peer, ua: trail.userAgent }),
        actor: trail.actor?.id ?? '',
        stored: false,
      };
      this.known.set(key, commitment);
    }
    return commitment;
  }
}
