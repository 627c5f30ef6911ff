import { Module, type OnModuleInit } from '@nestjs/common';
import { Events } from '../../platform/events/events.js';
import {
  AccountDisabled,
  AccountInvited,
  ChartEmailReplaced,
  EmailReplaced,
  RolesChanged,
  RolesOfManyChanged,
  UsersModule,
} from '../users/index.js';
import { ScimTokenController } from './clients/scim-token.controller.js';
import { ScimTokens } from './clients/scim-tokens.service.js';
import { AccessTokens } from './sessions/access-tokens.js';
import { Attempts } from './throttling/attempts.js';
import { ActivationController } from './invitations/activation.controller.js';
import { PasswordController } from './passwords/password.controller.js';
import { SessionController } from './sessions/session.controller.js';
import { SignInController } from './sign-in/sign-in.controller.js';
import { DeviceController } from './devices/device.controller.js';
import { ClientKeyController } from './clients/client-key.controller.js';
import { ClientKeys } from './clients/client-keys.service.js';
import { TokenController } from './clients/token.controller.js';
import { ClientTokens } from './clients/token.service.js';
import { ExpiryReminders } from './clients/expiry-reminders.js';
import { MachineNotices } from './clients/machine-notices.js';
import { Devices } from './devices/devices.service.js';
import { Blocklist } from './passwords/blocklist.js';
import { BreachCheck } from './passwords/breach-check.js';
import { Credentials } from './passwords/credentials.service.js';
import { PasswordRules } from './passwords/password-rules.service.js';
import { ActivationLetters } from './invitations/activation-letters.js';
import { InvitationController } from './invitations/invitation.controller.js';
import { InvitationService } from './invitations/invitation.service.js';
import { Invitations } from './invitations/invitations.service.js';
import { JwtGuard } from './sessions/jwt.guard.js';
import { JwtStrategy } from './sessions/jwt.strategy.js';
import { LiveSessions } from './sessions/live-sessions.js';
import { OwnPassword } from './passwords/own-password.service.js';
import { Passwords } from './passwords/passwords.service.js';
import { RefreshTokens } from './sessions/refresh.service.js';
import { SecondFactorController } from './factors/second-factor.controller.js';
import { Challenges } from './factors/challenges.js';
import { FactorChanges } from './factors/factor-changes.service.js';
import { FactorHolders } from './factors/factor-holders.js';
import { OwnFactors } from './factors/own-factors.service.js';
import { PasskeyAssertions } from './factors/passkey-assertions.service.js';
import { PasskeyController } from './factors/passkey.controller.js';
import { PasskeyFactor } from './factors/passkey.factor.js';
import { PasskeyRegistration } from './factors/passkey-registration.service.js';
import { PasskeyRepository } from './factors/passkey.repository.js';
import { PasskeySignIn } from './factors/passkey-sign-in.service.js';
import { Passkeys } from './factors/passkeys.service.js';
import { Quotas } from './factors/quotas.js';
import { RelyingParty } from './factors/relying-party.js';
import { SmsCodes } from './factors/sms-codes.service.js';
import { SmsEnrolment } from './factors/sms-enrolment.service.js';
import { SmsFactor } from './factors/sms.factor.js';
import { FactorPolicy } from './factors/factor-policy.js';
import { Factors } from './factors/factors.service.js';
import { RecoveryCodes } from './factors/recovery-codes.factor.js';
import { Secrets } from './secrets.js';
import { AccountSessionsController } from './sessions/account-sessions.controller.js';
import { ActivityController } from './sessions/activity.controller.js';
import { JwksController } from './sessions/jwks.controller.js';
import { Places } from './sessions/places.js';
import { CsrfGuard, CsrfTokens } from './sessions/csrf.js';
import { SecurityEvents } from './sessions/security-events.js';
import { SessionEndings } from './sessions/session-endings.js';
import { RoleBoundaries } from './sessions/role-boundaries.js';
import { SessionSweeper } from './sessions/session-sweeper.js';
import { Sessions } from './sessions/session.service.js';
import { SignIn } from './sign-in/sign-in.service.js';
import { SignInMetrics } from './sign-in/sign-in-metrics.js';
import { SignIns } from './sign-in/sign-ins.js';
import { UnfinishedSignIns } from './sign-in/unfinished-sign-ins.js';
import { TotpEnrolment } from './factors/totp-enrolment.service.js';
import { TotpFactor } from './factors/totp.factor.js';
import { AccountLinksController } from './sso/account-links.controller.js';
import { AccountLinks } from './sso/account-links.service.js';
import { FederatedIdentities } from './sso/federated-identities.js';
import { IdentityProviders } from './sso/identity-providers.js';
import { OrphanedRoles } from './sso/orphaned-roles.js';
import { ProviderLogouts } from './sso/provider-logouts.js';
import { ProvisionedPeople } from './sso/provisioned-people.js';
import { SsoCodes } from './sso/sso-codes.js';
import { SsoController } from './sso/sso.controller.js';
import { SsoFlows } from './sso/sso-flows.js';
import { SsoLinks } from './sso/sso-links.service.js';
import { SsoLogouts } from './sso/sso-logouts.service.js';
import { SsoSignIn } from './sso/sso-sign-in.service.js';
import { AccountResetController } from './recovery/account-reset.controller.js';
import { AccountResetRepository } from './recovery/account-reset.repository.js';
import { AccountResets } from './recovery/account-resets.service.js';
import { Addresses } from './recovery/addresses.js';
import { EmailController } from './recovery/email.controller.js';
import { Emails } from './recovery/email.service.js';
import { FactorResets } from './recovery/factor-resets.js';
import { Forgotten } from './recovery/forgotten.service.js';
import { LostFactor } from './recovery/lost-factor.service.js';
import { Notices } from './recovery/notices.js';
import { PasswordReset } from './recovery/password-reset.service.js';
import { PasswordResets } from './recovery/password-resets.js';
import { RecoveryController } from './recovery/recovery.controller.js';
import { RecoveryMails } from './recovery/recovery-mails.js';

