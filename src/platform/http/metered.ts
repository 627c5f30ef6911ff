import { pipeline, Transform, type Readable, type TransformCallback } from 'node:stream';

/** How a streamed answer ended. */
export interface Ending {
  /** Handed to the connection, as sent: after compression. */
  bytes: number;
  isWhole: boolean;
  /** Why it was broken off, where it was not the client who went away. */
  error?: Error;
}

/** Counts what passes, and holds the end of the stream back until `told` has made its event durable: what is whole for the client is told. */
class Metered extends Transform {
  private bytes = 0;
  private isTold = false;

  constructor(private readonly told: (ending: Ending) => Promise<void>) {
    super();
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    this.bytes += chunk.length;
    done(null, chunk);
  }

  override _flush(done: TransformCallback): void {
    this.tell({ isWhole: true }).then(() => done(), done);
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
