import { Injectable } from '@nestjs/common';
import type { SignedIn } from '../../platform/access/context.js';
import { accessible, Params } from '../../platform/database/accessible.js';
import { limitOf } from '../../platform/http/cursors.js';
import type { PractitionerQuery, PractitionerView } from './practitioner.dto.js';

const SELECT = `SELECT pr.practitioner_id AS id, pr.account_id AS "accountId", pr.family, pr.given, pr.npi, pr.specialty, pr.version,
  pr.created_at AS "createdAt", pr.updated_at AS "updatedAt"`;
const NAME = `lower(pr.family) COLLATE "C"`;

/** `accountId` stays inside the module: who treats is known to patients, who signs in how is not. */
export type PractitionerRow = PractitionerView & { accountId: string | null };

@Injectable()
export class PractitionerRepository {
  list(
    ctx: SignedIn,
    query: PractitionerQuery,
    after: readonly [string, string] | null,
  ): Promise<(PractitionerRow & { sortKey: string })[]> {
    const params = new Params();
    const where = [accessible(ctx, 'list', 'Practitioner', { columns: { id: 'pr.practitioner_id' } }, params)];
    if (query.text) where.push(`starts_with(${NAME}, lower(${params.add(query.text)}))`);
    if (after) where.push(`(${NAME}, pr.practitioner_id) > (${params.add(after[0])}, ${params.add(after[1])}::uuid)`);
    return ctx.db.query(
      `${SELECT}, ${NAME} AS "sortKey" FROM users.practitioner pr WHERE ${where.join(' AND ')}
        ORDER BY ${NAME}, pr.practitioner_id LIMIT ${params.add(limitOf(query) + 1)}`,
      params.values,
    );
  }

  async find(ctx: SignedIn, id: string): Promise<PractitionerRow | null> {
    const params = new Params();
    const seen = accessible(ctx, 'read', 'Practitioner', { columns: { id: 'pr.practitioner_id' } }, params);
    const rows = await ctx.db.query<PractitionerRow>(
      `${SELECT} FROM users.practitioner pr WHERE pr.practitioner_id = ${params.add(id)} AND ${seen}`,
      params.values,
    );
    return rows[0] ?? null;
  }
}
