import { Injectable, type BeforeApplicationShutdown, type OnApplicationBootstrap } from '@nestjs/common';
import { Anchoring } from './anchors/anchoring.js';
import { Sealer } from './sealer.js';

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

  constructor(
    private readonly sealer: Sealer,
    private readonly anchors: Anchoring,
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

  /** A turn that hangs does not hold up the other one. */
  private tick(): void {
    this.sealing ??= this.sealer.turn().finally(() => (this.sealing = null));
    this.anchoring ??= this.anchors.turn().finally(() => (this.anchoring = null));
  }
}
