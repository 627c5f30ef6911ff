import { Inject, Injectable } from '@nestjs/common';
import { validate as isUuid } from 'uuid';
import { newId } from '../../../platform/ids.js';
import { authorize, type SignedIn } from '../../../platform/access/context.js';
import { CONFIG, type Config } from '../../../platform/config/config.js';
import { notFound } from '../../../platform/http/problem.js';
import { isUnassigned, validated, type Plain } from './scim-body.js';
import { ScimGroupRoles } from './scim-group-roles.js';
import { ScimGroupInput, type ScimGroupView } from './scim-group.dto.js';
import { ScimGroupRepository, type GroupRow, type MemberRow } from './scim-group.repository.js';
import { groupChangeOf, wholeGroupOf, type MemberChange } from './scim-group.rules.js';
import { checkPrecondition, versionTag, type Precondition } from './scim-precondition.js';
import { isAsked, listQueryOf, project, projectionOf, type Listed, type Projection } from './scim-query.js';
import { GROUP, GROUP_SCHEMA, LIST_SCHEMA } from './scim.schemas.js';

/** What a group is to become. */
interface Target {
  displayName: string;
  externalId: string | null;
  members: MemberChange;
}

/** Groups as the hospital's directory keeps them. Some give roles to their members: the configuration says which. */
@Injectable()
export class ScimGroupService {
  constructor(
    private readonly groups: ScimGroupRepository,
    private readonly groupRoles: ScimGroupRoles,
    @Inject(CONFIG) private readonly config: Config,
  ) {}

  async list(ctx: SignedIn, action: 'list' | 'search', given: object): Promise<Listed<ScimGroupView>> {
    const query = listQueryOf(GROUP, given as Plain);
    const { total, rows } = await this.groups.list(ctx, action, query);
    return {
      schemas: [LIST_SCHEMA],
      totalResults: total,
      startIndex: query.startIndex,
      itemsPerPage: rows.length,
      Resources: await this.answers(ctx, rows, query),
    };
  }

  async get(ctx: SignedIn, id: string, given: object): Promise<ScimGroupView> {
    const projection = projectionOf(GROUP, given as Plain);
    return this.answer(ctx, await this.seen(ctx, id), projection);
  }

  async create(ctx: SignedIn, given: object, body: unknown): Promise<ScimGroupView> {
    const projection = projectionOf(GROUP, given as Plain);
    const { attributes, members } = wholeGroupOf(body);
    const { displayName, externalId = null } = await validated(ScimGroupInput, attributes);
    authorize(ctx, 'create', 'ScimGroup', { directoryId: ctx.actor.id });
    const id = newId();
    await this.groups.insert(ctx, { id, externalId, displayName, roles: this.groupRoles.rolesOf(displayName) });
    const group = await this.seen(ctx, id);
    await this.move(ctx, group, group, members);
    return this.answer(ctx, group, projection);
  }

  async replace(
    ctx: SignedIn,
    id: string,
    given: object,
    precondition: Precondition,
    body: unknown,
  ): Promise<ScimGroupView> {
    const projection = projectionOf(GROUP, given as Plain);
    const { attributes, members } = wholeGroupOf(body);
    const { displayName, externalId = null } = await validated(ScimGroupInput, attributes);
    const before = await this.change(ctx, id, precondition, () =>
      Promise.resolve({ displayName, externalId, members }),
    );
    return this.answer(ctx, await this.seen(ctx, id), projection, before.version);
  }

  /** Answers nothing: with 5,000 members the group would be sent back for each one who comes. */
  async patch(ctx: SignedIn, id: string, precondition: Precondition, body: unknown): Promise<void> {
    const { members, ...changes } = groupChangeOf(body, id);
    const before = await this.change(ctx, id, precondition, async (group) => {
      const merged = { displayName: group.displayName, externalId: group.externalId, ...changes };
      const tidied = Object.fromEntries(Object.entries(merged).filter(([, value]) => !isUnassigned(value)));
      const { displayName, externalId = null } = await validated(ScimGroupInput, tidied);
      return { displayName, externalId, members };
    });
    const { version } = await this.seen(ctx, id);
    ctx.touch({ patientId: null, type: 'ScimGroup', id, version, previousVersion: before.version });
  }

  async remove(ctx: SignedIn, id: string, precondition: Precondition): Promise<void> {
    const group = await this.seen(ctx, id, 'FOR UPDATE');
    authorize(ctx, 'delete', 'ScimGroup', group);
    checkPrecondition(precondition, group.version);
    const nobody: MemberChange = { isReset: true, added: new Set(), removed: new Set() };
    await this.move(ctx, group, group, nobody);
    await this.groups.delete(ctx, id);
    ctx.touch({ patientId: null, type: 'ScimGroup', id, previousVersion: group.version });
  }

