import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer, type Server as TlsServer, type TLSSocket } from 'node:tls';
import { Inject, Injectable, type BeforeApplicationShutdown, type OnApplicationBootstrap } from '@nestjs/common';
import ipaddr from 'ipaddr.js';
import type { Counter } from 'prom-client';
import { CONFIG, type Config, type MllpConfig } from '../../platform/config/config.js';
import type { Hl7Feed } from '../../platform/config/hl7-feeds.js';
import { Logger } from '../../platform/logging/logger.js';
import { Metrics } from '../../platform/metrics/metrics.js';
import { Hl7Service } from './hl7.service.js';
import { framed, framesOf, FramingFault } from './mllp-frames.js';

/** Of all connections together, in messages of the greatest size: what has begun to arrive is in memory. */
const GREATEST_AT_ONCE = 4;
/** One address takes a quarter of the connections at most, so that nobody keeps the others out. */
const SHARE = 4;
const DRAIN_MS = 5_000;

/**
 * HL7 v2 over MLLP (https://www.hl7.org/implement/standards/product_brief.cfm?product_id=55), where MLLP_PORT is set. The protocol
 * knows nobody: a connection stands for the feeds whose networks and certificates it comes from, and each message for the one
 * that has its sender on its list. Frames are read here and not by @medplum/hl7, whose server has no limit on what it keeps, no
 * timeouts and no TLS, and reads two frames of one packet as one.
 */
@Injectable()
export class MllpServer implements OnApplicationBootstrap, BeforeApplicationShutdown {
  private server: Server | null = null;
  private readonly sockets = new Map<Socket, string>();
  private readonly work = new Set<Promise<void>>();
  /** Those whose message is being worked on. */
  private readonly busy = new Set<Socket>();
  private bytes = 0;
  private isStopping = false;
  private readonly connected: Counter<'result'>;
  private readonly acknowledged: Counter<'kind' | 'code'>;

  constructor(
    @Inject(CONFIG) private readonly config: Config,
    private readonly messages: Hl7Service,
    private readonly logger: Logger,
    metrics: Metrics,
  ) {
    metrics.gauge('portico_mllp_connections', 'Connections to the MLLP port that are open', () =>
      config.hl7.mllp === null ? null : this.sockets.size,
    );
    this.connected = metrics.counter('portico_mllp_connections_total', 'Connections to the MLLP port', ['result']);
    this.acknowledged = metrics.counter(
      'portico_mllp_messages_total',
      'Messages that came by MLLP, by kind and by how they were acknowledged',
      ['kind', 'code'],
    );
  }

  /** Null: it is off. */
  get port(): number | null {
    return (this.server?.address() as AddressInfo | null)?.port ?? null;
  }

  /** Connections that are open, and bytes of messages that are not whole. */
  get load(): { connections: number; bytes: number } {
    return { connections: this.sockets.size, bytes: this.bytes };
  }

  /** A port that is taken stops the start: an operator who has set it relies on it. */
  async onApplicationBootstrap(): Promise<void> {
    const { mllp } = this.config.hl7;
    if (mllp === null) return;
    this.server =
      mllp.tls === 'off' ? createServer() : createTlsServer({ ...this.tls(mllp), handshakeTimeout: mllp.frameMs });
    this.server.maxConnections = mllp.maxConnections;
    this.server.on('drop', () => this.connected.inc({ result: 'refused' }));
    this.server.on('connection', (socket) => this.opened(socket, mllp));
    this.server.on(mllp.tls === 'off' ? 'connection' : 'secureConnection', (socket: Socket) =>
      this.serve(socket, mllp),
    );
    this.server.on('tlsClientError', (_: Error, socket: Socket) => void socket.destroy());
    this.server.listen(mllp.port, mllp.host).unref();
    await once(this.server, 'listening');
    this.logger.info('HL7 v2 messages are taken over MLLP', { component: 'mllp', port: this.port!, tls: mllp.tls });
  }

  /** Reads certificates and key again, those of the clients' authority too; connections that are open keep theirs. */
  reloadTls(): void {
    const { mllp } = this.config.hl7;
    if (this.server !== null && mllp !== null && mllp.tls !== 'off')
      (this.server as TlsServer).setSecureContext(this.tls(mllp));
  }

  /** A message that is being worked on is acknowledged; no other is begun. */
  async beforeApplicationShutdown(): Promise<void> {
    this.isStopping = true;
    this.server?.close();
    for (const socket of this.sockets.keys()) if (!this.busy.has(socket)) socket.destroy();
    const timer = setTimeout(() => this.closeAll(), DRAIN_MS).unref();
    await Promise.all(this.work);
    clearTimeout(timer);
  }

