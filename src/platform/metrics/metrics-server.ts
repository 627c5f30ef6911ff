import { once } from 'node:events';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Inject, Injectable, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { collectDefaultMetrics } from 'prom-client';
import { CONFIG, type Config } from '../config/config.js';
import { Logger } from '../logging/logger.js';
import { Metrics } from './metrics.js';

const TIMEOUT_MS = 5_000;

/**
 * `/metrics` on a port of its own, so that it can be kept from everybody but the one who scrapes it. It answers with counts and
 * times alone, nothing of a person, and therefore leaves no events.
 */
@Injectable()
export class MetricsServer implements OnApplicationBootstrap, OnApplicationShutdown {
  private server: Server | null = null;
  /** The scrape under way: whoever asks meanwhile gets the same one. */
  private scraping: Promise<string> | null = null;

  constructor(
    @Inject(CONFIG) private readonly config: Config,
    private readonly metrics: Metrics,
    private readonly logger: Logger,
  ) {}

  /** Null: it is off. */
  get port(): number | null {
    return (this.server?.address() as AddressInfo | null)?.port ?? null;
  }

  /** A port that is taken stops the start: an operator who has set it relies on it. */
  async onApplicationBootstrap(): Promise<void> {
    const { metrics } = this.config;
    if (metrics === null) return;
    collectDefaultMetrics({ register: this.metrics.registry });
    this.server = createServer(
      { headersTimeout: TIMEOUT_MS, requestTimeout: TIMEOUT_MS, maxHeaderSize: 8_192 },
      ({ method, url }, response) => {
        if (url !== '/metrics') return void response.writeHead(404).end();
        if (method !== 'GET') return void response.writeHead(405, { allow: 'GET' }).end();
        void this.answer(response);
      },
    );
    this.server.listen(metrics.port, metrics.host).unref();
    await once(this.server, 'listening');
    this.logger.info('metrics are served', { component: 'metrics', port: this.port! });
  }

  onApplicationShutdown(): void {
    this.server?.close();
    this.server?.closeAllConnections();
  }

  private async answer(response: ServerResponse): Promise<void> {
    try {
      this.scraping ??= this.metrics.registry.metrics().finally(() => (this.scraping = null));
      const text = await this.scraping;
      response.writeHead(200, { 'content-type': this.metrics.registry.contentType, 'cache-control': 'no-store' });
      response.end(text);
    } catch (error) {
      this.logger.error('metrics could not be read', error, { component: 'metrics' });
      response.writeHead(500).end();
    }
  }
}
