import type { Params } from '../../platform/database/accessible.js';
import { ACTION, PLACE, PURPOSE } from './entry-filter.js';

interface Key {
  sql: string;
  type: 'text' | 'bigint' | 'timestamptz';
}

const text = (sql: string): Key => ({ sql: `coalesce(${sql}, '') COLLATE "C"`, type: 'text' });
const inLeaf = (path: string): string => `e.leaf::json #>> '{e,${path}}'`;
const disclosed = (member: string): string =>
  `(SELECT audit.disclosed(d.disclosure, '${member}') FROM audit.disclosure d WHERE d.digest = ${PLACE})`;

/**
 * Every recorded element as something to sort by (45 CFR 170.315(d)(3)); null is the empty text, so that no row is left out
 * between two pages. An index gives `seq`, `at`, `actorId`, `action`; the others sort what the filter has left, a month of events in a second or two.
 */
const KEYS = {
  seq: { sql: 'e.idx', type: 'bigint' },
  at: { sql: 'e.occurred', type: 'timestamptz' },
  effectiveAt: text(inLeaf('te')),
  actorId: { sql: 'e.actor', type: 'text' },
  roles: text(inLeaf('actor,roles')),
  patientId: text('e.subject'),
  action: { sql: ACTION, type: 'text' },
  operation: text(inLeaf('act')),
  outcome: { sql: 'e.outcome', type: 'bigint' },
  status: { sql: `coalesce((${inLeaf('http,st')})::bigint, 0)`, type: 'bigint' },
  code: text(inLeaf('err')),
  categories: text(inLeaf('cat')),
  touched: text(inLeaf('res')),
  purpose: { sql: `${PURPOSE} COLLATE "C"`, type: 'text' },
  sessionId: text('e.session_id::text'),
  requestId: text('e.request_id::text'),
  method: text(inLeaf('http,m')),
  route: text(inLeaf('http,route')),
  durationMs: { sql: `coalesce((${inLeaf('http,ms')})::bigint, 0)`, type: 'bigint' },
  bytes: { sql: `coalesce((${inLeaf('http,bytes')})::bigint, 0)`, type: 'bigint' },
  asked: text(inLeaf('ask')),
  detail: text(inLeaf('det')),
  address: text(disclosed('ip')),
  userAgent: text(disclosed('ua')),
  process: text(inLeaf('src')),
  eventId: text('e.event_id::text'),
} as const satisfies Record<string, Key>;

/** By an element, upwards; downwards behind a minus. */
export const ORDERS: readonly string[] = Object.keys(KEYS).flatMap((name) => [name, `-${name}`]);

/** Value of the order's element, and place, of the last row of a page: unique, so that the next begins exactly behind it. */
export type Place = readonly [key: string, idx: number];

interface Order {
  key: string;
  by: string;
  /** Of a row that is read through `AS p`. */
  byOuter: string;
  after: (place: Place, params: Params) => string;
}

/** How rows are ordered, over `audit.entry AS e`; ties by place. */
export function orderOf(name: string): Order {
  const isDown = name.startsWith('-');
  const { sql, type } = KEYS[name.replace('-', '') as keyof typeof KEYS];
  const direction = isDown ? 'DESC' : 'ASC';
  const isPlace = sql === KEYS.seq.sql;
  return {
    key: sql,
    by: isPlace ? `e.idx ${direction}` : `${sql} ${direction}, e.idx ${direction}`,
    byOuter: `p.key ${direction}, p.idx ${direction}`,
    after: ([key, idx], params) => {
      const sign = isDown ? '<' : '>';
      if (isPlace) return `e.idx ${sign} ${params.add(idx)}`;
      return `(${sql}, e.idx) ${sign} (${params.add(key)}::${type}, ${params.add(idx)})`;
    },
  };
}
