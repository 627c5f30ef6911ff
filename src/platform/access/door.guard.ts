import { Injectable, type CanActivate, type ExecutionContext } from '@nestjs/common';
import { Problem } from '../http/problem.js';
import type { Actor } from './actor.js';
import { Clock } from '../clock.js';
import { endpointOf } from './endpoint.js';
import { trailOf } from './trail.js';
import { STAFF_ROLES } from './vocabulary.js';

export const signInRequired = (code: string): Problem =>
  new Problem(401, code, 'Sign in, or refresh the access token, and try again.', {
    headers: { 'www-authenticate': code === 'auth.sign-in-required' ? 'Bearer' : 'Bearer error="invalid_token"' },
  });

export const stepUpRequired = (): Problem =>
  new Problem(403, 'auth.step-up-required', 'Confirm who you are at POST /v1/auth/step-up, then try again.');

/** A remembered device stood in for the second factor: enough to read by, and for nothing that asks for one. */
export const isByDevice = ({ assurance }: Pick<Actor, 'assurance'>): boolean =>
  assurance.acr === 'aal1' && assurance.amr.includes('device');

/**
 * May they knock? Declared route, signed in, strong enough, type-level ability. The only 401 and 403 at the door;
 * what it lets in still meets the rows' filter and the check of the instance.
 */
@Injectable()
export class DoorGuard implements CanActivate {
  constructor(private readonly clock: Clock) {}

  canActivate(context: ExecutionContext): boolean {
    const endpoint = endpointOf(context.getHandler());
    if (!endpoint) throw new Problem(403, 'access.undeclared', 'This is not open to anybody.');
    if (endpoint.access === 'public') return true;
    const { actor, credentialProblem } = trailOf(context.switchToHttp().getRequest());
    if (!actor && endpoint.access === 'mid-sign-in' && credentialProblem === null) return true;
    if (!actor) throw signInRequired(credentialProblem ?? 'auth.sign-in-required');
    if (actor.assurance.acr !== 'aal2' && STAFF_ROLES.some((role) => actor.roles.has(role))) {
      throw new Problem(403, 'auth.second-factor-required', 'Staff sign in with a second factor: sign in again.');
    }
    if (endpoint.stepUpSeconds !== undefined) {
      const age = (this.clock.now().getTime() - actor.assurance.authTime.getTime()) / 1000;
      if (age > endpoint.stepUpSeconds || isByDevice(actor)) throw stepUpRequired();
    }
    if (!actor.ability.can(endpoint.action, endpoint.subject)) {
      throw new Problem(403, 'access.forbidden', 'Your role does not allow this.');
    }
    return true;
  }
}
