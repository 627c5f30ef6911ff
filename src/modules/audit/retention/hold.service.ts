import { Injectable } from '@nestjs/common';
import type { SignedIn } from '../../../platform/access/context.js';
import { Cursors, limitOf, type PageQuery } from '../../../platform/http/cursors.js';
import type { Page } from '../../../platform/http/presenter.js';
import { notFound, Problem } from '../../../platform/http/problem.js';
import { newId } from '../../../platform/ids.js';
import type { CreateHold, HoldView, ReleaseHold } from './hold.dto.js';
import { HoldRepository, type Hold } from './hold.repository.js';

const LIST = 'audit.holds';

const noPeriod = (): Problem => new Problem(422, 'audit.hold-period', '`from` has to lie before `to`.');
const released = (): Problem =>
  new Problem(
    409,
    'audit.hold-released',
    'This legal hold was released already. Place a new one if it is needed again.',
  );

const dateOf = (text: string | undefined): Date | null => (text === undefined ? null : new Date(text));

function viewOf(hold: Hold): HoldView {
  const { id, from, to, reason, placedBy, placedAt, releaseReason, releasedBy, releasedAt } = hold;
  return {
    ...{ id, reason, placedBy, releaseReason, releasedBy },
    status: releasedAt ? 'released' : 'active',
    from: from?.toISOString() ?? null,
    to: to?.toISOString() ?? null,
    placedAt: placedAt.toISOString(),
    releasedAt: releasedAt?.toISOString() ?? null,
  };
}

/** Legal holds keep blocks of the trail with an event of their period from being deleted, until they are released. */
@Injectable()
export class Holds {
  constructor(
    private readonly holds: HoldRepository,
    private readonly cursors: Cursors,
  ) {}

  async place(ctx: SignedIn, { from, to, reason }: CreateHold): Promise<HoldView> {
    const hold: Hold = {
      ...{ id: newId(), from: dateOf(from), to: dateOf(to), reason, placedBy: ctx.actor.id, placedAt: ctx.now },
      ...{ releaseReason: null, releasedBy: null, releasedAt: null },
    };
    if (hold.from && hold.to && hold.from >= hold.to) throw noPeriod();
    await this.holds.place(ctx, hold);
    ctx.touch({ patientId: null, type: 'LegalHold', id: hold.id, before: [], after: ['status:active'] });
    return viewOf(hold);
  }

  async list(ctx: SignedIn, query: PageQuery): Promise<Page<HoldView>> {
    const [before] = this.cursors.open<[string]>(ctx, LIST, query) ?? [null];
    const rows = await this.holds.list(before, limitOf(query) + 1);
    for (const { id } of rows.slice(0, limitOf(query))) ctx.touch({ patientId: null, type: 'LegalHold', id });
    return this.cursors.page(ctx, LIST, query, rows, ({ id }) => [id], viewOf);
  }

  async get(ctx: SignedIn, id: string): Promise<HoldView> {
    const hold = await this.holds.find(id);
    if (!hold) throw notFound();
    ctx.touch({ patientId: null, type: 'LegalHold', id: hold.id });
    return viewOf(hold);
  }

  async release(ctx: SignedIn, id: string, { reason }: ReleaseHold): Promise<HoldView> {
    const hold = await this.holds.find(id);
    if (!hold) throw notFound();
    if (!(await this.holds.release(ctx, hold.id, reason))) throw released();
    const after = ['status:released'];
    ctx.touch({ patientId: null, type: 'LegalHold', id: hold.id, before: ['status:active'], after });
    return viewOf({ ...hold, releaseReason: reason, releasedBy: ctx.actor.id, releasedAt: ctx.now });
  }
}
