import pg from 'pg';
import type { Pulse } from './pulse.js';

// Local to the transaction: what a lane was told is forgotten with each statement, and between them it speaks for nobody.
const IDENTIFY = { name: 'identify', text: "SELECT set_config('app.account_id', $1, true)" };

interface Wire {
  bind(message: { statement: string; values: string[] }): void;
  execute(message: object): void;
}

type Handler = (...messages: unknown[]) => void;
type Internals = Record<'prepare' | 'handleRowDescription' | 'handleDataRow' | 'handleCommandComplete', Handler>;

const inherited = pg.Query.prototype as unknown as Internals;

/**
 * A prepared statement sent as one transaction with the telling of who acts: both before one Sync (PostgreSQL protocol,
 * extended query), so that nothing comes between, and when the telling fails the server skips the statement.
 */
class QueryAs extends pg.Query implements Internals {
  private isTelling = true;

  constructor(
    private readonly accountId: string,
    statement: pg.QueryConfig,
    done: (error: Error | null, result: pg.QueryResult) => void,
  ) {
    super(statement, undefined, done as never);
  }

  prepare(wire: unknown): void {
    (wire as Wire).bind({ statement: IDENTIFY.name, values: [this.accountId] });
    (wire as Wire).execute({});
    inherited.prepare.call(this, wire);
  }

  // The telling is not described, so that the description of rows marks where its answer ends.
  handleRowDescription(message: unknown): void {
    this.isTelling = false;
    inherited.handleRowDescription.call(this, message);
  }

  handleDataRow(message: unknown): void {
    if (!this.isTelling) inherited.handleDataRow.call(this, message);
  }

  handleCommandComplete(message: unknown, wire: unknown): void {
    if (!this.isTelling) inherited.handleCommandComplete.call(this, message, wire);
  }
}

type Socket = { cork(): void; uncork(): void };

/**
 * One connection that the short reads of many requests share, each in a transaction that begins with who acts. PostgreSQL
 * works a connection's transactions in the order in which they were sent.
 */
class Lane {
  waiting = 0;
  /** Reads are being gathered: one more costs no further write. */
  isGathering = false;
  private client: Promise<pg.Client> | null = null;
  /** The same, once it can be written to. */
  private open: pg.Client | null = null;

  constructor(
    private readonly options: pg.ClientConfig,
    private readonly pulse: Pulse | undefined,
  ) {}

  query<Row extends object>(accountId: string, statement: pg.QueryConfig): Promise<Row[]> {
    this.waiting++;
    // At once where it can be: whoever asks next in this turn must see that this lane is gathering.
    const answered = this.open
      ? this.send<Row>(this.open, accountId, statement)
      : this.connected().then((client) => this.send<Row>(client, accountId, statement));
    return answered.finally(() => this.waiting--);
  }

  async close(): Promise<void> {
    const client = this.client;
    this.forget();
    await (await client?.catch(() => null))?.end();
  }

  private send<Row extends object>(client: pg.Client, accountId: string, statement: pg.QueryConfig): Promise<Row[]> {
    this.gather(client);
    return new Promise((resolve, reject) => {
      client.query(
        new QueryAs(accountId, statement, (error, result) => (error ? reject(error) : resolve(result.rows as Row[]))),
      );
    });
  }

  private forget(): void {
    this.client = null;
    this.open = null;
  }

  private connected(): Promise<pg.Client> {
    this.client ??= this.connect();
    return this.client;
  }

  private connect(): Promise<pg.Client> {
    const client = new pg.Client(this.options);
    this.pulse?.watch(client);
    const connected = client
      .connect()
      .then(() => client.query({ ...IDENTIFY, values: [''] }))
      .then(() => {
        if (this.client === connected) this.open = client;
        return client;
      });
    // Whatever was under way fails with it; the next reader connects anew. A late word of an old connection must not
    // forget the new one.
    const gone = (): void => {
      if (this.client === connected) this.forget();
    };
    client.on('error', gone).on('end', gone);
    connected.catch(gone);
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

/** Reads that may queue on a lane while others are free: beyond that, spreading beats gathering. */
const FULL = 16;

/** A few shared connections for prepared statements of hot reads. A lane that is gathering takes the next, else the least busy. */
export class ReadLanes {
  private readonly lanes: Lane[];

  constructor(url: string, pulse?: Pulse, lanes = 4) {
    const options: pg.ClientConfig & { pipeline: true } = {
      connectionString: url,
      application_name: 'portico-read',
      pipeline: true,
      connectionTimeoutMillis: 2_000,
      statement_timeout: 5_000,
      lock_timeout: 2_000,
      // A server that hangs ends nothing by itself; this ends the connection, and with it what waits behind.
      query_timeout: 6_000,
      keepAlive: true,
    };
    this.lanes = Array.from({ length: lanes }, () => new Lane(options, pulse));
  }

  query<Row extends object>(accountId: string | null, statement: pg.QueryConfig): Promise<Row[]> {
    const gathering = this.lanes.find((one) => one.isGathering && one.waiting < FULL);
    const lane = gathering ?? this.lanes.reduce((best, one) => (one.waiting < best.waiting ? one : best));
    return lane.query<Row>(accountId ?? '', statement);
  }

  /** Reads that were asked and not answered yet. */
  get waiting(): number {
    return this.lanes.reduce((sum, { waiting }) => sum + waiting, 0);
  }

  async close(): Promise<void> {
    await Promise.all(this.lanes.map((lane) => lane.close()));
  }
}
