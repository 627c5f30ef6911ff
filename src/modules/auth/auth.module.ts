import { Module, type OnModuleInit } from '@nestjs/common';
import { Events } from '../../platform/events/events.js';
import { AccountDisabled, AccountInvited, PatientInvited, RolesChanged, UsersModule } from '../users/index.js';
import { AccessTokens } from './access-tokens.js';
import { Attempts } from './attempts.js';
import { AuthController } from './auth.controller.js';
import { Credentials } from './credentials.service.js';
import { Invitations } from './invitations.service.js';
import { JwtGuard } from './jwt.guard.js';
import { JwtStrategy } from './jwt.strategy.js';
import { LiveSessions } from './live-sessions.js';
import { Passwords } from './passwords.service.js';
import { RefreshTokens } from './refresh.service.js';
import { SecondFactorController } from './second-factor.controller.js';
import { SecondFactors } from './second-factors.js';
import { Secrets } from './secrets.js';
import { SessionEndings } from './session-endings.js';
import { SessionSweeper } from './session-sweeper.js';
import { Sessions } from './session.service.js';
import { SignIn } from './sign-in.service.js';
import { SignIns } from './sign-ins.js';
import { TotpEnrolment } from './totp-enrolment.service.js';

@Module({
  imports: [UsersModule],
  controllers: [AuthController, SecondFactorController],
  providers: [
    AccessTokens,
    Attempts,
    Credentials,
    Invitations,
    JwtGuard,
    JwtStrategy,
    LiveSessions,
    Passwords,
    RefreshTokens,
    SecondFactors,
    Secrets,
    SessionEndings,
    SessionSweeper,
    Sessions,
    SignIn,
    SignIns,
    TotpEnrolment,
  ],
  exports: [JwtGuard, Invitations],
})
export class AuthModule implements OnModuleInit {
  constructor(
    private readonly events: Events,
    private readonly invitations: Invitations,
    private readonly endings: SessionEndings,
  ) {}

  /** In the transaction of what happened: an account is never disabled with a session left, nor invited without a code. */
  onModuleInit(): void {
    this.events.on(AccountInvited, (ctx, { accountId, email }) => this.invitations.invite(ctx, { accountId }, email));
    this.events.on(PatientInvited, (ctx, { patientId, email }) =>
      this.invitations.invite(ctx, { patientId, email }, email),
    );
    this.events.on(AccountDisabled, (ctx, { accountId }) => this.endings.endAll(ctx, accountId, 'disabled'));
    this.events.on(RolesChanged, (ctx, { accountId }) => this.endings.endAll(ctx, accountId, 'roles-changed'));
  }
}