@Module({
  imports: [UsersModule],
  controllers: [
    AccountLinksController,
    AccountResetController,
    ActivationController,
    AccountSessionsController,
    ActivityController,
    ClientKeyController,
    DeviceController,
    EmailController,
    InvitationController,
    JwksController,
    PasskeyController,
    PasswordController,
    RecoveryController,
    ScimTokenController,
    SecondFactorController,
    SessionController,
    SignInController,
    SsoController,
    TokenController,
  ],
  providers: [
    AccessTokens,
    AccountLinks,
    AccountResetRepository,
    AccountResets,
    Addresses,
    Emails,
    FactorResets,
    Forgotten,
    LostFactor,
    PasswordReset,
    PasswordResets,
    RecoveryMails,
    Attempts,
    CsrfGuard,
    CsrfTokens,
    Blocklist,
    BreachCheck,
    ClientKeys,
    ClientTokens,
    ExpiryReminders,
    MachineNotices,
    Credentials,
    Devices,
    Challenges,
    FactorChanges,
    FactorHolders,
    FactorPolicy,
    Factors,
    OwnFactors,
    PasskeyAssertions,
    PasskeyFactor,
    PasskeyRegistration,
    PasskeyRepository,
    PasskeySignIn,
    Passkeys,
    Quotas,
    RelyingParty,
    SmsCodes,
    SmsEnrolment,
    SmsFactor,
    ActivationLetters,
    InvitationService,
    Invitations,
    JwtGuard,
    JwtStrategy,
    LiveSessions,
    Notices,
    PasswordRules,
    OwnPassword,
    Passwords,
    Places,
    SecurityEvents,
    RefreshTokens,
    RecoveryCodes,
    ScimTokens,
    Secrets,
    SessionEndings,
    RoleBoundaries,
    SessionSweeper,
    Sessions,
    SignIn,
    SignInMetrics,
    SignIns,
    UnfinishedSignIns,
    FederatedIdentities,
    IdentityProviders,
    OrphanedRoles,
    ProviderLogouts,
    ProvisionedPeople,
    SsoCodes,
    SsoFlows,
    SsoLinks,
    SsoLogouts,
    SsoSignIn,
    TotpEnrolment,
    TotpFactor,
  ],
  exports: [CsrfGuard, JwtGuard, Invitations],
})
export class AuthModule implements OnModuleInit {
  constructor(
    private readonly events: Events,
    private readonly invitations: Invitations,
    private readonly endings: SessionEndings,
    private readonly emails: Emails,
  ) {}

  /** In the transaction of what happened: an account is never disabled with a session left, nor invited without a code. */
  onModuleInit(): void {
    this.events.on(AccountInvited, (ctx, { accountId, email }) => this.invitations.invite(ctx, { accountId }, email));
    this.events.on(EmailReplaced, (ctx, { accountId, from, to }) =>
      this.emails.replacedByDirectory(ctx, accountId, { from, to }),
    );
    this.events.on(ChartEmailReplaced, (ctx, { from }) => this.invitations.tell(ctx, from, 'replaced'));
    this.events.on(
      AccountDisabled,
      async (ctx, { accountId }) => void (await this.endings.endAll(ctx, accountId, 'disabled')),
    );
    this.events.on(
      RolesChanged,
      async (ctx, { accountId }) => void (await this.endings.endAll(ctx, accountId, 'roles-changed')),
    );
    this.events.on(RolesOfManyChanged, (ctx, { accountIds }) =>
      this.endings.endAllOf(ctx, accountIds, 'roles-changed'),
    );
  }
}
