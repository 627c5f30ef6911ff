import { rulesToAST } from '@casl/ability/extra';
import type { Ability } from '../access/ability.js';
import type { SignedIn } from '../access/context.js';
import type { Action, SubjectName, Subjects } from '../access/vocabulary.js';

/** What CASL makes of conditions: a tree of comparisons (@ucast/core). */
interface Node {
  operator: string;
  field?: string;
  value: unknown;
}

/** Collects the values of a statement: `param(v)` gives its place, `$1`. */
export class Params {
  readonly values: unknown[] = [];

  add(value: unknown): string {
    this.values.push(value);
    return `$${this.values.length}`;
  }
}

interface Columns<S extends SubjectName> {
  /** SQL expression of each field that a condition may name. */
  columns: { [K in keyof Subjects[S]]: string };
  /** Fields whose value the statement pins down anyway; conditions on them are decided here and cost the database nothing. */
  known?: Partial<{ [K in keyof Subjects[S]]: string }>;
}

type Compared = { known: boolean } | { column: string };

function compare(
  field: string,
  on: { columns: Record<string, string>; known?: Record<string, string | undefined> },
  test: (value: string) => boolean,
): Compared {
  const known = on.known?.[field];
  if (known !== undefined) return { known: test(known) };
  const column = on.columns[field];
  if (!column) throw new Error(`no column for the condition on ${field}`);
  return { column };
}

function toSql(
  node: Node,
  on: { columns: Record<string, string>; known?: Record<string, string | undefined> },
  params: Params,
): string {
  const parts = () => (node.value as Node[]).map((part) => toSql(part, on, params));
  switch (node.operator) {
    case 'and':
      return `(${parts().join(' AND ')})`;
    case 'or':
      return `(${parts().join(' OR ')})`;
    case 'not':
      return `(NOT ${parts().join(' AND ')})`;
    case 'eq': {
      const at = compare(node.field!, on, (value) => value === node.value);
      return 'known' in at ? String(at.known) : `${at.column} = ${params.add(node.value)}`;
    }
    case 'in': {
      const values = node.value as string[];
      const at = compare(node.field!, on, (value) => values.includes(value));
      return 'known' in at ? String(at.known) : `${at.column} = ANY(${params.add(values)})`;
    }
    default:
      throw new Error(`a policy uses ${node.operator}, which has no translation to SQL`);
  }
}

const trees = new WeakMap<Ability, Map<string, Node | null>>();

/** An ability never changes, and serves its person until their access does: its conditions are worked out once. */
function treeOf(ability: Ability, action: Action, subject: SubjectName): Node | null {
  const known = trees.get(ability) ?? new Map<string, Node | null>();
  trees.set(ability, known);
  const key = `${action} ${subject}`;
  let tree = known.get(key);
  if (tree === undefined) known.set(key, (tree = rulesToAST(ability, action, subject) as Node | null));
  return tree;
}

/**
 * The first wall in SQL: a condition that holds for exactly the rows on which the actor's rules allow the action. No rule
 * at all gives `false`; what it does not know it refuses loudly, because a dropped condition shows everything.
 */
export function accessible<S extends SubjectName>(
  ctx: SignedIn,
  action: Action,
  subject: S,
  on: Columns<S>,
  params: Params,
): string {
  const tree = treeOf(ctx.actor.ability, action, subject);
  if (tree === null) return 'false';
  if (Array.isArray(tree.value) && tree.value.length === 0 && (tree.operator === 'and' || tree.operator === 'or'))
    return 'true';
  return toSql(tree, on, params);
}
