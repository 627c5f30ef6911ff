import { Inject, Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { newId } from '../../../platform/ids.js';
import { AuditSink } from '../../../platform/access/audit-sink.js';
import type { Ctx } from '../../../platform/access/context.js';
import { ctxOfNobody } from '../../../platform/access/operator.js';
import type { Touch } from '../../../platform/access/trail.js';
import type { Role } from '../../../platform/access/vocabulary.js';
import { Clock } from '../../../platform/clock.js';
import { CONFIG, type Config } from '../../../platform/config/config.js';
import { Database } from '../../../platform/database/database.js';
import type { Db } from '../../../platform/database/db.js';
import { Events } from '../../../platform/events/events.js';
import { AccountRepository } from '../account.repository.js';
import { checkGrant } from '../account.rules.js';
import { tidy } from '../names.js';
import { checkTogether } from '../role.rules.js';
import { lastAdmin } from '../users.errors.js';
import { RolesOfManyChanged } from '../users.events.js';

type Work = Pick<Ctx, 'db' | 'now' | 'emit' | 'touch'>;

/** The form in which names of groups are compared. */
export const groupKey = (name: string): string => tidy(name).toLowerCase();

/** What to bring in order, and by which group it came. */
interface Settling {
  directoryId: string;
  accountIds: readonly string[];
  /** Only these roles are looked at: what an administrator has decided about others stays. */
  roles: readonly Role[];
  /** Name of the group; null: the person was removed. */
  group: string | null;
}

interface Standing {
  id: string;
  displayName: string;
  familyName: string | null;
  givenName: string | null;
  title: string | null;
  practitionerId: string | null;
  /** Held now or later, by whosever hand. */
  held: Role[];
  /** Of these, what this directory gave. */
  given: Role[];
  /** What the groups of today give. */
  due: Role[];
}

interface RoleOf {
  accountId: string;
  role: Role;
}

const REMOVED = 'Removed by the directory.';
/** Rows of one statement: each has triggers, and a statement may take five seconds. */
const AT_A_TIME = 500;

function* batches<T>(all: readonly T[]): Generator<readonly T[]> {
  for (let at = 0; at < all.length; at += AT_A_TIME) yield all.slice(at, at + AT_A_TIME);
}
const NOT_STATED = 'Not stated';
const reasonOf = (group: string | null): string => (group === null ? REMOVED : `Directory group ${group}`);
const isSame = (one: readonly Role[], other: readonly Role[]): boolean =>
  [...one].sort().join() === [...other].sort().join();

/**
 * Roles that come by groups of the directory. They are given and taken under the same rules as an administrator's
 * (separation of duties, a last administrator, an entry for clinicians), in statements for hundreds of people each. What somebody else has given, no group takes away.
 */
@Injectable()
export class ScimGroupRoles implements OnApplicationBootstrap {
  private readonly byGroup = new Map<string, Role[]>();

  constructor(
    private readonly accounts: AccountRepository,
    private readonly database: Database,
    private readonly events: Events,
    private readonly sink: AuditSink,
    private readonly clock: Clock,
    @Inject(CONFIG) config: Config,
  ) {
    for (const [group, role] of config.scim.groupRoles) {
      const roles = new Set(this.byGroup.get(groupKey(group))).add(role);
      this.byGroup.set(groupKey(group), [...roles].sort());
    }
  }

  /** What a group of this name gives, by configuration. */
  rolesOf(name: string): Role[] {
    return this.byGroup.get(groupKey(name)) ?? [];
  }

  /** Locks, before everything else, what taking a role away may need. Accounts always in the same order. */
  async lock(
    ctx: Pick<Ctx, 'db' | 'now'>,
    directoryId: string,
    accountIds: readonly string[],
    roles: readonly Role[],
  ): Promise<void> {
    if (roles.includes('admin')) await this.accounts.lockAdmins(ctx);
    await ctx.db.query(
      `SELECT 1 FROM users.account a WHERE a.account_id IN (
         SELECT d.account_id FROM users.directory_account d WHERE d.directory_id = $1 AND d.account_id = ANY($2))
        ORDER BY a.account_id FOR NO KEY UPDATE`,
      [directoryId, accountIds],
    );
  }

  /**
   * Gives these accounts what their groups give them by now, and takes what no group gives any more. Resolves with whose
   * roles have changed. The caller holds {@link lock}. Throws users.roles-apart, users.last-admin.
   */
  async settle(ctx: Work, settling: Settling): Promise<string[]> {
    const { accountIds, roles } = settling;
    if (accountIds.length === 0 || roles.length === 0) return [];
    const standing = await this.standing(ctx, settling);
    const changes: Touch[] = [];
    const grants: (RoleOf & Standing)[] = [];
    const losses: RoleOf[] = [];
    for (const one of standing) {
      const gained = roles.filter((role) => one.due.includes(role) && !one.held.includes(role));
      const lost = roles.filter((role) => one.given.includes(role) && !one.due.includes(role));
      const left = one.held.filter((role) => !lost.includes(role));
      if (gained.length > 0) checkTogether([...left, ...gained]);
      for (const role of gained) {
        checkGrant({ source: null, practitionerId: one.practitionerId ?? 'to be made', roles: left }, role);
        grants.push({ ...one, accountId: one.id, role });
      }
      losses.push(...lost.map((role) => ({ accountId: one.id, role })));
      if (gained.length + lost.length > 0)
        changes.push({
          ...{ patientId: null, type: 'Account', id: one.id },
          ...{ before: [...one.held].sort(), after: [...left, ...gained].sort() },
        });
    }
    await this.leaveAnAdmin(ctx, losses);
    for (const batch of batches(losses)) await this.revoke(ctx, settling, batch);
    for (const batch of batches(grants)) {
      await this.openPractice(ctx, batch);
      await this.grant(ctx, settling, batch);
    }
    for (const change of changes) ctx.touch(change);
    const changed = changes.map(({ id }) => id);
    if (changed.length > 0) await ctx.emit(new RolesOfManyChanged(changed));
    return changed;
  }

  /** A new version of each account, so that an ETag of before is stale. */
  async renew(ctx: Pick<Ctx, 'db' | 'now'>, accountIds: readonly string[]): Promise<void> {
    for (const batch of batches(accountIds)) {
      await ctx.db.query('UPDATE users.account SET version = version + 1, updated_at = $2 WHERE account_id = ANY($1)', [
        batch,
        ctx.now,
      ]);
    }
  }

  /** The configuration may have changed while the portal was down: what groups no longer give ends now, not at their next change. */
  async onApplicationBootstrap(): Promise<void> {
    const directories = await this.database.write(null, (db) =>
      db.query<{ id: string }>(`SELECT DISTINCT account_id AS id FROM users.account_role WHERE role = 'directory'`),
    );
    for (const { id } of directories) {
      const afterCommit: (() => void)[] = [];
      await this.database.write(id, (db) => this.applyConfiguration(db, id, afterCommit));
      for (const action of afterCommit) action();
    }
  }

  private async applyConfiguration(db: Db, directoryId: string, afterCommit: (() => void)[]): Promise<void> {
    const ctx = ctxOfNobody(db, this.clock.now(), this.events, afterCommit);
    const groups = await db.query<{ id: string; name: string; roles: Role[] }>(
      `SELECT group_id AS id, display_name AS name, roles FROM users.scim_group WHERE directory_id = $1 ORDER BY group_id FOR UPDATE`,
      [directoryId],
    );
    for (const { id, name, roles: before } of groups) {
      const after = this.rolesOf(name);
      if (isSame(before, after)) continue;
      const roles = [...new Set([...before, ...after])];
      const accountIds = await this.membersOf(db, id);
      await this.lock(ctx, directoryId, accountIds, roles);
      await db.query('UPDATE users.scim_group SET roles = $2 WHERE group_id = $1', [id, after]);
      await this.renew(ctx, await this.settle(ctx, { directoryId, accountIds, roles, group: name }));
      await this.sink.system(db, {
        code: 'ScimGroup.update',
        act: 'U',
        accountId: directoryId,
        sessionId: null,
        reason: 'scim.group-roles-configured',
        at: ctx.now,
        detail: { group: id, before, after },
      });
    }
  }

  async membersOf(db: Pick<Db, 'query'>, groupId: string): Promise<string[]> {
    const rows = await db.query<{ id: string }>(
      'SELECT account_id AS id FROM users.scim_group_member WHERE group_id = $1 ORDER BY account_id',
      [groupId],
    );
    return rows.map((row) => row.id);
  }

  private standing({ db, now }: Work, { directoryId, accountIds }: Settling): Promise<Standing[]> {
    const stands = `r.account_id = d.account_id AND r.revoked_at IS NULL AND (r.ends_at IS NULL OR r.ends_at > $3)`;
    return db.query<Standing>(
      `SELECT d.account_id AS id, a.display_name AS "displayName", d.family_name AS "familyName", d.given_name AS "givenName", d.title,
              (SELECT pr.practitioner_id FROM users.practitioner pr WHERE pr.account_id = d.account_id) AS "practitionerId",
              ARRAY(SELECT DISTINCT r.role FROM users.account_role r WHERE ${stands}) AS held,
              ARRAY(SELECT DISTINCT r.role FROM users.account_role r WHERE ${stands} AND r.granted_via = 'directory' AND r.granted_by = $1) AS given,
              ARRAY(SELECT DISTINCT unnest(g.roles) FROM users.scim_group_member m JOIN users.scim_group g ON g.group_id = m.group_id
                     WHERE m.account_id = d.account_id) AS due
         FROM users.directory_account d JOIN users.account a ON a.account_id = d.account_id
        WHERE d.directory_id = $1 AND d.account_id = ANY($2) ORDER BY d.account_id`,
      [directoryId, accountIds, now],
    );
  }

  private async leaveAnAdmin(ctx: Work, losses: readonly RoleOf[]): Promise<void> {
    const exAdmins = losses.filter((one) => one.role === 'admin').map((one) => one.accountId);
    if (exAdmins.length === 0) return;
    const admins = await this.accounts.lockAdmins(ctx);
    if (admins.length > 0 && admins.every((id) => exAdmins.includes(id))) throw lastAdmin();
  }

  private async revoke({ db, now }: Work, { directoryId, group }: Settling, losses: readonly RoleOf[]): Promise<void> {
    await db.query(
      `UPDATE users.account_role r SET revoked_at = $3, revoked_by = $4, revoked_via = 'directory', revoked_from = $5, revoke_reason = $6
         FROM unnest($1::uuid[], $2::text[]) AS lost (account_id, role)
        WHERE r.account_id = lost.account_id AND r.role = lost.role AND r.revoked_at IS NULL AND (r.ends_at IS NULL OR r.ends_at > $3)
          AND r.granted_via = 'directory' AND r.granted_by = $4`,
      [losses.map((one) => one.accountId), losses.map((one) => one.role), now, directoryId, group, reasonOf(group)],
    );
  }

  /** A clinician needs an entry among the practitioners: those who have none get one of what the directory knows. It opens no chart. */
  private async openPractice({ db, now }: Work, grants: readonly (RoleOf & Standing)[]): Promise<void> {
    const fresh = grants.filter((one) => one.role === 'clinician' && one.practitionerId === null);
    if (fresh.length === 0) return;
    await db.query(
      `INSERT INTO users.practitioner (practitioner_id, account_id, family, given, specialty, created_at, updated_at)
       SELECT id, account_id, family, CASE WHEN given IS NULL THEN '{}' ELSE ARRAY[given] END, specialty, $6, $6
         FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::text[]) AS fresh (id, account_id, family, given, specialty)`,
      [
        fresh.map(() => newId()),
        fresh.map((one) => one.accountId),
        fresh.map((one) => one.familyName ?? one.displayName),
        fresh.map((one) => one.givenName),
        fresh.map((one) => one.title ?? NOT_STATED),
        now,
      ],
    );
  }

  private async grant({ db, now }: Work, { directoryId, group }: Settling, grants: readonly RoleOf[]): Promise<void> {
    await db.query(
      `INSERT INTO users.account_role (account_role_id, account_id, role, reason, granted_at, granted_by, granted_via, granted_from)
       SELECT id, account_id, role, $4, $5, $6, 'directory', $7 FROM unnest($1::uuid[], $2::uuid[], $3::text[]) AS given (id, account_id, role)`,
      [
        grants.map(() => newId()),
        grants.map((one) => one.accountId),
        grants.map((one) => one.role),
        reasonOf(group),
        now,
        directoryId,
        group,
      ],
    );
  }
}
