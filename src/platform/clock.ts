/** The time, asked in one place so that tests can move it. */
export abstract class Clock {
  abstract now(): Date;
}

export class SystemClock extends Clock {
  now(): Date {
    return new Date();
  }
}

/** Later by `seconds`. */
export const after = (time: Date, seconds: number): Date => new Date(time.getTime() + seconds * 1000);
