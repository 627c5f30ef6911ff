import { Inject, Injectable } from '@nestjs/common';
import type { Role } from '../../../platform/access/vocabulary.js';
import { CONFIG, type Config } from '../../../platform/config/config.js';
import type { FactorRule } from '../../../platform/config/validators.js';
import { LEAST_ALONE, LEAST_WITH_SECOND_FACTOR } from '../passwords/password.rules.js';
import { isStaff } from '../sessions/session.rules.js';
import { isMultiFactor, MFA_METHODS, type MfaMethod, type Proof } from './factor.js';

type Roles = ReadonlySet<Role>;

/** From weak to strict. */
const STRICTNESS: readonly FactorRule[] = ['optional', 'required', 'required_phishing_resistant'];

/** The strictest rule of all roles that somebody holds; of no role at all, optional. */
export function strictestOf(roles: Roles, byRole: Config['mfa']['byRole']): FactorRule {
  const strictness = Math.max(0, ...[...roles].map((role) => STRICTNESS.indexOf(byRole[role])));
  return STRICTNESS[strictness]!;
}

/** What an account holds, and what of it its roles are allowed to use. */
export interface Holding {
  rule: FactorRule;
  held: readonly MfaMethod[];
  allowed: readonly MfaMethod[];
}

/**
 * What somebody is offered of the methods that they hold. Where a rule demands what cannot be phished and they hold it,
 * nothing else: a phished code would otherwise set up the thief's own passkey.
 */
export function offeredOf({ rule, held, allowed }: Holding): MfaMethod[] {
  if (rule === 'required_phishing_resistant' && held.includes('passkey')) return ['passkey'];
  return [...(allowed.length > 0 ? allowed : held)];
}

const isPrimary = (method: MfaMethod): boolean => method !== 'recovery_code';

/** `open` the session, have them `show` a second factor, or have them `enrol` one that the rule takes. */
export function nextStep({ rule, held, allowed }: Holding, proof: Proof): 'open' | 'show' | 'enrol' {
  if (!isMultiFactor(proof)) {
    if (held.length > 0) return 'show';
    return rule === 'optional' ? 'open' : 'enrol';
  }
  if (rule === 'required_phishing_resistant' && !proof.isPhishingResistant)
    return held.includes('passkey') ? 'show' : 'enrol';
  // All that they hold is nothing for their roles: it got them this far and no further.
  if (rule !== 'optional' && held.length > 0 && !allowed.some(isPrimary)) return 'enrol';
  return 'open';
}

/** Which second factor a person must have, by the roles that they hold (configuration MFA_*, SMS_FACTOR). */
@Injectable()
export class FactorPolicy {
  constructor(@Inject(CONFIG) private readonly config: Config) {}

  ruleOf(roles: Roles): FactorRule {
    return strictestOf(roles, this.config.mfa.byRole);
  }

  /** May they use this method at all? Text messages are a restricted authenticator, and staff do without by default. */
  allows(roles: Roles, method: MfaMethod): boolean {
    if (method !== 'sms' || this.config.mfa.sms === 'everybody') return true;
    const isPatient = roles.has('patient') || roles.has('proxy');
    return this.config.mfa.sms === 'patients' && isPatient && !isStaff(roles);
  }

  holdingOf(roles: Roles, held: readonly MfaMethod[]): Holding {
    return { rule: this.ruleOf(roles), held, allowed: held.filter((method) => this.allows(roles, method)) };
  }

  /** Is the rule kept by somebody who holds these methods? */
  isMet(roles: Roles, held: readonly MfaMethod[]): boolean {
    const { rule, allowed } = this.holdingOf(roles, held);
    if (rule === 'optional') return true;
    return rule === 'required' ? allowed.some(isPrimary) : allowed.includes('passkey');
  }

  /** What people of these roles could set up. */
  available(roles: Roles): MfaMethod[] {
    return MFA_METHODS.filter((method) => isPrimary(method) && this.allows(roles, method));
  }

  /** Methods that can be set up during a sign-in to meet the rule. */
  fitting(roles: Roles): MfaMethod[] {
    return this.ruleOf(roles) === 'required_phishing_resistant' ? ['passkey'] : ['passkey', 'totp'];
  }

  /** NIST SP 800-63B-4 §3.1.1.2: the password may be shorter only where it never stands alone. */
  leastPasswordOf(roles: Roles): number {
    return this.ruleOf(roles) === 'optional' ? LEAST_ALONE : LEAST_WITH_SECOND_FACTOR;
  }
}
