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

  get isIdle(): boolean {
    return this.running === 0;
  }

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

/** The same for each of those who ask, within bounds for all of them together: nobody takes up everybody's turns. */
export class TurnsOfEach {
  private readonly each = new Map<string, Turns>();

  constructor(
    private readonly limits: Limits,
    private readonly all: Turns,
    private readonly refuse: () => Error,
  ) {}

  async take<T>(who: string, work: () => Promise<T>): Promise<T> {
    const own = this.each.get(who) ?? new Turns(this.limits, this.refuse);
    this.each.set(who, own);
    try {
      return await own.take(() => this.all.take(work));
    } finally {
      if (own.isIdle) this.each.delete(who);
    }
  }
}
