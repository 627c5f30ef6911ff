import { Injectable } from '@nestjs/common';
import { authorize, type Ctx, type SignedIn } from '../../../platform/access/context.js';
import { signInRequired } from '../../../platform/access/door.guard.js';
import { Database } from '../../../platform/database/database.js';
import type { Db } from '../../../platform/database/db.js';
import { People } from '../../users/index.js';
import { methodNotOffered, secondFactorMandatory, signInExpired, stepUpRequired } from '../auth.errors.js';
import { Devices } from '../devices/devices.service.js';
import { Notices } from '../recovery/notices.js';
import { SessionEndings } from '../sessions/session-endings.js';
import { Sessions } from '../sessions/session.service.js';
import { SignIn } from '../sign-in/sign-in.service.js';
import { SignIns } from '../sign-in/sign-ins.js';
import { FactorHolders } from './factor-holders.js';
import { FactorPolicy } from './factor-policy.js';
import {
  both,
  isMultiFactor,
  signedIn,
  signingIn,
  type MfaMethod,
  type Proof,
  type Shown,
  type Situation,
} from './factor.js';
import { Factors } from './factors.service.js';
import { RecoveryCodes } from './recovery-codes.factor.js';
import type { EnrolledView } from './factor.dto.js';

/** Somebody who sets up a factor: in the middle of a sign-in that demands one, or signed in. */
export interface Adding {
  accountId: string;
  mfaToken: string | undefined;
  situation: Situation;
  /** How they were recognised until now. */
  proof: Proof;
}

/** What was added, and how its owner is told. */
export interface Added extends Pick<Shown, 'method' | 'amr' | 'isPhishingResistant'> {
  words: string;
  /** Ten new recovery codes in any case, not only where none are left. */
  renewsRecoveryCodes?: boolean;
}

/**
 * The rules that every factor keeps when it comes or goes: a password alone sets up none beside another (NIST SP 800-63B-4
 * §4.1.2), the last one that a role needs stays, all other sessions end (ASVS 7.4.3), and the owner is told. Changes of one
 * account take turns.
 */
@Injectable()
export class FactorChanges {
  constructor(
    private readonly database: Database,
    private readonly people: People,
    private readonly policy: FactorPolicy,
    private readonly factors: Factors,
    private readonly holders: FactorHolders,
    private readonly recoveryCodes: RecoveryCodes,
    private readonly signIns: SignIns,
    private readonly signIn: SignIn,
    private readonly sessions: Sessions,
    private readonly notices: Notices,
    private readonly devices: Devices,
    private readonly endings: SessionEndings,
  ) {}

  /** With an mfaToken, whoever it belongs to; without, the person who is signed in. Throws when they may not set this up. */
  async begin(ctx: Ctx, mfaToken: string | undefined, method: MfaMethod, action: 'enrol' | 'confirm'): Promise<Adding> {
    const adding = mfaToken === undefined ? this.ofSession(ctx, action) : await this.ofSignIn(ctx, mfaToken);
    await this.database.write(null, async (db) => {
      const { person } = await this.people.loadPerson(db, adding.accountId, ctx.now);
      const isFitting = mfaToken === undefined || this.policy.fitting(person.roles).includes(method);
      if (!isFitting || !this.policy.allows(person.roles, method)) throw methodNotOffered();
      if (mfaToken === undefined) await this.requireProof(db, adding);
    });
    return adding;
  }

