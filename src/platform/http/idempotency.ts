import { Injectable } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { SignedIn } from '../access/context.js';
import type { Touch, Trail } from '../access/trail.js';
import { after } from '../clock.js';
import { hmac, KeyRing } from '../crypto/index.js';
import { Vault } from '../database/vault.js';
import { Problem } from './problem.js';

/** The first answer. It may hold personal data, so it lies sealed under the account's key. */
interface Kept {
  status: number;
  headers: Record<string, string>;
  body: string;
  touches: Touch[];
}

const KEPT_SECONDS = 24 * 3_600;
/** Old keys that one new key clears away: more than come in, so that the table does not grow. */
const FORGET = 20;
const FORM = /^[\x21-\x7e]{1,255}$/;
const HEADERS = ['content-type', 'etag', 'location'];
/** SQLSTATE of a wait that took longer than lock_timeout. */
const LOCK_TIMEOUT = '55P03';
const MAC_HEAD = 'portico/idempotency/1\0';

const malformed = (): Problem =>
  new Problem(400, 'http.idempotency-key', 'Send one Idempotency-Key of 1 to 255 visible characters, such as a UUID.');
const reused = (): Problem =>
  new Problem(
    422,
    'http.idempotency-key-reused',
    'This Idempotency-Key came with another request before. Take a new key for a new request.',
  );
const inProgress = (): Problem =>
  new Problem(
    409,
    'http.idempotency-in-progress',
    'The first request with this key is still at work. Try again shortly.',
    {
      retryAfterSeconds: 2,
    },
  );

const placeOf = (accountId: string, key: string) => ({
  table: 'platform.idempotency',
  row: `${accountId}/${key}`,
  column: 'response',
});

/**
 * Makes a write that creates safe to send again: with the same Idempotency-Key the same account gets the first answer, and
 * nothing is done twice. The key stands in the write's own transaction, so a request that failed leaves its key free.
 */
@Injectable()
export class Idempotency {
  constructor(
    private readonly vault: Vault,
    private readonly ring: KeyRing,
  ) {}

  /** Does the work, or answers what it answered the first time. Belongs into the write's transaction, before all else in it. */
  async once(
    trail: Trail,
    request: FastifyRequest,
    reply: FastifyReply,
    work: () => Promise<unknown>,
  ): Promise<unknown> {
    const { ctx, endpoint } = trail;
    const key = request.headers['idempotency-key'];
    if (key === undefined || !endpoint?.creates || endpoint.consumes || !ctx?.actor) return work();
    if (typeof key !== 'string' || !FORM.test(key)) throw malformed();
    const mine = ctx as SignedIn;
    const first = await this.claim(mine, key, request);
    if (first === null) {
      const body = await work();
      await this.keep(mine, key, reply, {
        body: ((body ?? '') as string | Buffer).toString(),
        touches: [...trail.touches],
      });
      return body;
    }
    for (const touch of first.touches) ctx.touch(touch);
    trail.code = 'http.replayed';
    void reply.status(first.status).headers({ ...first.headers, 'idempotency-replayed': 'true' });
    return first.body === '' ? undefined : first.body;
  }

  /** Takes the key: null when it was free. The unique constraint decides a race; who loses it waits for the other's commit. */
  private async claim(ctx: SignedIn, key: string, request: FastifyRequest): Promise<Kept | null> {
    const { method, routeOptions, params, query, body } = request;
    const said = JSON.stringify([method, routeOptions.url, params, query, body]);
    const macs = this.ring.subkeys('http/idempotency').map((subkey) => hmac(subkey, MAC_HEAD, said));
    const taken = await ctx.db
      .query(
        `INSERT INTO platform.idempotency AS i (account_id, key, request_mac, created_at) VALUES ($1, $2, $3, $4)
         ON CONFLICT (account_id, key) DO UPDATE SET request_mac = $3, response = NULL, created_at = $4 WHERE i.created_at <= $5
         RETURNING 1`,
        [ctx.actor.id, key, macs[0], ctx.now, after(ctx.now, -KEPT_SECONDS)],
      )
      .catch((error: unknown) => {
        throw (error as { code?: unknown }).code === LOCK_TIMEOUT ? inProgress() : error;
      });
    if (taken.length > 0) {
      await ctx.db.query('SELECT platform.forget_idempotency($1)', [FORGET]);
      return null;
    }
    const [row] = await ctx.db.query<{ request_mac: Buffer; response: Buffer }>(
      'SELECT request_mac, response FROM platform.idempotency WHERE account_id = $1 AND key = $2',
      [ctx.actor.id, key],
    );
    // Somebody else's new key has just cleared it away.
    if (!row) throw inProgress();
    if (!macs.some((mac) => mac.equals(row.request_mac))) throw reused();
    return JSON.parse((await this.vault.open(ctx, placeOf(ctx.actor.id, key), row.response)).toString()) as Kept;
  }

  private async keep(
    ctx: SignedIn,
    key: string,
    reply: FastifyReply,
    answer: Pick<Kept, 'body' | 'touches'>,
  ): Promise<void> {
    const headers = Object.fromEntries(
      HEADERS.filter((name) => reply.hasHeader(name)).map((name) => [name, String(reply.getHeader(name))]),
    );
    const { id } = ctx.actor;
    const text = JSON.stringify({ status: reply.statusCode, headers, ...answer } satisfies Kept);
    const sealed = await this.vault.seal(ctx, `account:${id}`, placeOf(id, key), text);
    await ctx.db.query('UPDATE platform.idempotency SET response = $3 WHERE account_id = $1 AND key = $2', [
      id,
      key,
      sealed,
    ]);
  }
}
