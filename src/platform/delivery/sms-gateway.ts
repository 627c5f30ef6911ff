import { createHmac } from 'node:crypto';
import type { Config } from '../config/config.js';
import type { Sms } from './delivery.js';

const TIMEOUT_MS = 10_000;

/** What the gateway checks: HMAC-SHA-256 over the time and the exact body, so that nobody else sends in our name or sends one again. */
export const signatureOf = (secret: string, timestamp: string, body: string): string =>
  `v1=${createHmac('sha256', secret).update(`${timestamp}.${body}`).digest('hex')}`;

/**
 * Hands a text message to the hospital's gateway: POST of `{to, text}` over HTTPS with `X-Portico-Timestamp` (seconds since
 * 1970) and `X-Portico-Signature`. Rejects on any answer but 2xx; redirects are not followed.
 */
export class SmsGateway {
  constructor(private readonly settings: Config['sms']) {}

  async send(sms: Sms): Promise<void> {
    const body = JSON.stringify(sms);
    const timestamp = String(Math.floor(Date.now() / 1000));
    const answer = await fetch(this.settings.webhookUrl, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        'x-portico-timestamp': timestamp,
        'x-portico-signature': signatureOf(this.settings.webhookSecret, timestamp, body),
      },
      body,
      redirect: 'error',
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    await answer.body?.cancel();
    if (!answer.ok) throw new Error(`the gateway answered ${answer.status}`);
  }
}
