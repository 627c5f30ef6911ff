import { Body, Controller, Delete, Get, Post } from '@nestjs/common';
import { ReqCtx, type Ctx, type SignedIn } from '../../../platform/access/context.js';
import { Endpoint } from '../../../platform/access/endpoint.js';
import { StepUp, StepUpView } from '../sessions/session.dto.js';
import { SignIn } from '../sign-in/sign-in.service.js';
import { TotpEnrolment } from './totp-enrolment.service.js';
import { ChallengeView, EnrolledView, OwnFactorsView, RecoveryCodesView, StepUpChallenge } from './factor.dto.js';
import { OwnFactors } from './own-factors.service.js';
import { ConfirmSms, EnrolSms } from './sms.dto.js';
import { SmsEnrolment } from './sms-enrolment.service.js';
import { ConfirmTotp, EnrolTotp, TotpView } from './totp.dto.js';

const STEP_UP_SECONDS = 300;

@Controller('v1/auth')
export class SecondFactorController {
  constructor(
    private readonly own: OwnFactors,
    private readonly enrolment: TotpEnrolment,
    private readonly sms: SmsEnrolment,
    private readonly signIn: SignIn,
  ) {}

  @Get('mfa')
  @Endpoint({
    action: 'read',
    subject: 'SecondFactor',
    summary: 'What the caller holds: second factors and recovery codes',
    response: OwnFactorsView,
  })
  get(@ReqCtx() ctx: SignedIn) {
    return this.own.get(ctx);
  }

  @Post('mfa/recovery-codes')
  @Endpoint({
    action: 'create',
    subject: 'RecoveryCode',
    stepUpSeconds: STEP_UP_SECONDS,
    summary: 'Ten new recovery codes; the old ones are void',
    response: RecoveryCodesView,
  })
  renewRecoveryCodes(@ReqCtx() ctx: SignedIn) {
    return this.own.renewRecoveryCodes(ctx);
  }

  @Post('mfa/totp')
  @Endpoint({
    action: 'enrol',
    subject: 'SecondFactor',
    access: 'mid-sign-in',
    stepUpSeconds: STEP_UP_SECONDS,
    summary: 'Set up an authenticator app',
    response: TotpView,
  })
  enrol(@ReqCtx() ctx: Ctx, @Body() input: EnrolTotp) {
    return this.enrolment.begin(ctx, input);
  }

  @Post('mfa/totp/confirm')
  @Endpoint({
    action: 'confirm',
    subject: 'SecondFactor',
    access: 'mid-sign-in',
    summary: 'Confirm the app with its first code',
    response: EnrolledView,
  })
  confirm(@ReqCtx() ctx: Ctx, @Body() input: ConfirmTotp) {
    return this.enrolment.confirm(ctx, input);
  }

  @Delete('mfa/totp')
  @Endpoint({
    action: 'delete',
    subject: 'SecondFactor',
    stepUpSeconds: STEP_UP_SECONDS,
    summary: 'Remove the own authenticator app',
    response: null,
  })
  remove(@ReqCtx() ctx: SignedIn) {
    return this.enrolment.remove(ctx);
  }

  @Post('mfa/sms')
  @Endpoint({
    action: 'enrol',
    subject: 'SecondFactor',
    stepUpSeconds: STEP_UP_SECONDS,
    summary: 'Set up codes by text message, or change the number: sends a code there',
    response: ChallengeView,
  })
  enrolSms(@ReqCtx() ctx: SignedIn, @Body() input: EnrolSms) {
    return this.sms.begin(ctx, input);
  }

  @Post('mfa/sms/confirm')
  @Endpoint({
    action: 'confirm',
    subject: 'SecondFactor',
    summary: 'Confirm the number with the code that was sent there',
    response: EnrolledView,
  })
  confirmSms(@ReqCtx() ctx: SignedIn, @Body() input: ConfirmSms) {
    return this.sms.confirm(ctx, input);
  }

  @Delete('mfa/sms')
  @Endpoint({
    action: 'delete',
    subject: 'SecondFactor',
    stepUpSeconds: STEP_UP_SECONDS,
    summary: 'Give up codes by text message',
    response: null,
  })
  removeSms(@ReqCtx() ctx: SignedIn) {
    return this.sms.remove(ctx);
  }

  @Post('step-up/challenge')
  @Endpoint({
    action: 'challenge',
    subject: 'Session',
    summary: 'What is needed to show a second factor again: options for a passkey, or a code by text message',
    response: ChallengeView,
  })
  challengeStepUp(@ReqCtx() ctx: SignedIn, @Body() input: StepUpChallenge) {
    return this.signIn.challengeStepUp(ctx, input);
  }

  @Post('step-up')
  @Endpoint({
    action: 'step-up',
    subject: 'Session',
    summary: 'Show the second factor again in the running session',
    response: StepUpView,
  })
  stepUp(@ReqCtx() ctx: SignedIn, @Body() input: StepUp) {
    return this.signIn.stepUp(ctx, input);
  }
}
