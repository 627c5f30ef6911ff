import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect, type ConnectionOptions, type TLSSocket } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { cloneDatabase } from '../harness/database.js';
import { PortalProcess } from '../harness/process.js';

const hasOpenssl = (() => {
  try {
    execFileSync('openssl', ['version']);
    return true;
  } catch {
    console.warn('skipped: there is no openssl here to make certificates with');
    return false;
  }
})();

const folder = mkdtempSync(join(tmpdir(), 'portico-tls-'));
const [cert, key] = [join(folder, 'cert.pem'), join(folder, 'key.pem')];

function certificate(name: string): void {
  const make = `req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=${name} -keyout ${name}.key -out ${name}.crt`;
  execFileSync('openssl', make.split(' '), { cwd: folder, stdio: 'ignore' });
}

function use(name: string): void {
  copyFileSync(join(folder, `${name}.crt`), cert);
  copyFileSync(join(folder, `${name}.key`), key);
}

(hasOpenssl ? describe : describe.skip)('HTTPS from files', () => {
  let portal: PortalProcess;
  const open: TLSSocket[] = [];

  const dial = (options: ConnectionOptions = {}): Promise<TLSSocket> =>
    new Promise((done, fail) => {
      const socket = connect({ host: '127.0.0.1', port: portal.port, rejectUnauthorized: false, ...options });
      open.push(socket);
      socket.once('secureConnect', () => done(socket)).once('error', fail);
    });
  const nameOf = (socket: TLSSocket): unknown => socket.getPeerCertificate().subject.CN;
  const shown = async (): Promise<unknown> => nameOf(await dial());
  const asks = (socket: TLSSocket): Promise<string> =>
    new Promise((done) => {
      socket.once('data', (chunk: Buffer) => done(chunk.toString().split('\r\n')[0]!));
      socket.write('GET /health/live HTTP/1.1\r\nHost: portal.test\r\n\r\n');
    });

  beforeAll(async () => {
    certificate('first.test');
    certificate('second.test');
    use('first.test');
    portal = await PortalProcess.on(await cloneDatabase(), { TLS_CERT_FILE: cert, TLS_KEY_FILE: key });
    await portal.start();
  });
  afterAll(async () => {
    for (const socket of open) socket.destroy();
    await portal.end('SIGKILL');
  });

  it.each(['TLSv1.2', 'TLSv1.3'] as const)('speaks %s', async (version) => {
    const socket = await dial({ minVersion: version, maxVersion: version });
    expect(socket.getProtocol()).toBe(version);
    expect(await asks(socket)).toBe('HTTP/1.1 200 OK');
  });

  it.each(['TLSv1', 'TLSv1.1'] as const)('refuses %s', async (version) => {
    // The client would refuse it by itself at its usual level of security.
    const old = dial({ minVersion: version, maxVersion: version, ciphers: 'DEFAULT:@SECLEVEL=0' });
    await expect(old).rejects.toMatchObject({ code: 'ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION' });
  });

  it('shows a new certificate after SIGHUP, and keeps the connections that are open', async () => {
    const before = await dial();
    expect(nameOf(before)).toBe('first.test');
    use('second.test');
    portal.signal('SIGHUP');
    for (let tries = 0; (await shown()) !== 'second.test' && tries < 100; tries++) await sleep(50);
    expect(await shown()).toBe('second.test');
    expect(await asks(before)).toBe('HTTP/1.1 200 OK');
    const old = dial({ minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT:@SECLEVEL=0' });
    await expect(old).rejects.toMatchObject({ code: 'ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION' });
  });

  it.each([
    ['are broken', () => writeFileSync(cert, 'half a certificate')],
    ['do not belong together', () => copyFileSync(join(folder, 'first.test.crt'), cert)],
  ])('goes on with the certificate that it has when the files %s', async (_what, spoil) => {
    const had = await shown();
    spoil();
    portal.signal('SIGHUP');
    await sleep(300);
    const socket = await dial();
    expect([nameOf(socket), await asks(socket)]).toEqual([had, 'HTTP/1.1 200 OK']);
  });
});
