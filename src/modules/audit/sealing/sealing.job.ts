import { Injectable, type BeforeApplicationShutdown, type OnApplicationBootstrap } from '@nestjs/common';
import { Logger } from '../../../platform/logging/logger.js';
import { Anchoring } from './anchors/anchoring.js';
import { Sealer } from './sealer.js';
import { SealingState } from './sealing-state.js';

const EVERY_MS = 1_000;

/**
 * Looks every second whether a checkpoint is due, and whether one is to be handed over. Every replica has one; they take turns
 * by locks in the database. Requests never wait for it.
 */
@Injectable()
export class SealingJob implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private timer: NodeJS.Timeout | null = null;
  private sealing: Promise<unknown> | null = null;
  private anchoring: Promise<unknown> | null = null;
  private isLate = false;

  constructor(
    private readonly sealer: Sealer,
    private readonly anchors: Anchoring,
    private readonly state: SealingState,
    private readonly logger: Logger,
  ) {}

  onApplicationBootstrap(): void {
    this.timer = setInterval(() => this.tick(), EVERY_MS);
    this.timer.unref();
  }

  async beforeApplicationShutdown(): Promise<void> {
    if (this.timer) clearInterval(this.timer);
    this.anchors.stop();
    await Promise.all([this.sealing, this.anchoring]);
  }

  /** A turn that hangs holds up neither the other one nor the alarm. */
  private tick(): void {
    this.sealing ??= this.sealer.turn().finally(() => (this.sealing = null));
    this.anchoring ??= this.anchors.turn().finally(() => (this.anchoring = null));
    this.watch();
  }

  private watch(): void {
    const { isLate, lagSeconds, waiting } = this.state.report();
    if (isLate === this.isLate) return;
    this.isLate = isLate;
    const fields = { component: 'sealer', code: 'audit.sealing-late', count: waiting };
    if (isLate)
      this.logger.error('entries wait for a checkpoint for too long', undefined, {
        ...fields,
        ms: Math.round(lagSeconds * 1000),
      });
    else this.logger.info('no entry waits for a checkpoint for too long any more', fields);
  }
}
