interface Limits {
  running: number;
  waiting: number;
}

/** Bounds how much of one kind of work is under way: some run, some wait their turn in order, the rest are refused. */
export class Turns {
  private running = 0;
  private readonly waiting: (() => void)[] = [];

  constructor(
    private readonly limits: Limits,
    private readonly refuse: () => Error,
  ) {}

  async take<T>(work: () => Promise<T>): Promise<T> {
    if (this.running < this.limits.running) this.running++;
    else if (this.waiting.length >= this.limits.waiting) throw this.refuse();
    // a turn is handed over, not given back, so that nobody comes in between
    else await new Promise<void>((resolve) => this.waiting.push(resolve));
    try {
      return await work();
    } finally {
      const next = this.waiting.shift();
      if (next) next();
      else this.running--;
    }
  }
}