  /** Resolves with the group as it was before. What changes nothing leaves the version as it is. */
  private async change(
    ctx: SignedIn,
    id: string,
    precondition: Precondition,
    next: (group: GroupRow) => Promise<Target>,
  ): Promise<GroupRow> {
    const before = await this.seen(ctx, id, 'FOR UPDATE');
    authorize(ctx, 'update', 'ScimGroup', before);
    checkPrecondition(precondition, before.version);
    const { displayName, externalId, members } = await next(before);
    const after = { displayName, externalId, roles: this.groupRoles.rolesOf(displayName) };
    const isRenamed = displayName !== before.displayName || externalId !== before.externalId;
    if (isRenamed) await this.groups.update(ctx, id, after);
    const isMoved = await this.move(ctx, before, after, members);
    if (isMoved && !isRenamed) await this.groups.update(ctx, id, after);
    return before;
  }

  /**
   * Members come and go, and with them, or with the group's new name, roles. The accounts are locked before anything of them
   * is changed, in one order: of requests about the same people none waits for the other in a circle. False: nothing changed.
   */
  private async move(
    ctx: SignedIn,
    before: GroupRow,
    after: Pick<GroupRow, 'displayName' | 'roles'>,
    { isReset, added, removed }: MemberChange,
  ): Promise<boolean> {
    const directoryId = ctx.actor.id;
    const { id } = before;
    const isOtherRoles = before.roles.join() !== after.roles.join();
    const roles = [...new Set([...before.roles, ...after.roles])];
    const members = isReset || isOtherRoles ? await this.groupRoles.membersOf(ctx.db, id) : [];
    await this.groupRoles.lock(ctx, directoryId, [...new Set([...members, ...added, ...removed])], roles);
    const leaving = isReset ? members.filter((one) => !added.has(one)) : [...removed];
    const gone = await this.groups.removeMembers(ctx, id, leaving);
    const come = await this.groups.addMembers(ctx, id, [...added]);
    const accountIds = isOtherRoles ? [...new Set([...members, ...gone, ...come])] : [...gone, ...come];
    const changed = await this.groupRoles.settle(ctx, { directoryId, accountIds, roles, group: after.displayName });
    await this.groupRoles.renew(ctx, [...new Set([...gone, ...come, ...changed])]);
    return gone.length + come.length > 0;
  }

  private async seen(ctx: SignedIn, id: string, lock: '' | 'FOR UPDATE' = ''): Promise<GroupRow> {
    const group = isUuid(id) ? await this.groups.find(ctx, id, lock) : null;
    if (!group) throw notFound();
    authorize(ctx, 'read', 'ScimGroup', group);
    return group;
  }

  private async answer(
    ctx: SignedIn,
    row: GroupRow,
    projection: Projection,
    previousVersion?: number,
  ): Promise<ScimGroupView> {
    const [view] = await this.answers(ctx, [row], projection, previousVersion);
    return view!;
  }

  private async answers(
    ctx: SignedIn,
    rows: readonly GroupRow[],
    projection: Projection,
    previousVersion?: number,
  ): Promise<ScimGroupView[]> {
    const withMembers = isAsked(projection, 'members');
    const members = new Map<string, MemberRow[]>(rows.map((row) => [row.id, []]));
    if (withMembers) {
      for (const one of await this.groups.members(ctx, [...members.keys()])) members.get(one.groupId)!.push(one);
    }
    return rows.map((row) => {
      ctx.touch({ patientId: null, type: 'ScimGroup', id: row.id, version: row.version, previousVersion });
      return project(GROUP, this.view(row, members.get(row.id)!), projection);
    });
  }

  private view(row: GroupRow, members: readonly MemberRow[]): ScimGroupView & { version: number } {
    const { id, version } = row;
    const base = `${this.config.http.publicUrl}/scim/v2`;
    return {
      schemas: [GROUP_SCHEMA],
      id,
      ...(row.externalId === null ? {} : { externalId: row.externalId }),
      displayName: row.displayName,
      members: members.map(({ value, display }) => ({ value, $ref: `${base}/Users/${value}`, display })),
      meta: {
        resourceType: 'Group',
        created: row.createdAt,
        lastModified: row.updatedAt,
        location: `${base}/Groups/${id}`,
        version: versionTag(version),
      },
      // For the ETag; no field of the view.
      version,
    };
  }
}
