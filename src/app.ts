import 'reflect-metadata';
import { readFileSync } from 'node:fs';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { AppModule, type AppParts } from './app.module.js';
import { AuditSink } from './platform/access/audit-sink.js';
import { Clock } from './platform/clock.js';
import type { Config } from './platform/config/config.js';
import { RequestPipeline } from './platform/http/pipeline.js';
import { ProblemFilter } from './platform/http/problem.filter.js';
import { validationPipe } from './platform/http/validation.js';
import { Logger } from './platform/logging/logger.js';

/** HTTPS from files, TLS 1.2 or later; `reload` reads them again (SIGHUP) for new connections. */
function tlsOf(tls: NonNullable<Config['http']['tls']>) {
  return { cert: readFileSync(tls.certFile), key: readFileSync(tls.keyFile), minVersion: 'TLSv1.2' as const };
}

/**
 * The whole application, ready to listen: used by main, the tests and the export of the OpenAPI document, so that what is
 * tested is what runs. `parts` replaces the clock, the log's stream and the delivery of notices in tests.
 */
export async function createApp(config: Config, parts: AppParts = {}): Promise<NestFastifyApplication> {
  let pipeline: RequestPipeline | undefined;
  const adapter = new FastifyAdapter({
    logger: false,
    bodyLimit: config.http.bodyLimit,
    // A trickling body is only ended when both are set and connections are looked at often.
    requestTimeout: 30_000,
    keepAliveTimeout: 65_000,
    http: { headersTimeout: 10_000, connectionsCheckingInterval: 1_000, requireHostHeader: false, maxHeaderSize: 16_384 },
    ...(config.http.tls ? { https: { ...tlsOf(config.http.tls), headersTimeout: 10_000, connectionsCheckingInterval: 1_000, requireHostHeader: false, maxHeaderSize: 16_384 } } : {}),
    routerOptions: { maxParamLength: 100 },
    // A number or `true` would let clients forge their address: exact networks only.
    trustProxy: config.http.trustedProxies.length > 0 ? [...config.http.trustedProxies] : false,
    forceCloseConnections: 'idle',
    frameworkErrors: (error, request, reply) => pipeline!.frameworkError(error, request as never, reply as never),
    clientErrorHandler: (error, socket) => pipeline!.clientError(error, socket),
  } as ConstructorParameters<typeof FastifyAdapter>[0]);
  const logger = parts.logger ?? Logger.to(config.logLevel);
  const app = await NestFactory.create<NestFastifyApplication>(AppModule.with(config, { ...parts, logger }), adapter, {
    logger: logger.forNest(),
    abortOnError: false,
    bodyParser: false,
  });
  pipeline = new RequestPipeline(app.get(AuditSink), app.get(Clock), logger, config.http.publicUrl);
  pipeline.install(adapter.getInstance() as never);
  const server = adapter.getHttpServer() as unknown as import('node:https').Server;
  server.on('checkExpectation', pipeline.expectation);
  app.useGlobalFilters(new ProblemFilter(config.http.publicUrl, logger));
  app.useGlobalPipes(validationPipe());
  await app.init();
  await adapter.getInstance().ready();
  return app;
}

/** Reads certificate and key again; connections that are open keep theirs. */
export function reloadTls(app: NestFastifyApplication, config: Config): void {
  if (config.http.tls) (app.getHttpServer() as unknown as import('node:https').Server).setSecureContext(tlsOf(config.http.tls));
}
