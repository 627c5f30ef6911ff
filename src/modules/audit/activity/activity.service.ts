import { Injectable } from '@nestjs/common';
import { authorize, type SignedIn } from '../../../platform/access/context.js';
import { PeopleNames, type Named } from '../../../platform/access/people-names.js';
import { Cursors, limitOf } from '../../../platform/http/cursors.js';
import type { Page } from '../../../platform/http/presenter.js';
import { eventView } from '../event-view.js';
import { ArchivedLeaves } from '../retention/archived-leaves.js';
import { activityOf, codesOf } from './activities.js';
import type { ActivityQuery, ActivityView } from './activity.dto.js';
import { ActivityRepository } from './activity.repository.js';

const THINGS: ReadonlySet<string> = new Set(['ChartDownload', 'Transmission']);

/**
 * Who viewed, downloaded and sent on a chart, for its patient and whoever acts for them. Out of the audit trail, and an event in it.
 * To who acts for the patient nothing tells which records it was about: some are none of their business.
 */
@Injectable()
export class ActivityService {
  constructor(
    private readonly activity: ActivityRepository,
    private readonly archive: ArchivedLeaves,
    private readonly cursors: Cursors,
    private readonly names: PeopleNames,
  ) {}

  async list(ctx: SignedIn, patientId: string, query: ActivityQuery): Promise<Page<ActivityView>> {
    authorize(ctx, 'list', 'ChartActivity', { patientId });
    ctx.touch({ patientId, type: 'Patient', id: patientId });
    const list = `activity:${patientId}`;
    const [before] = this.cursors.open<[number]>(ctx, list, query) ?? [null];
    const { kind, from, to } = query;
    const codes = codesOf(kind);
    const rows = await this.activity.list({ patientId, codes, from, to, before, limit: limitOf(query) + 1 });
    const events = rows.map((row) => eventView({ ...row, key: row.idx, disclosure: null }, new Map()));
    const accounts = [...new Set(events.flatMap(({ actorId }) => (actorId === null ? [] : [actorId])))];
    const names = await this.names.forChart(ctx, patientId, accounts);
    const isPatient = ctx.actor.roles.has('patient') && ctx.actor.patientIds.includes(patientId);
    const page = this.cursors.page(
      ctx,
      list,
      query,
      events,
      ({ seq }) => [seq],
      (event) => viewOf(event, names, isPatient),
    );
    return { ...page, notice: await this.archive.notice({ from }) };
  }
}

function viewOf(
  { seq, at, action, actorId, roles, purpose, touched, categories }: ReturnType<typeof eventView>,
  names: ReadonlyMap<string, Named>,
  isPatient: boolean,
): ActivityView {
  return {
    ...{ seq, at, action, roles, purpose, kind: activityOf(action) },
    who: actorId === null ? null : (names.get(actorId) ?? null),
    what: isPatient ? [...new Set([...touched.map(({ type }) => type), ...categories])] : [],
    thingId: touched.findLast(({ type }) => THINGS.has(type))?.id ?? null,
  };
}
