import { Inject, Injectable, type BeforeApplicationShutdown, type OnApplicationBootstrap } from '@nestjs/common';
import { after, Clock } from '../../../platform/clock.js';
import { CONFIG, type Config } from '../../../platform/config/config.js';
import { HealthChecks } from '../../../platform/health/health-checks.js';
import { Logger } from '../../../platform/logging/logger.js';
import { Outage } from '../../../platform/logging/outage.js';
import { Recurring } from '../../../platform/recurring.js';
import { VerificationRepository, type Scope, type Verification } from './verification.repository.js';
import { Verifier } from './verifier.js';

const LOOK_MS = 60_000;
const WHOLE_SECONDS = 86_400;

/** Has the log verified: what is new every AUDIT_VERIFY_MINUTES, all of it every day. Each replica looks; one does it. */
@Injectable()
export class VerificationJob implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly turns: Recurring;
  private newest: Verification | null = null;

  constructor(
    @Inject(CONFIG) private readonly config: Config,
    private readonly verifier: Verifier,
    private readonly results: VerificationRepository,
    private readonly clock: Clock,
    logger: Logger,
    health: HealthChecks,
  ) {
    const outage = new Outage(logger, 'it could not be seen whether a verification is due');
    this.turns = new Recurring(() => this.turn(), { everyMs: LOOK_MS, outage });
    health.add('audit-verification', () => {
      if (!this.newest) return { status: 'unknown' };
      const { verdict, finishedAt } = this.newest;
      return { status: verdict === 'verified' ? 'ok' : 'alarm', code: verdict, since: finishedAt };
    });
  }

  /** The newest result that this process has seen, of whichever process. */
  get last(): Verification | null {
    return this.newest;
  }

  onApplicationBootstrap(): void {
    this.turns.start();
  }

  /** The verifier ends what it is at by itself. */
  beforeApplicationShutdown(): Promise<void> {
    return this.turns.stop();
  }

  /** Verifies what is due; resolves when that is done. */
  async turn(): Promise<void> {
    const scope = await this.due();
    const run = scope && (await this.verifier.start({ scope, accountId: null }));
    await run?.done;
    this.newest = await this.results.newest();
  }

  private async due(): Promise<Scope | null> {
    const now = this.clock.now();
    const isDue = (last: Verification | null, seconds: number): boolean =>
      !last || after(last.startedAt, seconds) <= now;
    if (isDue(await this.results.newest({ scope: 'whole' }), WHOLE_SECONDS)) return 'whole';
    return isDue(await this.results.newest(), this.config.audit.verifySeconds) ? 'increment' : null;
  }
}
