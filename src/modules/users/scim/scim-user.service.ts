import { Inject, Injectable } from '@nestjs/common';
import { validate as isUuid } from 'uuid';
import { newId } from '../../../platform/ids.js';
import { authorize, type SignedIn } from '../../../platform/access/context.js';
import { CONFIG, type Config } from '../../../platform/config/config.js';
import { staleVersion } from '../../../platform/http/if-match.js';
import { notFound } from '../../../platform/http/problem.js';
import { AccountRepository } from '../account.repository.js';
import { AccountDisabled, AccountInvited, EmailReplaced } from '../users.events.js';
import { tidyResource, validated, type Plain } from './scim-body.js';
import { ScimGroupRoles } from './scim-group-roles.js';
import { checkPrecondition, versionTag, type Precondition } from './scim-precondition.js';
import { isAsked, listQueryOf, project, projectionOf, type Listed, type Projection } from './scim-query.js';
import { ScimUserInput, type ScimUserView } from './scim-user.dto.js';
import { ScimUserRepository, type UserRow } from './scim-user.repository.js';
import { patched, profileOf, type Profile } from './scim-user.rules.js';
import { LIST_SCHEMA, USER, USER_SCHEMA } from './scim.schemas.js';

/** Read, compute, write over the version that was read: how often, when somebody else is faster each time. */
const TRIES = 5;

const SAME: readonly (keyof Profile)[] = [
  'username',
  'externalId',
  'displayName',
  'familyName',
  'givenName',
  'title',
  'email',
  'isActive',
];