  /** Stores the factor, tells its owner, and finishes the sign-in under way or makes the session stronger. */
  async add(ctx: Ctx, adding: Adding, added: Added, store: () => Promise<void>): Promise<EnrolledView> {
    const { accountId, mfaToken } = adding;
    await this.sessions.letIn(ctx, accountId);
    const proof = mfaToken === undefined ? adding.proof : await this.signIns.finish(ctx, mfaToken, 'enrolment');
    await this.holders.turn(ctx.db, accountId);
    // Asked again in turn: of two who set up the first factor at once, on one password, the second is refused.
    await this.requireProof(ctx.db, { ...adding, proof });
    await store();
    await this.devices.forget(ctx, accountId);
    await this.endings.endSessions(ctx, accountId, 'factor-changed', sessionOf(ctx, adding));
    const codes = await this.codesAfter(ctx, accountId, added);
    await this.notices.security(ctx, accountId, 'factor-added', { factor: added.words });
    ctx.touch({ patientId: null, type: 'SecondFactor', id: accountId });
    const now = both(proof, added);
    if (mfaToken !== undefined) return { ...(await this.signIn.proceed(ctx, accountId, now)), ...codes };
    const { session, renewed } = await this.sessions.strengthen(ctx as SignedIn, { acr: 'aal2', amr: now.amr });
    return { status: 'confirmed', ...renewed, session, ...codes };
  }

  /** Takes one of the own factors away; `take` resolves with whether there was one. Whoever is half-way in starts again. */
  async remove(ctx: SignedIn, words: string, take: () => Promise<boolean>): Promise<boolean> {
    const { id: accountId, roles } = ctx.actor;
    authorize(ctx, 'delete', 'SecondFactor', { accountId });
    await this.signIns.abandon(ctx.db, accountId);
    await this.holders.turn(ctx.db, accountId);
    if (!(await take())) return false;
    await this.devices.forget(ctx, accountId);
    const left = await this.factors.methodsOf(ctx.db, accountId);
    if (!this.policy.isMet(roles, left)) throw secondFactorMandatory();
    await this.endings.endSessions(ctx, accountId, 'factor-changed', ctx.actor.sessionId);
    if (left.length === 0) await this.recoveryCodes.forget(ctx.db, accountId);
    await this.notices.security(ctx, accountId, 'factor-removed', { factor: words });
    ctx.touch({ patientId: null, type: 'SecondFactor', id: accountId });
    return true;
  }

  private ofSession(ctx: Ctx, action: 'enrol' | 'confirm'): Adding {
    if (!ctx.actor) throw signInRequired('auth.sign-in-required');
    const { id: accountId, assurance } = ctx.actor;
    authorize(ctx as SignedIn, action, 'SecondFactor', { accountId });
    const proof = { amr: assurance.amr, isPhishingResistant: false };
    return { accountId, mfaToken: undefined, situation: signedIn(ctx as SignedIn), proof };
  }

  private async ofSignIn(ctx: Ctx, mfaToken: string): Promise<Adding> {
    const found = await this.database.write(null, (db) => this.signIns.find(db, mfaToken, 'enrolment', ctx.now));
    // Signed in as somebody else at the same time: the event could name only one of the two.
    if (!found || (ctx.actor && ctx.actor.id !== found.accountId)) throw signInExpired();
    const { accountId, ...proof } = found;
    ctx.identify({ accountId });
    return { accountId, mfaToken, situation: signingIn(mfaToken), proof };
  }

  private async requireProof(db: Pick<Db, 'query'>, { accountId, mfaToken, proof }: Adding): Promise<void> {
    if (isMultiFactor(proof) || (await this.factors.methodsOf(db, accountId)).length === 0) return;
    throw mfaToken === undefined ? stepUpRequired() : signInExpired();
  }

  /** Whoever has a factor has recovery codes, so that losing it, or a text message that never comes, locks nobody out. */
  private async codesAfter(ctx: Ctx, accountId: string, added: Added): Promise<{ recoveryCodes?: string[] }> {
    const isNeeded = added.renewsRecoveryCodes === true || (await this.recoveryCodes.unused(ctx.db, accountId)) === 0;
    if (!isNeeded) return {};
    // Secrets that are shown leave a trace of their own.
    ctx.touch({ patientId: null, type: 'RecoveryCode', id: accountId });
    return { recoveryCodes: await this.recoveryCodes.renew(ctx, accountId) };
  }
}

/** The session that goes on: of whoever is signed in, none of whoever is in the middle of a sign-in. */
const sessionOf = (ctx: Ctx, { mfaToken }: Adding): string | null =>
  mfaToken === undefined ? (ctx.actor?.sessionId ?? null) : null;
