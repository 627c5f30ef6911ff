import { Injectable } from '@nestjs/common';
import { AuditSink, type SystemFact } from '../../../platform/access/audit-sink.js';
import { Clock } from '../../../platform/clock.js';
import { SystemPool } from '../../../platform/database/system-pool.js';
import { HealthChecks } from '../../../platform/health/health-checks.js';
import { Logger } from '../../../platform/logging/logger.js';

/** What an alarm is about, in codes and numbers; it goes into the log, which nobody can erase. */
export type AlarmDetail = Readonly<Record<string, string | number | readonly string[]>>;

/** Something is wrong: what; null: it is not; undefined: that cannot be seen now, and the alarm stays as it is. */
export type Probe = () => AlarmDetail | null | undefined;

export interface ActiveAlarm {
  code: string;
  since: Date;
  detail: AlarmDetail;
}

interface Alarm {
  code: string;
  probe: Probe;
  /** Looks in a row that found it. */
  seen: number;
  isKnown: boolean;
  active: ActiveAlarm | null;
}

/** One look is no alarm: what is over within a second needs nobody. */
const LOOKS = 2;
/** Events of alarms that could not be stored yet; the trail may be what is broken. */
const MOST_UNTOLD = 100;

/**
 * What somebody has to look at. Each alarm is told when it begins and when it is over, and not in between: a log line and an event;
 * while it lasts, it stands on the health page, before the officers, and among the metrics.
 */
@Injectable()
export class Alarms {
  private readonly alarms: Alarm[] = [];
  private untold: SystemFact[] = [];

  constructor(
    private readonly sink: AuditSink,
    private readonly system: SystemPool,
    private readonly clock: Clock,
    private readonly health: HealthChecks,
    private readonly logger: Logger,
  ) {}

  /** `check`: its name on the health page; null where that shows it already. `code`: `<module>.<kebab-reason>`. `probe` answers at once, from what is known already. */
  add(check: string | null, code: string, probe: Probe): void {
    const alarm: Alarm = { code, probe, seen: 0, isKnown: false, active: null };
    this.alarms.push(alarm);
    if (check === null) return;
    this.health.add(check, () => {
      if (alarm.active) return { status: 'alarm', code, since: alarm.active.since };
      return { status: alarm.isKnown ? 'ok' : 'unknown' };
    });
  }

  active(): ActiveAlarm[] {
    return this.alarms.flatMap(({ active }) => active ?? []);
  }

  /** Every alarm there is, and whether it is on: for metrics, which want to see the noughts too. */
  all(): { code: string; isActive: boolean }[] {
    return this.alarms.map(({ code, active }) => ({ code, isActive: active !== null }));
  }

  /** Looks once. Never rejects. */
  async look(): Promise<void> {
    for (const alarm of this.alarms) this.lookAt(alarm);
    await this.store();
  }

  private lookAt(alarm: Alarm): void {
    const found = alarm.probe();
    if (found === undefined) return;
    alarm.isKnown = true;
    alarm.seen = found === null ? 0 : alarm.seen + 1;
    if (found !== null && alarm.active) alarm.active.detail = found;
    if (found !== null && !alarm.active && alarm.seen >= LOOKS) this.begin(alarm, found);
    if (found === null && alarm.active) this.end(alarm, alarm.active);
  }

  private begin(alarm: Alarm, detail: AlarmDetail): void {
    const { code } = alarm;
    const since = this.clock.now();
    alarm.active = { code, since, detail };
    this.logger.warn('an alarm has begun', { component: 'alarms', code });
    this.untold.push({ ...fact('Alarm.begin', code, since), outcome: 8, detail });
  }

  private end(alarm: Alarm, { code, since }: ActiveAlarm): void {
    alarm.active = null;
    const now = this.clock.now();
    const seconds = Math.max(0, Math.round((now.getTime() - since.getTime()) / 1000));
    this.logger.info('an alarm is over', { component: 'alarms', code, ms: seconds * 1000 });
    this.untold.push({ ...fact('Alarm.end', code, now), detail: { seconds } });
  }

  /** In their order; what cannot be stored now is tried again at the next look. */
  private async store(): Promise<void> {
    this.untold = this.untold.slice(-MOST_UNTOLD);
    try {
      for (let next = this.untold[0]; next; next = this.untold[0]) {
        await this.sink.system(this.system, next);
        this.untold.shift();
      }
    } catch {
      // The log line is there, and the trail that is away has an alarm of its own.
    }
  }
}

const fact = (code: string, reason: string, at: Date) => ({
  ...{ code, reason, at },
  ...{ act: 'E' as const, accountId: '', sessionId: null },
});
