import { Injectable } from '@nestjs/common';
import type { SignedIn } from '../../platform/access/context.js';
import type { RuleSetView, SensitivityRule } from './sensitivity.dto.js';

const COLUMNS = `version, account_id AS "madeBy", made_at AS "madeAt", reason, relabelled_at IS NOT NULL AS "isApplied"`;

@Injectable()
export class SensitivityRepository {
  /** Newest first, below `before`. */
  list({ db }: SignedIn, before: number | null, limit: number): Promise<RuleSetView[]> {
    return db.query<RuleSetView>(
      `SELECT ${COLUMNS} FROM records.sensitivity_rule_set WHERE $1::integer IS NULL OR version < $1 ORDER BY version DESC LIMIT $2`,
      [before, limit],
    );
  }

  async rules({ db }: SignedIn, version: number): Promise<SensitivityRule[]> {
    const rows = await db.query<{ label: string; code: string | null; department: string | null }>(
      'SELECT label, code, department FROM records.sensitivity_rule WHERE version = $1 ORDER BY ordinal',
      [version],
    );
    return rows.map(({ label, code, department }) => ({
      label,
      ...(code === null ? {} : { code }),
      ...(department === null ? {} : { department }),
    }));
  }

  /** False when somebody else has made this version meanwhile. */
  async make(
    { db, actor, now }: SignedIn,
    version: number,
    reason: string,
    rules: readonly SensitivityRule[],
  ): Promise<boolean> {
    const made = await db.query(
      `INSERT INTO records.sensitivity_rule_set (version, account_id, reason, made_at) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING RETURNING 1`,
      [version, actor.id, reason, now],
    );
    if (made.length === 0) return false;
    await db.query(
      `INSERT INTO records.sensitivity_rule (version, ordinal, label, code, department)
       SELECT $1, x.ordinal, x.label, x.code, x.department FROM jsonb_to_recordset($2::jsonb) AS x(ordinal integer, label text, code text, department text)`,
      [version, JSON.stringify(rules.map((rule, ordinal) => ({ ordinal, ...rule })))],
    );
    return true;
  }
}
