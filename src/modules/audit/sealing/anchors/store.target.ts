import { readFile } from 'node:fs/promises';
import type { SignedRow } from '../checkpoints.repository.js';
import { requireSameCheckpoint } from './same-checkpoint.js';
import { AnchorFailure, anchorPath, textOf, type AnchorTarget, type Cosignature } from './target.js';

const IS_THERE = [409, 412];

/**
 * An object store, by plain HTTP: PUT with `If-None-Match: *` (RFC 9110 §13.1.2), so that nothing is written twice even where
 * the store would allow it. The token is read from its file at each use: it may be exchanged while the portal runs.
 */
export class StoreTarget implements AnchorTarget {
  readonly name = 'store';

  constructor(private readonly settings: { readonly url: string; readonly tokenFile: string | null }) {}

  async push(checkpoint: SignedRow, _lastSize: number, signal: AbortSignal): Promise<Cosignature[]> {
    const { folder, file } = anchorPath(checkpoint);
    const url = `${this.settings.url}/${folder}/${file}`;
    const answer = await this.ask(url, {
      method: 'PUT',
      headers: { 'content-type': 'text/plain; charset=utf-8', 'if-none-match': '*' },
      body: checkpoint.note,
      signal,
    });
    await answer.body?.cancel();
    if (answer.ok) return [];
    if (!IS_THERE.includes(answer.status))
      throw new AnchorFailure('audit.anchor-failed', `the store answered ${answer.status}`);
    await this.compare(url, checkpoint, signal);
    return [];
  }

  /** Credentials that may only write are the better ones: what they may not read is taken for what we have written. */
  private async compare(url: string, checkpoint: SignedRow, signal: AbortSignal): Promise<void> {
    const answer = await this.ask(url, { method: 'GET', headers: {}, signal });
    if (answer.ok) requireSameCheckpoint(checkpoint, await textOf(answer));
    else await answer.body?.cancel();
    if (answer.status === 404 || answer.status >= 500)
      throw new AnchorFailure('audit.anchor-failed', `the store answered ${answer.status}`);
  }

  private async ask(url: string, init: RequestInit & { headers: Record<string, string> }): Promise<Response> {
    const token = this.settings.tokenFile === null ? '' : (await readFile(this.settings.tokenFile, 'utf8')).trim();
    return fetch(url, {
      ...init,
      headers: { ...init.headers, ...(token === '' ? {} : { authorization: `Bearer ${token}` }) },
      redirect: 'error',
    });
  }
}
