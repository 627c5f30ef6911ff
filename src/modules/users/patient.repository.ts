import { Injectable } from '@nestjs/common';
import type { SignedIn } from '../../platform/access/context.js';
import { accessible, Params } from '../../platform/database/accessible.js';
import { limitOf } from '../../platform/http/cursors.js';
import type { PatientQuery, PatientView } from './patient.dto.js';

const SELECT = `SELECT p.patient_id AS id, p.mrn, p.mrn_system AS "mrnSystem", p.family, p.given, p.birth_date AS "birthDate", p.sex, p.email,
  p.account_id IS NOT NULL AS "hasAccount", p.version, p.created_at AS "createdAt", p.updated_at AS "updatedAt"`;
const NAME = `lower(p.family) COLLATE "C"`;

/** Demographics as the actor may see them; the row policies of the table decide once more. */
@Injectable()
export class PatientRepository {
  list(
    ctx: SignedIn,
    query: PatientQuery,
    after: readonly [string, string] | null,
  ): Promise<(PatientView & { sortKey: string })[]> {
    const params = new Params();
    const where = [accessible(ctx, 'list', 'Patient', { columns: { id: 'p.patient_id' } }, params)];
    if (query.text) where.push(`starts_with(${NAME}, lower(${params.add(query.text)}))`);
    if (query.mrn) where.push(`p.mrn = ${params.add(query.mrn)}`);
    if (after) where.push(`(${NAME}, p.patient_id) > (${params.add(after[0])}, ${params.add(after[1])}::uuid)`);
    return ctx.db.query(
      `${SELECT}, ${NAME} AS "sortKey" FROM users.patient p WHERE ${where.join(' AND ')}
        ORDER BY ${NAME}, p.patient_id LIMIT ${params.add(limitOf(query) + 1)}`,
      params.values,
    );
  }

  async find(ctx: SignedIn, id: string): Promise<PatientView | null> {
    const params = new Params();
    const seen = accessible(ctx, 'read', 'Patient', { columns: { id: 'p.patient_id' }, known: { id } }, params);
    const rows = await ctx.db.query<PatientView>(
      `${SELECT} FROM users.patient p WHERE p.patient_id = ${params.add(id)} AND ${seen}`,
      params.values,
    );
    return rows[0] ?? null;
  }
}
