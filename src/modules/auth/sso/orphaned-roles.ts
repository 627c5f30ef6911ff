import { Inject, Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { AuditSink } from '../../../platform/access/audit-sink.js';
import { ctxOfNobody } from '../../../platform/access/operator.js';
import { Clock } from '../../../platform/clock.js';
import { CONFIG, type Config } from '../../../platform/config/config.js';
import { Database } from '../../../platform/database/database.js';
import type { Db } from '../../../platform/database/db.js';
import { Events } from '../../../platform/events/events.js';
import { Logger } from '../../../platform/logging/logger.js';
import { FederatedAccounts, type SourceRole } from '../../users/index.js';

/** Rows of one transaction: each has triggers, and a statement may take five seconds. */
const AT_A_TIME = 500;
const REASON = 'auth.sso-role-orphaned';

/**
 * Roles that a provider has given and gives no more since the configuration changed: it is gone, or its map is another. Its
 * people may never come back through it, so nobody would take them away; they end when the portal starts.
 */
@Injectable()
export class OrphanedRoles implements OnApplicationBootstrap {
  constructor(
    private readonly database: Database,
    private readonly accounts: FederatedAccounts,
    private readonly events: Events,
    private readonly sink: AuditSink,
    private readonly clock: Clock,
    private readonly logger: Logger,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  async onApplicationBootstrap(): Promise<void> {
    const given: SourceRole[] = this.config.sso.providers.flatMap(({ id, roleMap }) =>
      Object.values(roleMap).map((role) => ({ source: id, role })),
    );
    const accountIds = await this.database.write(null, (db) => this.accounts.withOrphanedRoles(db, given));
    for (let at = 0; at < accountIds.length; at += AT_A_TIME) {
      const afterCommit: (() => void)[] = [];
      const batch = accountIds.slice(at, at + AT_A_TIME);
      await this.database.write(null, (db) => this.revoke(db, batch, given, afterCommit));
      for (const action of afterCommit) action();
    }
  }

  private async revoke(
    db: Db,
    accountIds: readonly string[],
    given: readonly SourceRole[],
    afterCommit: (() => void)[],
  ): Promise<void> {
    const ctx = ctxOfNobody(db, this.clock.now(), this.events, afterCommit);
    const { changed, isLastAdminLeft } = await this.accounts.revokeOrphanedRoles(ctx, accountIds, given);
    for (const { id: accountId, roles } of changed)
      await this.sink.system(db, {
        code: 'Account.revoke',
        act: 'U',
        accountId,
        sessionId: null,
        reason: REASON,
        at: ctx.now,
        detail: { before: roles, after: [] },
      });
    const fields = { component: 'sso', reason: REASON };
    if (changed.length > 0)
      this.logger.info('roles of providers that give them no more', { ...fields, count: changed.length });
    if (isLastAdminLeft)
      this.logger.warn(
        'the last administrators have their role of a provider that gives it no more: grant it by hand',
        fields,
      );
  }
}