  private tls({ tls }: MllpConfig) {
    const { certFile, keyFile, clientCaFile } = this.config.http.tls!;
    const isMutual = tls === 'mutual';
    return {
      cert: readFileSync(certFile),
      key: readFileSync(keyFile),
      minVersion: 'TLSv1.2' as const,
      requestCert: isMutual,
      rejectUnauthorized: isMutual,
      ...(isMutual ? { ca: readFileSync(clientCaFile!) } : {}),
    };
  }

  private closeAll(): void {
    for (const socket of this.sockets.keys()) socket.destroy();
  }

  /** Before any of its bytes is read: who has no business here, or too many connections, is gone. */
  private opened(socket: Socket, { maxConnections }: MllpConfig): void {
    const address = socket.remoteAddress ?? '';
    const same = [...this.sockets.values()].filter((other) => other === address).length;
    socket.on('error', () => undefined);
    if (this.isStopping || this.feedsAt(address).length === 0 || same >= Math.ceil(maxConnections / SHARE)) {
      this.logger.warn('a connection was refused', { component: 'mllp', address });
      this.connected.inc({ result: 'refused' });
      return void socket.destroy();
    }
    this.connected.inc({ result: 'accepted' });
    this.sockets.set(socket, address);
    socket.on('close', () => this.sockets.delete(socket));
  }

  private feedsAt(address: string): Hl7Feed[] {
    if (!ipaddr.isValid(address)) return [];
    const peer = ipaddr.process(address);
    const isIn = (network: string): boolean => {
      const [range, bits] = ipaddr.parseCIDR(network);
      return range.kind() === peer.kind() && peer.match(range, bits);
    };
    return this.config.hl7.feeds.filter(({ networks }) => networks.some(isIn));
  }

  /** A feed that has certificates is spoken for by these alone. */
  private feedsOf(socket: Socket): Hl7Feed[] {
    const shown =
      'getPeerCertificate' in socket ? (socket as TLSSocket).getPeerCertificate().fingerprint256 : undefined;
    const print = shown?.replaceAll(':', '').toLowerCase();
    return this.feedsAt(socket.remoteAddress ?? '').filter(
      ({ certificates }) => certificates.length === 0 || (print !== undefined && certificates.includes(print)),
    );
  }

  private serve(socket: Socket, mllp: MllpConfig): void {
    if (socket.destroyed) return;
    socket.on('error', () => undefined);
    const done = this.converse(socket, this.feedsOf(socket), mllp)
      .catch((error: unknown) => this.closed(error))
      .finally(() => {
        socket.destroy();
        this.work.delete(done);
      });
    this.work.add(done);
  }

  /** One frame after the other, each answered before the next one is read. */
  private async converse(socket: Socket, feeds: readonly Hl7Feed[], { frameMs, idleMs }: MllpConfig): Promise<void> {
    if (feeds.length === 0) return;
    let timer: NodeJS.Timeout | undefined;
    const within = (ms: number): void => {
      clearTimeout(timer);
      timer = setTimeout(() => socket.destroy(), ms).unref();
    };
    const { maxBytes } = this.config.hl7;
    const reserve = (bytes: number): boolean => {
      if (bytes > 0 && this.bytes + bytes > GREATEST_AT_ONCE * maxBytes) return false;
      this.bytes += bytes;
      return true;
    };
    within(frameMs);
    try {
      for await (const frame of framesOf(socket, { maxBytes, reserve, begun: () => within(frameMs) })) {
        clearTimeout(timer);
        this.busy.add(socket);
        const { answers, verdicts } = await this.messages.overMllp(frame, feeds);
        for (const verdict of verdicts) this.acknowledged.inc(verdict);
        within(frameMs);
        for (const answer of answers) if (!socket.write(framed(answer))) await once(socket, 'drain');
        this.busy.delete(socket);
        if (this.isStopping) break;
        within(idleMs);
      }
    } finally {
      this.busy.delete(socket);
      clearTimeout(timer);
    }
  }

  private closed(error: unknown): void {
    const code = (error as { code?: string }).code;
    if (error instanceof FramingFault)
      this.logger.warn('a connection was closed', { component: 'mllp', code: error.code });
    // Whoever went away, or was too slow.
    else if (code === 'ERR_STREAM_PREMATURE_CLOSE' || code === 'ECONNRESET' || code === 'EPIPE') return;
    else this.logger.error('a connection failed', error, { component: 'mllp' });
  }
}
