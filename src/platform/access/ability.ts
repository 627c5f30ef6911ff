import { createMongoAbility, subject as tagged, type MongoAbility, type RawRuleOf } from '@casl/ability';
import type { Action, SubjectName, Subjects } from './vocabulary.js';

export type Ability = MongoAbility<[Action, SubjectName | (Subjects[SubjectName] & object)]>;
export type Rule = RawRuleOf<Ability>;

type FieldCondition<T> = T | { $eq: T } | { $in: readonly T[] };
export type Conditions<S extends SubjectName> = { [K in keyof Subjects[S]]?: FieldCondition<Subjects[S][K]> };

/** Why a rule is refused when the policy is built, never later. */
export class PolicyError extends Error {}

const OPERATORS = new Set(['$eq', '$in']);

function checkConditions(subject: SubjectName, conditions: object): void {
  const entries = Object.entries(conditions) as [string, unknown][];
  if (entries.length === 0) {
    throw new PolicyError(`${subject}: {} would allow everything; leave the condition out to mean that`);
  }
  for (const [field, value] of entries) {
    const isPlain = typeof value !== 'object' || value === null;
    const unknown = isPlain ? undefined : Object.keys(value).find((operator) => !OPERATORS.has(operator));
    if (unknown !== undefined) throw new PolicyError(`${subject}.${field}: ${unknown} has no translation to SQL`);
    const values = isPlain ? [value] : Object.values(value).flat();
    if (isPlain ? value == null : Object.keys(value).length === 0 || values.some((one) => one == null)) {
      throw new PolicyError(`${subject}.${field}: a condition without a value matches more than was meant`);
    }
  }
}

/**
 * Collects what somebody may do. `allow` and `forbid` wrap CASL so that defining never looks like checking, and refuse
 * what CASL would misread: an undefined condition, `{}`, `manage`, `all`, and a prohibition before what it limits.
 */
export class Policy {
  private readonly allowed: Rule[] = [];
  private readonly forbidden: Rule[] = [];

  allow<S extends SubjectName>(action: Action | Action[], subject: S, ...conditions: Conditions<S>[]): this {
    return this.add(this.allowed, false, action, subject, conditions);
  }

  forbid<S extends SubjectName>(action: Action | Action[], subject: S, ...conditions: Conditions<S>[]): this {
    return this.add(this.forbidden, true, action, subject, conditions);
  }

  private add(
    to: Rule[],
    inverted: boolean,
    action: Action | Action[],
    subject: SubjectName,
    conditions: object[],
  ): this {
    if ((subject as string) === 'all' || [action].flat().some((one) => (one as string) === 'manage')) {
      throw new PolicyError('nobody may manage all');
    }
    if (conditions.length > 1) throw new PolicyError(`${subject}: one condition a rule`);
    const [condition] = conditions;
    if (conditions.length === 1) checkConditions(subject, condition as object);
    to.push({ action, subject, inverted, ...(condition ? { conditions: condition } : {}) });
    return this;
  }

  build(): Ability {
    return createMongoAbility<Ability>([...this.allowed, ...this.forbidden]);
  }
}

/** May the holder of `ability` do this to this very thing? Never call `ability.can` with a bare subject name for an instance. */
export function may<S extends SubjectName>(ability: Ability, action: Action, subject: S, thing: Subjects[S]): boolean {
  // A copy, because CASL tags the object that it is given.
  return ability.can(action, tagged(subject, { ...thing }));
}
