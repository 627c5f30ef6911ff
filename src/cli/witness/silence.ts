import type { VerifierKey } from '../../tlog/index.js';
import type { WitnessState } from './witness-state.js';

const EVERY_MS = 10_000;

/** Says when a log falls silent, and when it speaks again: whoever stops a sealer should be missed by somebody else. */
export class Silence {
  private readonly silent = new Set<string>();
  private readonly since: Date;
  private timer: NodeJS.Timeout | null = null;

  constructor(
    private readonly logs: readonly VerifierKey[],
    private readonly state: WitnessState,
    private readonly now: () => Date,
    private readonly maxAgeSeconds: number,
    private readonly say: (line: string) => void,
  ) {
    this.since = now();
  }

  watch(): void {
    this.timer = setInterval(() => {
      this.look().catch((error: unknown) => this.say(`the state cannot be read: ${(error as Error).message}`));
    }, EVERY_MS);
    this.timer.unref();
  }

  stop(): void {
    if (this.timer) clearInterval(this.timer);
  }

  async look(): Promise<void> {
    for (const origin of new Set(this.logs.map(({ name }) => name))) {
      const last = await this.state.latest(origin);
      const from = Math.max(last?.at.getTime() ?? 0, this.since.getTime());
      const isSilent = this.now().getTime() - from > this.maxAgeSeconds * 1000;
      if (isSilent === this.silent.has(origin)) continue;
      if (isSilent) this.silent.add(origin);
      else this.silent.delete(origin);
      this.say(
        isSilent
          ? `${origin} has shown no checkpoint for ${this.maxAgeSeconds} s`
          : `${origin} shows checkpoints again`,
      );
    }
  }
}
