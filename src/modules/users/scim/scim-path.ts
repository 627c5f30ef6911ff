import { isPlain } from './scim-body.js';
import { parseFilter } from './scim-filter.js';
import { invalidPath, invalidSyntax, invalidValue, notMutable, noTarget } from './scim.errors.js';
import {
  allAttributes,
  attributeOf,
  ENTERPRISE_SCHEMA,
  NAME_PARTS_NOT_KEPT,
  NOT_KEPT,
  PATCH_SCHEMA,
  withoutSchema,
  type Attribute,
  type ResourceKind,
} from './scim.schemas.js';

const MAX_OPERATIONS = 10_000;
const MAX_PATH = 1_000;
const OPS = ['add', 'replace', 'remove'] as const;

/** One change of one attribute, as everything behind sees it. */
export interface Change {
  op: (typeof OPS)[number];
  attribute: Attribute;
  /** Condition on the values of a multi-valued attribute. */
  filter: string | null;
  sub: Attribute | null;
  value: unknown;
}

const PATH = /^([a-z][\w$-]*)(?:\[([^\p{Cc}]+)\])?(?:\.([a-z$][\w$-]*))?$/iu;

/** Null: an attribute of the standard that is taken and not kept. */
function targetOf(kind: ResourceKind, path: string): Omit<Change, 'op' | 'value'> | null {
  if (path.length > MAX_PATH) throw invalidPath(`A path may have ${MAX_PATH} characters here.`);
  if (path.toLowerCase().startsWith(ENTERPRISE_SCHEMA.toLowerCase())) return null;
  const own = withoutSchema(kind, path);
  const [, name, filter = null, subName] = PATH.exec(own ?? '') ?? [];
  if (name === undefined) throw invalidPath();
  if (NOT_KEPT.has(name.toLowerCase()) && kind.name === 'User') return null;
  const attribute = attributeOf(allAttributes(kind), name);
  if (!attribute || (filter !== null && !attribute.multiValued)) throw invalidPath();
  if (attribute.mutability === 'readOnly') throw notMutable();
  if (filter !== null) checkFilter(filter, attribute);
  if (subName === undefined) return { attribute, filter, sub: null };
  if (attribute.name === 'name' && NAME_PARTS_NOT_KEPT.has(subName.toLowerCase())) return null;
  const sub = attributeOf(attribute.subAttributes ?? [], subName);
  if (!sub) throw invalidPath();
  if (sub.mutability === 'readOnly') throw notMutable();
  return { attribute, filter, sub };
}

function checkFilter(filter: string, attribute: Attribute): void {
  const visit = (node: ReturnType<typeof parseFilter>): void => {
    if ('filters' in node) return node.filters.forEach(visit);
    if ('filter' in node) return visit(node.filter);
    if ('valFilter' in node || !attributeOf(attribute.subAttributes ?? [], node.attrPath)) throw invalidPath();
  };
  visit(parseFilter(filter));
}

interface Operation {
  op: Change['op'];
  path: string | null;
  value: unknown;
}

function operationOf(given: unknown): Operation {
  if (!isPlain(given)) throw invalidSyntax();
  const op = OPS.find((one) => one === String(given.op).toLowerCase());
  if (!op) throw invalidSyntax('op is add, replace or remove.');
  const path = given.path ?? null;
  if (path !== null && typeof path !== 'string') throw invalidPath();
  if (op === 'remove' && (path === null || path === '')) throw noTarget();
  if (op !== 'remove' && given.value === undefined) throw invalidValue('add and replace need a value.');
  return { op, path: path === '' ? null : path, value: given.value };
}

/** An operation without a path brings an object: each of its members is an operation with that path, as directories mean it. */
function* withPaths({ op, path, value }: Operation, ownId: string): Generator<Operation & { path: string }> {
  if (path !== null) {
    yield { op, path, value };
    return;
  }
  if (!isPlain(value)) throw invalidValue('Without a path the value is an object of attributes.');
  for (const [key, one] of Object.entries(value)) {
    // Okta names the resource itself again.
    const isItself = key.toLowerCase() === 'schemas' || (key.toLowerCase() === 'id' && one === ownId);
    if (!isItself) yield { op, path: key, value: one };
  }
}

/** The changes of a PATCH body (RFC 7644 section 3.5.2), in order, in all the forms that directories send. */
export function changesOf(kind: ResourceKind, body: unknown, ownId: string): Change[] {
  if (!isPlain(body)) throw invalidSyntax();
  const { schemas } = body;
  const operations = body.Operations ?? body.operations;
  if (!Array.isArray(schemas) || !schemas.includes(PATCH_SCHEMA)) throw invalidSyntax('schemas must name PatchOp.');
  if (!Array.isArray(operations) || operations.length === 0 || operations.length > MAX_OPERATIONS)
    throw invalidSyntax(`Operations is a list of 1 to ${MAX_OPERATIONS}.`);
  const changes: Change[] = [];
  for (const given of operations as unknown[]) {
    for (const { op, path, value } of withPaths(operationOf(given), ownId)) {
      const target = targetOf(kind, path);
      if (!target) continue;
      const isGone = value === null && op !== 'remove';
      changes.push({ ...target, op: isGone ? 'remove' : op, value: isGone ? undefined : value });
    }
  }
  return changes;
}
