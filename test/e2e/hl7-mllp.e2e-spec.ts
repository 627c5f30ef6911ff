import { once } from 'node:events';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { createHash, X509Certificate } from 'node:crypto';
import { copyFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { reloadTls } from '../../src/app.js';
import { MllpServer } from '../../src/modules/records/mllp-server.js';
import { MetricsServer } from '../../src/platform/metrics/metrics-server.js';
import { Certificates, hasOpenssl, type Certificate } from '../harness/certificates.js';
import { chartState, recordRow } from '../harness/feed.js';
import { admission, feedsFile, fieldsOf, frame, message, MllpClient, msh, pid, result } from '../harness/hl7.js';
import { sourceIdOf } from '../../src/hl7/ids.js';
import { checkLedger } from '../harness/ledger.js';
import { makeAdmin, makeFeed, type Caller } from '../harness/people.js';
import { startPortal, type Portal } from '../harness/portal.js';

const SOURCE = 'https://lab.test';
const FAR = 'https://far.test';
const CONNECTIONS = 40;

const glucose = (value: string): string => `OBX|1|NM|2345-7^Glucose^LN||${value}|mmol/L|||||F`;
const codeOf = (ack: string | null): string => fieldsOf(ack!).MSA![1]!;

const open: MllpClient[] = [];
let portal: Portal;
let admin: Caller;

async function client(from?: string): Promise<MllpClient> {
  const one = await MllpClient.open(portal, from);
  open.push(one);
  return one;
}

/** Events of the imports that messages came with. */
async function told(which: string): Promise<number> {
  const { rows } = await portal.owner.query<{ n: number }>(
    `SELECT count(*)::integer AS n FROM (SELECT request_id FROM audit.inbox UNION ALL SELECT request_id FROM audit.entry) e
       JOIN records.import i ON i.request_id::text = e.request_id::text JOIN records.hl7_message m USING (import_id) WHERE ${which}`,
  );
  return rows[0]!.n;
}

/** Events of what was refused. */
async function refusals(): Promise<number> {
  const { rows } = await portal.owner.query<{ n: number }>(
    `SELECT count(*)::integer AS n FROM (SELECT event::text AS event FROM audit.inbox UNION ALL SELECT leaf FROM audit.entry) e
      WHERE event LIKE '%"sub":"Import.import"%' AND event LIKE '%"out":4%'`,
  );
  return rows[0]!.n;
}

describe('MLLP', () => {
  beforeAll(async () => {
    const file = feedsFile(
      { source: SOURCE, more: { systems: { MAIN: 'https://hospital.example.org/mrn' } } },
      { source: FAR, facility: 'FAR', more: { networks: ['10.0.0.0/8'] } },
    );
    portal = await startPortal({
      env: {
        HL7_FEEDS_FILE: file,
        HL7_LIMIT_MB: '1',
        MLLP_PORT: '0',
        MLLP_CONNECTIONS: String(CONNECTIONS),
        MLLP_FRAME_SECONDS: '2',
        METRICS_PORT: '0',
      },
    });
    admin = await makeAdmin(portal);
    await makeFeed(portal, admin, SOURCE);
    await makeFeed(portal, admin, FAR);
  });

  afterAll(async () => {
    for (const one of open) await one.end();
    await checkLedger(portal);
    await portal.close();
  });

  it('takes a message, and acknowledges it when it is stored with its event', async () => {
    const lab = await client();
    const ack = await lab.send(result({ mrn: 'M-1', obx: [glucose('5.10')], id: 'ONE', order: 'O1' }));
    expect(fieldsOf(ack!).MSA).toEqual(['MSA', 'AA', 'ONE']);
    const { rows } = await portal.owner.query(
      "SELECT 1 FROM records.record WHERE message_id = 'ONE' AND type = 'Observation'",
    );
    expect(rows).toHaveLength(1);
    expect(await told("m.control_id = 'ONE'")).toBeGreaterThan(1);
    expect(codeOf(await lab.send(result({ mrn: 'M-1', obx: [glucose('5.10')], id: 'ONE', order: 'O1' })))).toBe('AA');
  });

  it('takes frames wherever the network cuts them, several in one packet, each answered in its turn', async () => {
    const lab = await client();
    const ids = ['C1', 'C2', 'C3', 'C4'];
    const frames = Buffer.from(ids.map((id) => frame(admission({ mrn: 'M-2', id }))).join(''));
    lab.write(frames);
    for (const id of ids) expect(fieldsOf((await lab.next())!).MSA).toEqual(['MSA', 'AA', id]);
    const again = Buffer.from(frame(admission({ mrn: 'M-2', id: 'C5' })));
    for (const part of [
      again.subarray(0, 1),
      again.subarray(1, 9),
      again.subarray(9, -2),
      again.subarray(-2, -1),
      again.subarray(-1),
    ]) {
      lab.write(part);
      await new Promise((sent) => setImmediate(sent));
    }
    expect(fieldsOf((await lab.next())!).MSA).toEqual(['MSA', 'AA', 'C5']);
  });

  it('goes on after a message that it cannot take', async () => {
    const lab = await client();
    expect(codeOf(await lab.send(message(msh({ type: 'ADT^A31' }), 'PID|1||||No^Number')))).toBe('AE');
    expect(codeOf(await lab.send('no message at all'))).toBe('AR');
    expect(codeOf(await lab.send(message(msh({ type: 'VXU^V04' }), pid('M-1'))))).toBe('AR');
    expect(codeOf(await lab.send(message(msh({ type: 'ADT^A31' }), pid('M-1').replace('Fee', 'F\u0000e'))))).toBe('AR');
    expect(codeOf(await lab.send(admission({ mrn: 'M-1' })))).toBe('AA');
  });

  it('answers twice, once or not at all, as it is asked', async () => {
    const lab = await client();
    const asked = (conditions: string): string =>
      frame(message(msh({ type: 'ADT^A31', more: `|||${conditions}` }), pid('M-3')));
    lab.write(asked('AL|AL'));
    expect([codeOf(await lab.next()), codeOf(await lab.next())]).toEqual(['CA', 'AA']);
    lab.write(asked('NE|NE') + asked('NE|AL'));
    expect(codeOf(await lab.next())).toBe('AA');
  });

  it('refuses a sender on no list, or from elsewhere, and keeps nothing', async () => {
    const [before, refused] = [await chartState(portal), await refusals()];
    const lab = await client();
    expect(codeOf(await lab.send(admission({ mrn: 'M-4', facility: 'NOBODY' })))).toBe('AR');
    expect(codeOf(await lab.send(admission({ mrn: 'M-4', facility: 'FAR' })))).toBe('AR');
    expect(await chartState(portal)).toEqual(before);
    expect(await refusals()).toBe(refused + 2);
  });

  it('puts no segments of a text into anybody’s chart', async () => {
    const lab = await client();
    const text = `OBX|1|TX|T^Text||before\nPID|1||VICTIM^^^MAIN^MR||V^V\nOBR|1||X|Y\nOBX|1|NM|Z||1||||||F||||||F`;
    expect(codeOf(await lab.send(result({ mrn: 'M-5', obx: [text], order: 'INJ' })))).toMatch(/A[AE]/);
    expect(codeOf(await lab.send(result({ mrn: 'M-5', obx: [text.replaceAll('\n', '\r')], order: 'INJ2' })))).toBe(
      'AE',
    );
    const sourceId = sourceIdOf('Patient', 'MAIN', 'VICTIM');
    expect(await recordRow(portal, { source: SOURCE, type: 'Patient', sourceId })).toBeUndefined();
  });

  it.each(['GET / HTTP/1.1\r\n\r\n', 'MSH|^~\\&|', '\u0000'])(
    'closes a connection that sends %j in place of a frame',
    async (text) => {
      const stranger = await client();
      stranger.write(text);
      expect(await stranger.next()).toBeNull();
    },
  );

  it('closes a connection whose frame does not end, and keeps none of it', async () => {
    const flood = await client();
    flood.write('\u000bMSH|^~\\&|');
    const piece = Buffer.alloc(1024 * 1024, 'x');
    let sent = 0;
    // A gigabyte, were it taken.
    while (!flood.closed && sent < 1024) {
      sent++;
      if (!flood.socket.write(piece))
        await Promise.race([once(flood.socket, 'drain'), once(flood.socket, 'close')]).catch(() => undefined);
    }
    expect(await flood.next()).toBeNull();
    expect(sent).toBeLessThan(1024);
    expect(portal.app.get(MllpServer).load.bytes).toBe(0);
  });

  it('closes a connection that is too slow, or says nothing', async () => {
    const [slow, silent] = [await client(), await client()];
    slow.write('\u000bMSH|');
    expect(await slow.next()).toBeNull();
    expect(await silent.next()).toBeNull();
  });

  it('serves others while 500 slow connections of one address are tried', async () => {
    const slow: MllpClient[] = [];
    for (let n = 0; n < 500; n++) {
      const one = await client();
      one.write('\u000bM');
      slow.push(one);
    }
    const server = portal.app.get(MllpServer);
    expect(server.load.connections).toBeLessThanOrEqual(CONNECTIONS / 4);
    const lab = await client('127.0.0.2');
    expect(codeOf(await lab.send(admission({ mrn: 'M-6' })))).toBe('AA');
    for (const one of slow) await one.end();
  });

  it('asks for a message once more that it could not store, and then takes it', async () => {
    const lab = await client();
    const text = result({ mrn: 'M-9', obx: [glucose('9.90')], order: 'AWAY', id: 'AWAY' });
    await portal.owner.query('ALTER TABLE records.hl7_message RENAME TO away');
    const ack = await lab.send(text);
    expect(fieldsOf(ack!)).toMatchObject({ MSA: ['MSA', 'AR', 'AWAY'] });
    expect(fieldsOf(ack!).ERR![3]).toMatch(/^207\^/);
    await portal.owner.query('ALTER TABLE records.away RENAME TO hl7_message');
    const { rows } = await portal.owner.query("SELECT 1 FROM users.patient WHERE mrn = 'M-9'");
    expect(rows).toEqual([]);
    expect(codeOf(await lab.send(text))).toBe('AA');
  });

  it('is counted: connections, and messages by kind and acknowledgement, in no word of a sender’s', async () => {
    const scraped = async (): Promise<Map<string, number>> => {
      const answer = await fetch(`http://127.0.0.1:${portal.app.get(MetricsServer).port}/metrics`);
      const lines = (await answer.text()).split('\n').filter((line) => line.startsWith('portico_mllp_'));
      return new Map(lines.map((line) => [line.split(' ')[0]!, Number(line.split(' ')[1])]));
    };
    const before = await scraped();
    const lab = await client();
    expect(codeOf(await lab.send(admission({ mrn: 'M-10' })))).toBe('AA');
    expect(codeOf(await lab.send(message(msh({ type: 'ZZZ^SECRET' }), pid('M-10'))))).toBe('AR');
    expect(codeOf(await lab.send('no message at all'))).toBe('AR');
    const after = await scraped();
    const grown = (name: string): number => (after.get(name) ?? 0) - (before.get(name) ?? 0);
    expect(grown('portico_mllp_connections_total{result="accepted"}')).toBe(1);
    expect(after.get('portico_mllp_connections')).toBe(portal.app.get(MllpServer).load.connections);
    expect(grown('portico_mllp_messages_total{kind="other",code="AR"}')).toBe(2);
    const kinds = [...after.keys()].filter((name) => name.includes('ADT^') && name.includes('code="AA"'));
    expect(kinds.reduce((sum, name) => sum + grown(name), 0)).toBe(1);
    expect(after.get('portico_mllp_connections_total{result="refused"}')).toBeGreaterThan(400);
    expect([...after.keys()].join()).not.toMatch(/SECRET|M-10|LAB/);
  });

  it('refuses everything of a feed whose account was disabled', async () => {
    const { rows } = await portal.owner.query<{ id: string }>(
      'SELECT account_id AS id FROM users.feed WHERE source = $1',
      [SOURCE],
    );
    const lab = await client();
    expect(codeOf(await lab.send(admission({ mrn: 'M-7' })))).toBe('AA');
    await admin.post(`/v1/users/${rows[0]!.id}/disable`, { reason: 'A new interface.' }).expect(200);
    expect(codeOf(await lab.send(admission({ mrn: 'M-8' })))).toBe('AR');
    const late = await portal.owner.query("SELECT 1 FROM users.patient WHERE mrn = 'M-8'");
    expect(late.rows).toEqual([]);
  });
});

(hasOpenssl ? describe : describe.skip)('MLLP with TLS', () => {
  let own: Portal;
  let certificates: Certificates;
  let server: Certificate;
  const made = new Map<string, { cert: string; key: string }>();

  beforeAll(async () => {
    certificates = new Certificates();
    server = certificates.authority('server');
    const authority = certificates.authority('clients');
    for (const name of ['lab', 'thief']) made.set(name, certificates.signed(name, 'clients'));
    certificates.authority('strangers');
    made.set('stranger', certificates.signed('stranger', 'strangers'));
    const print = createHash('sha256')
      .update(new X509Certificate(made.get('lab')!.cert).raw)
      .digest('hex');
    own = await startPortal({
      env: {
        HL7_FEEDS_FILE: feedsFile({ source: SOURCE, more: { certificates: [print] } }),
        ...{ MLLP_PORT: '0', MLLP_TLS: 'mutual', TLS_CERT_FILE: server.certFile, TLS_KEY_FILE: server.keyFile },
        TLS_CLIENT_CA_FILE: authority.certFile,
      },
    });
  });

  afterAll(() => own.close());

  async function connected(name?: string): Promise<MllpClient> {
    const { cert, key } = made.get(name ?? '') ?? {};
    const socket = connectTls({
      port: own.app.get(MllpServer).port!,
      host: '127.0.0.1',
      rejectUnauthorized: false,
      cert,
      key,
    });
    const one = new MllpClient(socket);
    await Promise.race([once(socket, 'secureConnect'), once(socket, 'close')]).catch(() => undefined);
    return one;
  }

  it('listens to the feed that shows its own certificate, and to nobody else', async () => {
    const lab = await connected('lab');
    // Nobody speaks for the feed here yet; what matters is that its message is looked at.
    expect(fieldsOf((await lab.send(admission({ mrn: 'T-1' })))!).ERR![8]).toContain('Nobody may speak');
    for (const name of ['thief', 'stranger', undefined]) {
      const other = await connected(name);
      expect(await other.send(admission({ mrn: 'T-2' }))).toBeNull();
    }
    await lab.end();
  });

  it('shows a new certificate once it was read again, keeps connections, and half a pair changes nothing', async () => {
    const nameOf = ({ socket }: MllpClient): unknown => (socket as TLSSocket).getPeerCertificate().subject.CN;
    const next = certificates.authority('next');
    const before = await connected('lab');
    expect(nameOf(before)).toBe('server');
    copyFileSync(next.certFile, server.certFile);
    expect(() => reloadTls(own.app, own.config)).toThrow();
    const half = await connected('lab');
    expect(nameOf(half)).toBe('server');
    copyFileSync(next.keyFile, server.keyFile);
    reloadTls(own.app, own.config);
    const after = await connected('lab');
    expect(nameOf(after)).toBe('next');
    for (const lab of [before, half, after]) {
      expect(codeOf(await lab.send(admission({ mrn: 'T-3' })))).toBe('AR');
      await lab.end();
    }
    // Whose certificates count is as it was.
    expect(await (await connected('stranger')).send(admission({ mrn: 'T-4' }))).toBeNull();
  });
});
