import { CursorError, cursorScope, openCursor, sealCursor, type Json, type KeyRing } from '../crypto/index.js';
import type { SignedIn } from '../access/context.js';
import { Whole, Text } from './fields.js';
import type { Page } from './presenter.js';
import { invalid } from './validation.js';

/** The two fields of every list, for a query that extends something else. */
export const PageLimit = () =>
  Whole({ min: 1, max: 200, default: 50, optional: true, description: 'Most items of a page.' });
export const PageCursor = () =>
  Text({ max: 2048, optional: true, description: 'Where the page begins: `next` of the page before, unchanged.' });

/** What every list takes. */
export class PageQuery {
  @PageLimit()
  limit?: number;

  @PageCursor()
  cursor?: string;
}

export const limitOf = (query: PageQuery): number => query.limit ?? 50;

const LABEL = 'http/cursor';

/** Opaque, signed page cursors, bound to the list, its filters and the caller: one cannot be used for another's list. */
export class Cursors {
  constructor(private readonly ring: KeyRing) {}

  /** Keys of the last row of the page before, or null for the first page. Throws a 400 on anything that was not given out here. */
  open<Keys extends readonly Json[]>(ctx: SignedIn, list: string, query: PageQuery): Keys | null {
    if (query.cursor === undefined) return null;
    try {
      return openCursor(query.cursor, this.scope(ctx, list, query), this.ring.subkeys(LABEL)) as unknown as Keys;
    } catch (error) {
      if (!(error instanceof CursorError)) throw error;
      throw invalid([
        {
          pointer: '/cursor',
          code: 'not-a-cursor',
          detail: 'Take `next` of the page before, unchanged, with the same filters.',
        },
      ]);
    }
  }

  /** Cuts one row more than the limit down to the page; `keysOf` gives the columns of the order. */
  page<Row, View>(
    ctx: SignedIn,
    list: string,
    query: PageQuery,
    rows: Row[],
    keysOf: (row: Row) => readonly Json[],
    view: (row: Row) => View,
  ): Page<View> {
    const limit = limitOf(query);
    const items = rows.slice(0, limit);
    const next =
      rows.length > limit
        ? sealCursor([...keysOf(items.at(-1)!)], this.scope(ctx, list, query), this.ring.subkey(LABEL))
        : null;
    return { items: items.map(view), next };
  }

  private scope(ctx: SignedIn, list: string, query: PageQuery): string {
    const filters = Object.entries(query).filter(
      ([key, value]) => key !== 'cursor' && key !== 'limit' && value !== undefined,
    );
    return cursorScope(list, ctx.actor.id, JSON.stringify(filters.sort(([a], [b]) => (a < b ? -1 : 1))));
  }
}
