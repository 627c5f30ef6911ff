import { Global, Module, type DynamicModule, type OnApplicationShutdown, Injectable, Inject } from '@nestjs/common';
import { DiscoveryModule } from '@nestjs/core';
import type { Pool } from 'pg';
import { DataSource } from 'typeorm';
import type { PostgresDriver } from 'typeorm/driver/postgres/PostgresDriver.js';
import { AbilityFactory, type PolicyOf } from './access/ability-factory.js';
import { DeclaredRoutes } from './access/declared-routes.js';
import { Clock, SystemClock } from './clock.js';
import { CONFIG, type Config } from './config/config.js';
import { FileKeyManagement, KEY_MANAGEMENT, KeyRing, PasswordHasher, type KeyManagement } from './crypto/index.js';
import { Database } from './database/database.js';
import { Pulse } from './database/pulse.js';
import { ReadLanes } from './database/read-lanes.js';
import { SystemPool } from './database/system-pool.js';
import { Vault } from './database/vault.js';
import { Delivery } from './delivery/delivery.js';
import { deliveryOf } from './delivery/mail.js';
import { Events } from './events/events.js';
import { HealthChecks } from './health/health-checks.js';
import { ClientCertificates } from './http/client-certificate.js';
import { Cursors } from './http/cursors.js';
import { Idempotency } from './http/idempotency.js';
import { Uploads } from './http/uploads.js';
import { Logger } from './logging/logger.js';
import { MetricsServer } from './metrics/metrics-server.js';
import { Metrics } from './metrics/metrics.js';
import { PlatformMetrics } from './metrics/platform-metrics.js';
import { Outbox } from './outbox/outbox.js';

/** What tests may replace. */
export interface PlatformParts {
  clock?: Clock;
  logger?: Logger;
  delivery?: Delivery;
}

export interface PlatformOptions {
  config: Config;
  parts: PlatformParts;
  policies: readonly PolicyOf[];
  dataSource: (database: Config['database']) => DataSource;
}

/** Closes what outlives requests, after the last of them was answered. */
@Injectable()
class Closing implements OnApplicationShutdown {
  constructor(
    @Inject(DataSource) private readonly source: DataSource,
    private readonly system: SystemPool,
    private readonly lanes: ReadLanes,
    private readonly passwords: PasswordHasher,
    private readonly pulse: Pulse,
  ) {}

  async onApplicationShutdown(): Promise<void> {
    await this.pulse.close();
    await this.passwords.close();
    await this.system.close();
    await this.lanes.close();
    if (this.source.isInitialized) await this.source.destroy();
  }
}

/** Plumbing that every module may inject. Knows no medicine. */
@Global()
@Module({})
export class PlatformModule {
  static with({ config, parts, policies, dataSource }: PlatformOptions): DynamicModule {
    const providers = [
      { provide: CONFIG, useValue: config },
      { provide: Clock, useValue: parts.clock ?? new SystemClock() },
      { provide: Logger, useValue: parts.logger ?? Logger.to(config.logLevel) },
      { provide: AbilityFactory, useValue: new AbilityFactory(policies) },
      { provide: Events, useValue: new Events() },
      { provide: KeyRing, useFactory: () => KeyRing.load(config.keyFile) },
      { provide: Pulse, useFactory: (logger: Logger) => new Pulse(config.database.url, logger), inject: [Logger] },
      {
        provide: DataSource,
        useFactory: async (pulse: Pulse) => {
          const source = await dataSource(config.database).initialize();
          pulse.watchPool((source.driver as PostgresDriver).master as Pool);
          return source;
        },
        inject: [Pulse],
      },
      { provide: ReadLanes, useFactory: (pulse: Pulse) => new ReadLanes(config.database.url, pulse), inject: [Pulse] },
      {
        provide: Database,
        useFactory: (source: DataSource, lanes: ReadLanes) => new Database(source, lanes),
        inject: [DataSource, ReadLanes],
      },
      {
        provide: SystemPool,
        useFactory: (pulse: Pulse) => new SystemPool(config.database.url, { max: 4, name: 'portico-system', pulse }),
        inject: [Pulse],
      },
      { provide: KEY_MANAGEMENT, useFactory: (ring: KeyRing) => new FileKeyManagement(ring), inject: [KeyRing] },
      { provide: Vault, useFactory: (keys: KeyManagement) => new Vault(keys), inject: [KEY_MANAGEMENT] },
      { provide: Cursors, useFactory: (ring: KeyRing) => new Cursors(ring), inject: [KeyRing] },
      {
        provide: PasswordHasher,
        useFactory: (ring: KeyRing) => new PasswordHasher(ring, { cost: config.bcryptCost }),
        inject: [KeyRing],
      },
      { provide: ClientCertificates, useValue: new ClientCertificates(config) },
      { provide: Delivery, useFactory: () => parts.delivery ?? deliveryOf(config) },
      HealthChecks,
      Metrics,
      MetricsServer,
      PlatformMetrics,
      Idempotency,
      Uploads,
      Outbox,
      DeclaredRoutes,
    ];
    return {
      module: PlatformModule,
      imports: [DiscoveryModule],
      providers: [...providers, Closing],
      exports: providers,
    };
  }
}
