import { Injectable } from '@nestjs/common';
import type { SignedIn } from '../../../platform/access/context.js';
import { PeopleNames } from '../../../platform/access/people-names.js';
import { Cursors, limitOf } from '../../../platform/http/cursors.js';
import type { Page } from '../../../platform/http/presenter.js';
import { notFound } from '../../../platform/http/problem.js';
import type { EventView, NamedView } from '../audit.dto.js';
import { eventView } from '../event-view.js';
import { filterOf, lookedFor } from '../events.service.js';
import { ArchivedLeaves } from '../retention/archived-leaves.js';
import { periodBackwards } from './reports.errors.js';
import type { AuditSessionDetailView, AuditSessionView, SessionsQuery } from './sessions.dto.js';
import { SessionsRepository, type SessionFacts, type SignIn } from './sessions.repository.js';

const LIST = 'audit.sessions';
const NO_NAMES: ReadonlyMap<string, NamedView> = new Map();
const REASON = 'auth.session-ended:';

interface Ending {
  seq: number;
  at: string;
  reason: string;
}

function endingOf(leaf: string | null): Ending | null {
  if (leaf === null) return null;
  const { e, i } = JSON.parse(leaf) as { i: number; e: { t: string; te?: string; err: string } };
  return { seq: i, at: e.te ?? e.t, reason: e.err.replace(REASON, '') };
}

const seconds = (from: string, to: string): number =>
  Math.max(0, Math.round((Date.parse(to) - Date.parse(from)) / 1000));

function viewOf(facts: SessionFacts, signIn: EventView | null, actor: NamedView | null): AuditSessionView {
  const end = endingOf(facts.end);
  return {
    id: facts.sessionId,
    actor,
    signedInAt: signIn?.at ?? null,
    signInAction: signIn?.action ?? null,
    signInSeq: signIn?.seq ?? null,
    state: end ? 'ended' : 'open',
    endedAt: end?.at ?? null,
    endReason: end?.reason ?? null,
    endSeq: end?.seq ?? null,
    durationSeconds: end && signIn ? seconds(signIn.at, end.at) : null,
    lastEventAt: facts.lastAt?.toISOString() ?? null,
    address: signIn?.address ?? null,
    userAgent: signIn?.userAgent ?? null,
    ...{ events: facts.events, refused: facts.refused, charts: facts.charts },
    timeline: `/v1/audit/events?sessionId=${facts.sessionId}&sort=at`,
  };
}

/** Who was in, from when to when, how it ended and what was touched: from the trail alone, whatever has become of the session. */
@Injectable()
export class AuditSessions {
  constructor(
    private readonly sessions: SessionsRepository,
    private readonly archive: ArchivedLeaves,
    private readonly names: PeopleNames,
    private readonly cursors: Cursors,
  ) {}

  async list(ctx: SignedIn, query: SessionsQuery): Promise<Page<AuditSessionView>> {
    const { from, to } = query;
    if (from !== undefined && to !== undefined && Date.parse(from) >= Date.parse(to)) throw periodBackwards();
    const { actorIds } = filterOf({ actorId: query.actorId });
    lookedFor(ctx, { actorIds });
    const after = this.cursors.open<[string, number]>(ctx, LIST, query);
    const rows = await this.sessions.signIns({ actorIds, from, to, after, limit: limitOf(query) + 1 });
    const shown = rows.slice(0, limitOf(query));
    const facts = await this.sessions.facts(shown.map(({ sessionId }) => sessionId));
    const byId = new Map(facts.map((one) => [one.sessionId, one]));
    const names = await this.names.of(ctx, { accounts: [...new Set(facts.map(({ actor }) => actor))], patients: [] });
    for (const { sessionId: id } of shown) ctx.touch({ patientId: null, type: 'Session', id });
    const page = this.cursors.page(
      ctx,
      LIST,
      query,
      rows,
      ({ key, idx }) => [key, Number(idx)],
      (row) => this.view(byId.get(row.sessionId)!, row, names),
    );
    return { ...page, notice: await this.archive.notice({ from }) };
  }

  async get(ctx: SignedIn, id: string): Promise<AuditSessionDetailView> {
    const [facts] = await this.sessions.facts([id]);
    if (!facts) throw notFound();
    const [signIn, charts] = [await this.sessions.signIn(id), await this.sessions.charts(id)];
    const patients = charts.map(({ patientId }) => patientId);
    const names = await this.names.of(ctx, { accounts: facts.actor === '' ? [] : [facts.actor], patients });
    ctx.touch({ patientId: null, type: 'Session', id: facts.sessionId });
    return {
      ...this.view(facts, signIn, names),
      touchedCharts: charts.map(({ patientId, events, firstAt, lastAt }) => ({
        patient: names.get(patientId)!,
        ...{ events, firstAt: firstAt.toISOString(), lastAt: lastAt.toISOString() },
        timeline: `/v1/audit/events?patientId=${patientId}&sessionId=${facts.sessionId}&sort=at`,
      })),
    };
  }

  private view(facts: SessionFacts, signIn: SignIn | null, names: ReadonlyMap<string, NamedView>): AuditSessionView {
    return viewOf(facts, signIn && eventView(signIn, NO_NAMES), names.get(facts.actor) ?? null);
  }
}
