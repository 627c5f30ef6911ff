import { Policy, type Ability } from './ability.js';
import type { Actor } from './actor.js';

/** What a policy may know of an actor: everything but the ability that it makes and the session's strength. */
export type Person = Pick<Actor, 'id' | 'roles' | 'patientIds' | 'practitionerId' | 'panel' | 'proxied' | 'source'>;

/** One module's rules: a pure function of the person, written so that it reads as a requirement. */
export type PolicyOf = (policy: Policy, person: Person) => void;

/** All modules' rules for one person. Costs some microseconds: callers keep the result as long as the person's access is the same. */
export class AbilityFactory {
  constructor(private readonly policies: readonly PolicyOf[]) {}

  for(person: Person): Ability {
    const policy = new Policy();
    for (const define of this.policies) define(policy, person);
    return policy.build();
  }
}
