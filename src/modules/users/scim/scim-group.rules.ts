import { validate as isUuid } from 'uuid';
import { isPlain, isUnassigned, tidyResource, type Plain } from './scim-body.js';
import { parseFilter } from './scim-filter.js';
import { changesOf, type Change } from './scim-path.js';
import { invalidFilter, invalidPath, invalidSyntax, invalidValue, noSuchMember, notMutable } from './scim.errors.js';
import { GROUP } from './scim.schemas.js';

/** Most members that one request may name. */
const MAX_MEMBERS = 20_000;

/** What becomes of the members, as two sets, however many operations said it. */
export interface MemberChange {
  /** All who are members now go, but those who are added. */
  isReset: boolean;
  added: Set<string>;
  removed: Set<string>;
}

export interface GroupChange {
  /** Left out: as it is. */
  displayName?: unknown;
  externalId?: unknown;
  members: MemberChange;
}

/** Ids of members as they are sent: `[{"value": "…"}]`, one of them, or the id alone. */
function idsOf(value: unknown): string[] {
  const ids = [value].flat().map((one: unknown) => (isPlain(one) ? one.value : one));
  if (ids.length > MAX_MEMBERS) throw invalidValue(`A request may name ${MAX_MEMBERS} members.`);
  if (!ids.every((id): id is string => typeof id === 'string'))
    throw invalidValue('members: each is an object with a value.');
  if (!ids.every((id) => isUuid(id))) throw noSuchMember();
  return ids.map((id) => id.toLowerCase());
}

/** `value eq "…"`, and several of them with `or`. */
function idsIn(filter: string): string[] {
  const visit = (node: ReturnType<typeof parseFilter>): unknown[] => {
    if (node.op === 'or') return node.filters.flatMap(visit);
    if (node.op !== 'eq' || node.attrPath.toLowerCase() !== 'value')
      throw invalidFilter('members are chosen by value eq.');
    return [node.compValue];
  };
  return idsOf(visit(parseFilter(filter)));
}

function add(members: MemberChange, ids: readonly string[]): void {
  for (const id of ids) {
    members.added.add(id);
    members.removed.delete(id);
  }
}

function remove(members: MemberChange, ids: readonly string[]): void {
  for (const id of ids) {
    members.removed.add(id);
    members.added.delete(id);
  }
}

function reset(members: MemberChange): void {
  members.isReset = true;
  members.added.clear();
  members.removed.clear();
}

function changeMembers(members: MemberChange, { op, filter, sub, value }: Change): void {
  // A member is a reference: it comes or goes, and nothing in it changes.
  if (sub !== null) throw notMutable();
  if (filter !== null && op !== 'remove') throw invalidPath();
  if (filter !== null) return remove(members, idsIn(filter));
  if (op === 'remove' && !isUnassigned(value)) return remove(members, idsOf(value));
  if (op !== 'add') reset(members);
  if (!isUnassigned(value)) add(members, idsOf(value));
}

/** What a PATCH body changes; what the group has now is not needed for it. */
export function groupChangeOf(body: unknown, ownId: string): GroupChange {
  const change: GroupChange = { members: { isReset: false, added: new Set(), removed: new Set() } };
  for (const one of changesOf(GROUP, body, ownId)) {
    if (one.attribute.name === 'members') changeMembers(change.members, one);
    else if (one.attribute.name === 'displayName') change.displayName = one.op === 'remove' ? null : one.value;
    else if (one.attribute.name === 'externalId') change.externalId = one.op === 'remove' ? null : one.value;
    else throw invalidPath();
  }
  return change;
}

/** A whole resource (POST, PUT): its own attributes, still to be checked, and its members, all others being gone. */
export function wholeGroupOf(body: unknown): { attributes: Plain; members: MemberChange } {
  const { members, ...attributes } = tidyResource(GROUP, body);
  if (!isPlain(body)) throw invalidSyntax();
  const added = new Set(isUnassigned(members) ? [] : idsOf(members));
  return { attributes, members: { isReset: true, added, removed: new Set() } };
}
