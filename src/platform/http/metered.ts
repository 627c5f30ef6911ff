import { pipeline, Transform, type Readable, type TransformCallback } from 'node:stream';

/** How a streamed answer ended. */
export interface Ending {
  /** Handed to the connection, as sent: after compression. */
  bytes: number;
  isWhole: boolean;
  /** Why it was broken off, where it was not the client who went away. */
  error?: Error;
}

/**
 * Counts what passes, and holds the last bytes back until `told` has made its event durable: what is whole for the client is
 * told. Not only the end of the stream: who knows the length of the answer has all of it with its last byte.
 */
class Metered extends Transform {
  private bytes = 0;
  private held: Buffer | null = null;
  private isTold = false;

  constructor(private readonly told: (ending: Ending) => Promise<void>) {
    super();
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    if (this.held) this.push(this.held);
    this.bytes += this.held?.length ?? 0;
    this.held = chunk;
    done();
  }

  override _flush(done: TransformCallback): void {
    this.bytes += this.held?.length ?? 0;
    this.tell({ isWhole: true }).then(() => {
      if (this.held) this.push(this.held);
      done();
    }, done);
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.tell({ isWhole: false, ...(error ? { error } : {}) }).then(
      () => done(error),
      (failure: Error) => done(error ?? failure),
    );
  }

  private async tell(ending: Omit<Ending, 'bytes'>): Promise<void> {
    if (this.isTold) return;
    this.isTold = true;
    await this.told({ bytes: this.bytes, ...ending });
  }
}

/** The same bytes; `told` is called once, however it ends. A source that fails breaks the answer off instead of ending it. */
export function metered(source: Readable, told: (ending: Ending) => Promise<void>): Readable {
  return pipeline(source, new Metered(told), () => undefined);
}