/** People as the hospital's directory keeps them: whom it brought in itself, and nobody else. */
@Injectable()
export class ScimUserService {
  constructor(
    private readonly users: ScimUserRepository,
    private readonly accounts: AccountRepository,
    private readonly groupRoles: ScimGroupRoles,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  async list(ctx: SignedIn, action: 'list' | 'search', given: object): Promise<Listed<ScimUserView>> {
    const query = listQueryOf(USER, given as Plain);
    const { total, rows } = await this.users.list(ctx, action, query);
    return {
      schemas: [LIST_SCHEMA],
      totalResults: total,
      startIndex: query.startIndex,
      itemsPerPage: rows.length,
      Resources: rows.map((row) => this.answer(ctx, row, query)),
    };
  }

  async get(ctx: SignedIn, id: string, given: object): Promise<ScimUserView> {
    const projection = projectionOf(USER, given as Plain);
    return this.answer(ctx, await this.seen(ctx, id), projection);
  }

  /** An account of this userName that is there already, whoever made it, is a conflict: nobody is taken over. */
  async create(ctx: SignedIn, given: object, body: unknown): Promise<ScimUserView> {
    const projection = projectionOf(USER, given as Plain);
    const profile = profileOf(await validated(ScimUserInput, tidyResource(USER, body)), true);
    authorize(ctx, 'create', 'ScimUser', { directoryId: ctx.actor.id });
    const id = newId();
    await this.users.insert(ctx, id, profile);
    if (profile.isActive) await this.invite(ctx, id, profile.email);
    return this.answer(ctx, await this.seen(ctx, id), projection);
  }

  async replace(
    ctx: SignedIn,
    id: string,
    given: object,
    precondition: Precondition,
    body: unknown,
  ): Promise<ScimUserView> {
    const projection = projectionOf(USER, given as Plain);
    const input = await validated(ScimUserInput, tidyResource(USER, body));
    const before = await this.change(ctx, id, precondition, (user) => Promise.resolve(profileOf(input, user.isActive)));
    return this.answer(ctx, await this.seen(ctx, id), projection, before.version);
  }

  async patch(
    ctx: SignedIn,
    id: string,
    given: object,
    precondition: Precondition,
    body: unknown,
  ): Promise<ScimUserView> {
    const projection = projectionOf(USER, given as Plain);
    const before = await this.change(ctx, id, precondition, async (user) =>
      profileOf(await validated(ScimUserInput, patched(user, body, id)), user.isActive),
    );
    return this.answer(ctx, await this.seen(ctx, id), projection, before.version);
  }

  /** For SCIM the person is gone; the account stays, disabled, with its history. */
  async remove(ctx: SignedIn, id: string, precondition: Precondition): Promise<void> {
    const before = await this.overVersion(async () => {
      const user = await this.seen(ctx, id);
      authorize(ctx, 'delete', 'ScimUser', user);
      checkPrecondition(precondition, user.version);
      await this.accounts.leaveAnAdmin(ctx, id);
      return (await this.users.remove(ctx, user)) ? user : null;
    });
    const roles = await this.users.leaveGroups(ctx, id);
    await this.groupRoles.settle(ctx, { directoryId: ctx.actor.id, accountIds: [id], roles, group: null });
    await ctx.emit(new AccountDisabled(id));
    ctx.touch({
      ...{ patientId: null, type: 'Account', id, version: before.version + 1, previousVersion: before.version },
      ...{ before: [`status:${before.status}`], after: ['status:disabled'] },
    });
  }

  /** Resolves with the user as it was before. What changes nothing leaves the version as it is. */
  private change(
    ctx: SignedIn,
    id: string,
    precondition: Precondition,
    next: (user: UserRow) => Promise<Profile>,
  ): Promise<UserRow> {
    return this.overVersion(async () => {
      const before = await this.seen(ctx, id);
      authorize(ctx, 'update', 'ScimUser', before);
      checkPrecondition(precondition, before.version);
      const after = await next(before);
      if (SAME.every((key) => before[key] === after[key])) return before;
      if (before.isActive && !after.isActive) await this.accounts.leaveAnAdmin(ctx, id);
      const status = await this.users.update(ctx, before, after);
      if (status === null) return null;
      await this.tellOf(ctx, before, status, after.email);
      return before;
    });
  }

  private async overVersion<T>(attempt: () => Promise<T | null>): Promise<T> {
    for (let tries = 0; tries < TRIES; tries++) {
      const done = await attempt();
      if (done !== null) return done;
    }
    throw staleVersion();
  }

  /** In the transaction of the change: whoever is deactivated is out at once, on every replica. */
  private async tellOf(ctx: SignedIn, before: UserRow, status: UserRow['status'], email: string): Promise<void> {
    const isOtherAddress = before.email !== email;
    if (before.status !== status)
      ctx.touch({
        ...{ patientId: null, type: 'Account', id: before.id },
        ...{ before: [`status:${before.status}`], after: [`status:${status}`] },
      });
    if (before.status !== 'disabled' && status === 'disabled') await ctx.emit(new AccountDisabled(before.id));
    // Whoever has not come in yet gets a code at the address of today; the one before is void.
    if (status === 'invited' && (isOtherAddress || before.status === 'disabled'))
      await this.invite(ctx, before.id, email);
    if (status !== 'invited' && isOtherAddress) await ctx.emit(new EmailReplaced(before.id, before.email, email));
  }

  private async invite(ctx: SignedIn, id: string, email: string): Promise<void> {
    if (this.config.scim.invites) await ctx.emit(new AccountInvited(id, email));
  }

  private async seen(ctx: SignedIn, id: string): Promise<UserRow> {
    const user = isUuid(id) ? await this.users.find(ctx, id) : null;
    if (!user) throw notFound();
    authorize(ctx, 'read', 'ScimUser', user);
    return user;
  }

  private answer(ctx: SignedIn, row: UserRow, projection: Projection, previousVersion?: number): ScimUserView {
    const { id, version } = row;
    ctx.touch({ patientId: null, type: 'Account', id, version, previousVersion });
    return project(USER, this.view(row, isAsked(projection, 'groups')), projection);
  }

  private view(row: UserRow, withGroups: boolean): ScimUserView & { version: number } {
    const { id, familyName, givenName, version } = row;
    const base = `${this.config.http.publicUrl}/scim/v2`;
    return {
      schemas: [USER_SCHEMA],
      id,
      ...(row.externalId === null ? {} : { externalId: row.externalId }),
      userName: row.username,
      name: {
        formatted: [givenName, familyName].filter(Boolean).join(' ') || row.displayName,
        ...(familyName === null ? {} : { familyName }),
        ...(givenName === null ? {} : { givenName }),
      },
      displayName: row.displayName,
      ...(row.title === null ? {} : { title: row.title }),
      active: row.status !== 'disabled',
      emails: [{ value: row.email, type: 'work', primary: true }],
      groups: withGroups ? row.groups.map((one) => ({ ...one, $ref: `${base}/Groups/${one.value}` })) : [],
      roles: row.roles.map((value) => ({ value })),
      meta: {
        resourceType: 'User',
        created: row.createdAt,
        lastModified: row.updatedAt,
        location: `${base}/Users/${id}`,
        version: versionTag(version),
      },
      // For the ETag; no field of the view.
      version,
    };
  }
}
