import 'reflect-metadata';
import { fastifyCookie } from '@fastify/cookie';
import { readFileSync } from 'node:fs';
import type { Server } from 'node:https';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import type { FastifyInstance, FastifyServerOptions } from 'fastify';
import { AppModule, type AppParts } from './app.module.js';
import { MllpServer } from './modules/records/index.js';
import { AuditSink } from './platform/access/audit-sink.js';
import { Clock } from './platform/clock.js';
import type { Config } from './platform/config/config.js';
import { OpenApi } from './platform/docs/openapi.js';
import { openTo } from './platform/http/cors.js';
import { RequestPipeline } from './platform/http/pipeline.js';
import { Uploads } from './platform/http/uploads.js';
import { ProblemFilter } from './platform/http/problem.filter.js';
import { validationPipe } from './platform/http/validation.js';
import { Logger } from './platform/logging/logger.js';
import { Metrics } from './platform/metrics/metrics.js';

/** HTTPS from files, TLS 1.2 or later; `reload` reads them again (SIGHUP) for new connections. */
function tlsOf(tls: NonNullable<Config['http']['tls']>) {
  return {
    cert: readFileSync(tls.certFile),
    key: readFileSync(tls.keyFile),
    minVersion: 'TLSv1.2' as const,
    // A client's certificate is asked for, and needed by none: whether it counts is looked at where it matters.
    ...(tls.clientCaFile === null
      ? {}
      : { ca: readFileSync(tls.clientCaFile), requestCert: true, rejectUnauthorized: false }),
  };
}

class Adapter extends FastifyAdapter {
  constructor(
    options: FastifyServerOptions,
    private readonly settled: () => Promise<void>,
  ) {
    super(options);
  }

  /** What Nest closes next is the database: it stays open until the last event is in it. */
  override async close(): Promise<void> {
    await super.close();
    await this.settled();
  }

  /** Nest sets a route's status before its handler runs, and once more after it: the handler's word, where it has one, is kept. */
  override reply(...[response, body]: Parameters<FastifyAdapter['reply']>): ReturnType<FastifyAdapter['reply']> {
    return super.reply(response, body);
  }
}

type AdapterOptions = ConstructorParameters<typeof FastifyAdapter>[0];

/** Against slow clients; a Host header is asked for by our own check, whose refusal is audited. */
const serverLimits = (config: Config['http']) => ({
  headersTimeout: config.headersTimeoutMs,
  connectionsCheckingInterval: 1_000,
  requireHostHeader: false,
  maxHeaderSize: 16_384,
});

/**
 * The whole application, ready to listen: used by main, the tests and the export of the OpenAPI document, so that what is
 * tested is what runs. `parts` replaces the clock, the log's stream and the delivery of notices in tests.
 */
export async function createApp(config: Config, parts: AppParts = {}): Promise<NestFastifyApplication> {
  const logger = parts.logger ?? Logger.to(config.logLevel);
  // Fastify takes its handlers when it is made, before there is anything that they could use.
  const late: { pipeline?: RequestPipeline } = {};
  const limits = serverLimits(config.http);
  const options = {
    logger: false,
    bodyLimit: config.http.bodyLimit,
    // A trickling body is only ended when both are set and connections are looked at often.
    requestTimeout: config.http.requestTimeoutMs,
    keepAliveTimeout: 65_000,
    ...(config.http.tls ? { https: { ...limits, ...tlsOf(config.http.tls) } } : { http: limits }),
    routerOptions: { maxParamLength: 100 },
    // A number or `true` would let clients forge their address: exact networks only.
    trustProxy: config.http.trustedProxies.length > 0 ? [...config.http.trustedProxies] : false,
    forceCloseConnections: 'idle',
    // Fastify's own refusal while stopping is no problem+json and leaves no event: what still arrives is answered.
    return503OnClosing: false,
    frameworkErrors: (error, request, reply) => late.pipeline!.frameworkError(error, request as never, reply as never),
    clientErrorHandler: (error, socket) => late.pipeline!.clientError(error, socket),
  } as AdapterOptions;
  const adapter = new Adapter(options as FastifyServerOptions, async () => late.pipeline?.settled());
  const app = await NestFactory.create<NestFastifyApplication>(AppModule.with(config, { ...parts, logger }), adapter, {
    logger: logger.forNest(),
    abortOnError: false,
    bodyParser: false,
  });
  const pipeline = (late.pipeline = new RequestPipeline(
    app.get(AuditSink),
    app.get(Clock),
    logger,
    config.http.publicUrl,
    app.get(Metrics),
    app.get(Uploads),
  ));
  const fastify = adapter.getInstance<FastifyInstance>();
  // Only for its parser and serialiser: it reads no request and writes no answer by itself.
  await fastify.register(fastifyCookie, { hook: false });
  pipeline.install(fastify);
  openTo(app, config.http.corsOrigins);
  const server: Server = adapter.getHttpServer();
  server.on('checkExpectation', pipeline.expectation);
  app.useGlobalFilters(new ProblemFilter(config.http.publicUrl, logger));
  app.useGlobalPipes(validationPipe());
  await app.init();
  app.get(OpenApi).describes(app, config);
  await adapter.getInstance<FastifyInstance>().ready();
  return app;
}

/** Reads certificate and key again, for HTTPS and MLLP; connections that are open keep theirs. Throws where they are no pair: then all stays. */
export function reloadTls(app: NestFastifyApplication, config: Config): void {
  if (config.http.tls)
    (app.getHttpServer() as unknown as import('node:https').Server).setSecureContext(tlsOf(config.http.tls));
  app.get(MllpServer).reloadTls();
}
