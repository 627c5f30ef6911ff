import { createServer, connect, type AddressInfo, type Socket } from 'node:net';

/** What is cut: the statement never arrives; it does, and nobody waits for its end; it is done, and its answer is dropped. */
export type Cut = 'before' | 'at-once' | 'after';

/** `write`: the COMMIT of a transaction that holds an event. `batch`: the statement that stores the events of many requests. */
export type Target = 'write' | 'batch';

// How they look on the wire: a simple query, and names of prepared statements.
const COMMIT = Buffer.from('COMMIT\0');
const EVENT_WITHIN = Buffer.from('audit_submit_within\0');
const BATCH = Buffer.from('audit_submit\0');

/** A TCP proxy before PostgreSQL that ends connections in the worst moment: around a statement whose answer somebody needs. */
export class CuttingProxy {
  /** Next cuts, each for the first statement of that kind that comes. */
  private readonly orders: { on: Target; cut: Cut }[] = [];
  readonly done: Cut[] = [];
  private readonly server = createServer((client) => this.join(client));
  private readonly sockets = new Set<Socket>();

  private constructor(private readonly target: { host: string; port: number }) {}

  static async before(url: string): Promise<CuttingProxy> {
    const { hostname, port } = new URL(url);
    const proxy = new CuttingProxy({ host: hostname, port: Number(port) });
    await new Promise<void>((ready) => proxy.server.listen(0, '127.0.0.1', ready));
    return proxy;
  }

  /** The same database, by way of this. */
  through(url: string): string {
    const changed = new URL(url);
    changed.hostname = '127.0.0.1';
    changed.port = String((this.server.address() as AddressInfo).port);
    return changed.href;
  }

  order(on: Target, cut: Cut): void {
    this.orders.push({ on, cut });
  }

  get waiting(): number {
    return this.orders.length;
  }

  async close(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    await new Promise((closed) => this.server.close(closed));
  }

  private join(client: Socket): void {
    const server = connect(this.target);
    let [dropsAnswer, hasEvent] = [false, false];
    const end = (): void => {
      client.destroy();
      server.destroy();
    };
    for (const socket of [client, server]) {
      this.sockets.add(socket);
      socket.on('error', end).on('close', () => (this.sockets.delete(socket), end()));
    }
    client.on('data', (data) => {
      hasEvent ||= data.includes(EVENT_WITHIN);
      const isCommit = data.includes(COMMIT);
      const target = isCommit && hasEvent ? 'write' : data.includes(BATCH) ? 'batch' : null;
      if (isCommit) hasEvent = false;
      const cut = target && this.taken(target);
      if (cut === 'before') return end();
      if (cut === 'after') dropsAnswer = true;
      server.write(data, () => void (cut === 'at-once' && end()));
    });
    server.on('data', (data) => {
      if (dropsAnswer) return end();
      client.write(data);
    });
  }

  private taken(target: Target): Cut | null {
    const at = this.orders.findIndex(({ on }) => on === target);
    const [order] = at === -1 ? [] : this.orders.splice(at, 1);
    if (!order) return null;
    this.done.push(order.cut);
    return order.cut;
  }
}
