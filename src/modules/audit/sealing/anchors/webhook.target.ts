import type { Clock } from '../../../../platform/clock.js';
import { signatureOf } from '../../../../platform/delivery/sms-gateway.js';
import type { SignedRow } from '../checkpoints.repository.js';
import { AnchorFailure, type AnchorTarget, type Cosignature } from './target.js';

/** Posts each checkpoint to an address of the hospital's, signed as text messages are: `X-Portico-Timestamp`, `X-Portico-Signature`. */
export class WebhookTarget implements AnchorTarget {
  readonly name = 'webhook';

  constructor(
    private readonly settings: { readonly url: string; readonly secret: string },
    private readonly clock: Clock,
  ) {}

  async push(
    { origin, size, root, note, signedAt }: SignedRow,
    _lastSize: number,
    signal: AbortSignal,
  ): Promise<Cosignature[]> {
    const body = JSON.stringify({
      origin,
      size,
      root: root.toString('base64'),
      note,
      signedAt: signedAt.toISOString(),
    });
    const timestamp = String(Math.floor(this.clock.now().getTime() / 1000));
    const answer = await fetch(this.settings.url, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        'x-portico-timestamp': timestamp,
        'x-portico-signature': signatureOf(this.settings.secret, timestamp, body),
      },
      body,
      redirect: 'error',
      signal,
    });
    await answer.body?.cancel();
    if (!answer.ok) throw new AnchorFailure('audit.anchor-failed', `the webhook answered ${answer.status}`);
    return [];
  }
}
