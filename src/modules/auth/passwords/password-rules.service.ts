import { Inject, Injectable } from '@nestjs/common';
import { CONFIG, type Config } from '../../../platform/config/config.js';
import type { Holder } from '../account-state.js';
import type { PasswordFault } from '../auth.errors.js';
import { Blocklist } from './blocklist.js';
import { BreachCheck } from './breach-check.js';
import { formFaultOf, isOneOf, isPattern, wordsOf } from './password.rules.js';

/** Listed, with those of the configuration and of the account, in docs/authentication.md. */
export const CONTEXT_WORDS: readonly string[] = ['portico', 'patient portal', 'patientportal'];

/** What a new password may not be. Nothing is asked of its composition, and none ever grows too old (NIST SP 800-63B-4 §3.1.1.2). */
@Injectable()
export class PasswordRules {
  /** The context-specific words: README, *Passwords*. */
  private readonly names: readonly string[];

  constructor(
    private readonly blocklist: Blocklist,
    private readonly breaches: BreachCheck,
    @Inject(CONFIG) { hospital, http }: Config,
  ) {
    this.names = [...CONTEXT_WORDS, hospital.name, new URL(http.publicUrl).hostname];
  }

  /** The reason why it is refused, or null. Asks others last, so that nothing leaves the hospital of what is refused anyway. */
  async faultOf(password: string, least: number, { username, email }: Holder): Promise<PasswordFault | null> {
    const fault = formFaultOf(password, least);
    if (fault) return fault;
    if (username !== null && isOneOf(password, [username])) return 'is-username';
    if (isOneOf(password, email === null ? this.names : [...this.names, email, localPartOf(email)])) return 'is-name';
    if (isPattern(password) || (await this.isBlocked(password))) return 'too-common';
    return (await this.breaches.isBreached(password)) ? 'leaked' : null;
  }

  private async isBlocked(password: string): Promise<boolean> {
    for (const word of wordsOf(password)) if (await this.blocklist.has(word)) return true;
    return false;
  }
}

const localPartOf = (email: string): string => email.slice(0, email.lastIndexOf('@'));
