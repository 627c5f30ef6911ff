import { Injectable } from '@nestjs/common';
import { authorize, type SignedIn } from '../../../platform/access/context.js';
import { accessible, Params } from '../../../platform/database/accessible.js';
import { Cursors, limitOf } from '../../../platform/http/cursors.js';
import { staleVersion } from '../../../platform/http/if-match.js';
import type { Page } from '../../../platform/http/presenter.js';
import { notFound } from '../../../platform/http/problem.js';
import { FactorChanges } from './factor-changes.service.js';
import type { PasskeyQuery, PasskeyView } from './passkey.dto.js';

const COLUMNS = { columns: { accountId: 'account_id' } };
const VIEW = `passkey_id AS id, name, created_at AS "createdAt", last_used_at AS "lastUsedAt", is_backed_up AS synced, aaguid, version`;

/** Passkeys as their holder has them: listed, named, removed. Somebody else's do not exist. */
@Injectable()
export class Passkeys {
  constructor(
    private readonly changes: FactorChanges,
    private readonly cursors: Cursors,
  ) {}

  async list(ctx: SignedIn, query: PasskeyQuery): Promise<Page<PasskeyView>> {
    const params = new Params();
    const mine = accessible(ctx, 'list', 'SecondFactor', COLUMNS, params);
    const last = this.cursors.open<[string]>(ctx, 'passkeys', query);
    const from = last ? `AND passkey_id > ${params.add(last[0])}` : '';
    const rows = await ctx.db.query<PasskeyView>(
      `SELECT ${VIEW} FROM auth.passkey WHERE account_id = ${params.add(ctx.actor.id)} AND ${mine} ${from}
        ORDER BY passkey_id LIMIT ${params.add(limitOf(query) + 1)}`,
      params.values,
    );
    return this.cursors.page(
      ctx,
      'passkeys',
      query,
      rows,
      (row) => [row.id],
      (row) => row,
    );
  }

  async get(ctx: SignedIn, id: string): Promise<PasskeyView> {
    const { accountId, ...passkey } = await this.find(ctx, id);
    authorize(ctx, 'read', 'SecondFactor', { accountId });
    return passkey;
  }

  async rename(ctx: SignedIn, id: string, version: number, name: string): Promise<PasskeyView> {
    authorize(ctx, 'update', 'SecondFactor', await this.find(ctx, id));
    const [passkey] = await ctx.db.query<PasskeyView>(
      `UPDATE auth.passkey SET name = $3, version = version + 1 WHERE passkey_id = $1 AND version = $2 RETURNING ${VIEW}`,
      [id, version, name],
    );
    if (!passkey) throw staleVersion();
    ctx.touch({ patientId: null, type: 'SecondFactor', id, version: passkey.version, previousVersion: version });
    return passkey;
  }

  async remove(ctx: SignedIn, id: string): Promise<void> {
    authorize(ctx, 'delete', 'SecondFactor', await this.find(ctx, id));
    const wasThere = await this.changes.remove(ctx, 'a passkey', async () => {
      const gone = await ctx.db.query('DELETE FROM auth.passkey WHERE passkey_id = $1 RETURNING 1', [id]);
      return gone.length > 0;
    });
    if (!wasThere) throw notFound();
  }

  private async find(ctx: SignedIn, id: string): Promise<PasskeyView & { accountId: string }> {
    const [passkey] = await ctx.db.query<PasskeyView & { accountId: string }>(
      `SELECT account_id AS "accountId", ${VIEW} FROM auth.passkey WHERE passkey_id = $1`,
      [id],
    );
    if (!passkey) throw notFound();
    return passkey;
  }
}
