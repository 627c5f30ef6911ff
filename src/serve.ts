import type { AddressInfo } from 'node:net';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { reloadTls } from './app.js';
import { ConfigError, type Config } from './platform/config/config.js';
import { Logger } from './platform/logging/logger.js';

/** Longest time that requests under way get to finish, in milliseconds. */
const DRAIN_MS = 8_000;
/** Then the process stops all the same. */
const STOP_MS = 10_000;

/**
 * Listens until SIGTERM or SIGINT; then no new connection is taken, requests under way are answered (their events stored),
 * and connections to the database are closed. `stopped` runs last. Resolves with the address that was taken.
 */
export async function listen(
  app: NestFastifyApplication,
  config: Config,
  stopped: () => Promise<void> = () => Promise.resolve(),
): Promise<string> {
  await app.listen(config.http.port, config.http.host).catch((error: unknown) => {
    throw cannotListen(error, config.http);
  });
  let stopping = false;
  const stop = (): void => {
    if (stopping) return;
    stopping = true;
    const server = app.getHttpServer();
    // A connection that is busy when closing begins would be kept for its client's next request.
    setInterval(() => server.closeIdleConnections(), 100).unref();
    setTimeout(() => server.closeAllConnections(), DRAIN_MS).unref();
    setTimeout(() => process.exit(1), STOP_MS).unref();
    void app
      .close()
      .then(stopped)
      .then(
        () => process.exit(0),
        () => process.exit(1),
      );
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
  process.on('SIGHUP', () => {
    try {
      reloadTls(app, config);
    } catch (error) {
      // Half a pair, or a file that is just being written: the old certificate goes on.
      app.get(Logger).error('the certificate could not be read again', error);
    }
  });
  const { port } = app.getHttpServer().address() as AddressInfo;
  const host = config.http.host.includes(':') ? `[${config.http.host}]` : config.http.host;
  return `${config.http.tls ? 'https' : 'http'}://${host}:${port}`;
}

const WHY: Record<string, string> = {
  EADDRINUSE: 'another program has taken it: stop that one, or set PORT',
  EACCES: 'this user may not take it: set PORT to one above 1023',
  EADDRNOTAVAIL: 'this machine has no such address: set HOST',
};

/** What the operator can mend is said in words. */
function cannotListen(error: unknown, { host, port }: Config['http']): unknown {
  const why = WHY[(error as { code?: string }).code ?? ''];
  return why ? new ConfigError([`${host}, port ${port}: ${why}`]) : error;
}
