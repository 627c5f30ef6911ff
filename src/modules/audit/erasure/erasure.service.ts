import { Injectable } from '@nestjs/common';
import type { SignedIn } from '../../../platform/access/context.js';
import { newId } from '../../../platform/ids.js';
import { Problem } from '../../../platform/http/problem.js';
import { AuditorPool } from '../tree/auditor-pool.js';
import type { CreateErasure, ErasureView } from './erasure.dto.js';

const everything = (): Problem =>
  new Problem(422, 'audit.erasure-of-everything', 'Name an account, or a time before which all is erased.');

/**
 * Erases what the trail holds of a person beyond pseudonymous ids: where they came from, and with what. Leaves hold salted
 * digests of it (RFC 9901 §4.2), so that every proof that was given out goes on to verify.
 */
@Injectable()
export class Erasures {
  constructor(private readonly pool: AuditorPool) {}

  async create(ctx: SignedIn, input: CreateErasure): Promise<ErasureView> {
    const { accountId = null, before = null, reason } = input;
    if (accountId === null && before === null) throw everything();
    const id = newId();
    const [row] = await this.pool.query<{ erased: number }>('SELECT audit.erase($1, $2, $3, $4, $5, $6) AS erased', [
      id,
      accountId,
      before,
      reason,
      ctx.actor.id,
      ctx.now,
    ]);
    ctx.touch({ patientId: null, type: 'AuditErasure', id });
    if (accountId !== null) ctx.touch({ patientId: null, type: 'Account', id: accountId });
    return { id, accountId, before: before && new Date(before).toISOString(), erased: row!.erased };
  }
}
