import { Injectable } from '@nestjs/common';

/** How one thing stands. Anybody may read it: codes and times, nothing of a person and no secret. */
export interface HealthState {
  /** `alarm`: somebody has to look, while requests are served all the same. */
  status: 'ok' | 'alarm' | 'unknown';
  code?: string;
  since?: Date;
}

/** What modules have to say about their health, by name; asked for whenever the health page is. */
@Injectable()
export class HealthChecks {
  private readonly checks = new Map<string, () => HealthState>();

  /** `check` answers at once, from what it knows already. */
  add(name: string, check: () => HealthState): void {
    this.checks.set(name, check);
  }

  /** Null: there is no such check. */
  of(name: string): HealthState | null {
    return this.checks.get(name)?.() ?? null;
  }

  all(): [string, HealthState][] {
    return [...this.checks].map(([name, check]) => [name, check()]);
  }
}
