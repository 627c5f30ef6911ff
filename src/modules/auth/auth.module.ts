import { Module, type OnModuleInit } from '@nestjs/common';
import { Events } from '../../platform/events/events.js';
import { AccountDisabled, AccountInvited, PatientInvited, RolesChanged, UsersModule } from '../users/index.js';
import { AccessTokens } from './sessions/access-tokens.js';
import { Attempts } from './throttling/attempts.js';
import { ActivationController } from './invitations/activation.controller.js';
import { PasswordController } from './passwords/password.controller.js';
import { SessionController } from './sessions/session.controller.js';
import { SignInController } from './sign-in/sign-in.controller.js';
import { Credentials } from './passwords/credentials.service.js';
import { Invitations } from './invitations/invitations.service.js';
import { JwtGuard } from './sessions/jwt.guard.js';
import { JwtStrategy } from './sessions/jwt.strategy.js';
import { LiveSessions } from './sessions/live-sessions.js';
import { Passwords } from './passwords/passwords.service.js';
import { RefreshTokens } from './sessions/refresh.service.js';
import { SecondFactorController } from './factors/second-factor.controller.js';
import { SecondFactors } from './factors/second-factors.js';
import { Secrets } from './secrets.js';
import { SessionEndings } from './sessions/session-endings.js';
import { SessionSweeper } from './sessions/session-sweeper.js';
import { Sessions } from './sessions/session.service.js';
import { SignIn } from './sign-in/sign-in.service.js';
import { SignIns } from './sign-in/sign-ins.js';
import { TotpEnrolment } from './factors/totp-enrolment.service.js';

@Module({
  imports: [UsersModule],
  controllers: [ActivationController, PasswordController, SecondFactorController, SessionController, SignInController],
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
