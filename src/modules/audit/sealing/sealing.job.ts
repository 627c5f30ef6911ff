import { Injectable, type BeforeApplicationShutdown, type OnApplicationBootstrap } from '@nestjs/common';
import { Recurring } from '../../../platform/recurring.js';
import { Anchoring } from './anchors/anchoring.js';
import { Sealer } from './sealer.js';

const EVERY_MS = 1_000;

/**
 * Looks every second whether a checkpoint is due, and whether one is to be handed over. Every replica has one; they take turns
 * by locks in the database. Requests never wait for it.
 */
@Injectable()
export class SealingJob implements OnApplicationBootstrap, BeforeApplicationShutdown {
  // Two of them: a turn that hangs does not hold up the other one.
  private readonly sealing: Recurring;
  private readonly anchoring: Recurring;

  constructor(
    sealer: Sealer,
    private readonly anchors: Anchoring,
  ) {
    this.sealing = new Recurring(() => sealer.turn(), { everyMs: EVERY_MS });
    this.anchoring = new Recurring(() => anchors.turn(), { everyMs: EVERY_MS });
  }

  onApplicationBootstrap(): void {
    this.sealing.start();
    this.anchoring.start();
  }

  async beforeApplicationShutdown(): Promise<void> {
    this.anchors.stop();
    await Promise.all([this.sealing.stop(), this.anchoring.stop()]);
  }
}
