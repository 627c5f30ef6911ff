import pg from 'pg';

const IDENTIFY = { name: 'identify', text: "SELECT set_config('app.account_id', $1, false)" };

type Socket = { cork(): void; uncork(): void };

/**
 * One connection that the short reads of many requests share, each sent as an inseparable pair: who acts, then the
 * statement. PostgreSQL works a connection's statements in the order in which they were sent, so no other caller's pair
 * comes between. A result counts only when its own telling succeeded: otherwise it was read in somebody else's name.
 */
class Lane {
  waiting = 0;
  /** Pairs are being gathered: one more costs no further write. */
  isGathering = false;
  private client: Promise<pg.Client> | null = null;

  constructor(private readonly options: pg.ClientConfig) {}

  async query<Row extends object>(accountId: string, statement: pg.QueryConfig): Promise<Row[]> {
    this.waiting++;
    try {
      const client = await this.connected();
      this.gather(client);
      const [, { rows }] = await Promise.all([
        client.query({ ...IDENTIFY, values: [accountId] }),
        // A server that hangs ends nothing by itself; this ends the connection, and with it the pairs behind.
        client.query<Row>({ ...statement, query_timeout: 6_000 } as pg.QueryConfig),
      ]);
      return rows;
    } finally {
      this.waiting--;
    }
  }

  async close(): Promise<void> {
    const client = this.client;
    this.client = null;
    await (await client?.catch(() => null))?.end();
  }

  private connected(): Promise<pg.Client> {
    this.client ??= this.connect();
    return this.client;
  }

  private connect(): Promise<pg.Client> {
    const client = new pg.Client(this.options);
    const connected = client.connect().then(() => client);
    // Whatever was under way fails with it; the next reader connects anew. A late word of an old connection must not
    // forget the new one.
    const forget = (): void => {
      if (this.client === connected) this.client = null;
    };
    client.on('error', forget).on('end', forget);
    connected.catch(forget);
    return connected;
  }

  /** What is asked in one turn of the event loop leaves in one write: system calls are what a short read costs most. */
  private gather(client: pg.Client): void {
    if (this.isGathering) return;
    this.isGathering = true;
    const { stream } = (client as unknown as { connection: { stream: Socket } }).connection;
    stream.cork();
    process.nextTick(() => {
      this.isGathering = false;
      stream.uncork();
    });
  }
}

/** Pairs that may queue on a lane while others are free: beyond that, spreading beats gathering. */
const FULL = 8;

/** A few shared connections for prepared statements of hot reads. A lane that is gathering takes the next, else the least busy. */
export class ReadLanes {
  private readonly lanes: Lane[];

  constructor(url: string, lanes = 4) {
    const options: pg.ClientConfig & { pipeline: true } = {
      connectionString: url,
      application_name: 'portico-read',
      pipeline: true,
      connectionTimeoutMillis: 2_000,
      statement_timeout: 5_000,
      lock_timeout: 2_000,
      keepAlive: true,
    };
    this.lanes = Array.from({ length: lanes }, () => new Lane(options));
  }

  query<Row extends object>(accountId: string | null, statement: pg.QueryConfig): Promise<Row[]> {
    const gathering = this.lanes.find((one) => one.isGathering && one.waiting < FULL);
    const lane = gathering ?? this.lanes.reduce((best, one) => (one.waiting < best.waiting ? one : best));
    return lane.query<Row>(accountId ?? '', statement);
  }

  async close(): Promise<void> {
    await Promise.all(this.lanes.map((lane) => lane.close()));
  }
}
