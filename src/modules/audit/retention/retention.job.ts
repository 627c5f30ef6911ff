import { Inject, Injectable, type BeforeApplicationShutdown, type OnApplicationBootstrap } from '@nestjs/common';
import { Clock } from '../../../platform/clock.js';
import { CONFIG, type Config } from '../../../platform/config/config.js';
import { HealthChecks, type HealthState } from '../../../platform/health/health-checks.js';
import { Logger } from '../../../platform/logging/logger.js';
import { Recurring } from '../../../platform/recurring.js';
import { ArchiveDamaged, ArchiveUnavailable, reasonOf } from './archive.errors.js';
import { ArchivingRefused } from './archiver.js';
import { Retention } from './retention.js';

const EVERY_MS = 600_000;
const COMPONENT = 'retention';

/** The server stops: the block is gone on with at the next turn. */
class Stopped extends Error {}

/** Looks every ten minutes whether a block has to leave the database or the archive. Each replica looks; one does it. */
@Injectable()
export class RetentionJob implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly turns = new Recurring(() => this.guarded(), { everyMs: EVERY_MS });
  private state: HealthState = { status: 'unknown' };

  constructor(
    @Inject(CONFIG) private readonly config: Config,
    private readonly retention: Retention,
    private readonly clock: Clock,
    private readonly logger: Logger,
    health: HealthChecks,
  ) {
    if (config.audit.archiveDir !== null) health.add('audit-retention', () => this.state);
  }

  onApplicationBootstrap(): void {
    if (this.config.audit.archiveDir === null) return;
    this.turns.start();
  }

  beforeApplicationShutdown(): Promise<void> {
    return this.turns.stop();
  }

  /** Does what is due, after what is under way; never rejects. */
  turn(): Promise<void> {
    return this.turns.run();
  }

  private async guarded(): Promise<void> {
    const goOn = (): void => {
      if (this.turns.isStopped) throw new Stopped();
    };
    try {
      const done = await this.retention.run({ before: null, goOn });
      for (const { block } of done?.archived ?? [])
        this.logger.info('a block of the log has left the database', { component: COMPONENT, count: block });
      for (const { block } of done?.deleted ?? [])
        this.logger.info('a block of the log was deleted at the end of its retention', {
          component: COMPONENT,
          count: block,
        });
      this.state = { status: 'ok' };
    } catch (error) {
      if (!(error instanceof Stopped)) this.tell(error);
    }
  }

  /** Once for each thing that is wrong, not each time. */
  private tell(error: unknown): void {
    const code = error instanceof ArchiveUnavailable ? error.code : 'audit.archiving-failed';
    if (this.state.code === code) return;
    this.state = { status: 'alarm', code, since: this.clock.now() };
    this.logger.error('blocks of the log cannot be moved to the archive', error, {
      component: COMPONENT,
      code,
      reason: why(error),
    });
  }
}

function why(error: unknown): string {
  if (error instanceof ArchivingRefused) return error.message;
  return error instanceof ArchiveUnavailable || error instanceof ArchiveDamaged
    ? reasonOf(error)
    : 'an unexpected error';
}
