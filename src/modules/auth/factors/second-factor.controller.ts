import { Body, Controller, Delete, Post } from '@nestjs/common';
import { ReqCtx, type Ctx, type SignedIn } from '../../../platform/access/context.js';
import { Endpoint } from '../../../platform/access/endpoint.js';
import { AssuranceView, StepUp } from '../sessions/session.dto.js';
import { SignIn } from '../sign-in/sign-in.service.js';
import { TotpEnrolment } from './totp-enrolment.service.js';
import { ConfirmTotp, EnrolledView, EnrolTotp, TotpView } from './totp.dto.js';

const STEP_UP_SECONDS = 300;

@Controller('v1/auth')
export class SecondFactorController {
  constructor(
    private readonly enrolment: TotpEnrolment,
    private readonly signIn: SignIn,
  ) {}

  @Post('mfa/totp')
  @Endpoint({
    action: 'enrol',
    subject: 'SecondFactor',
    access: 'mid-sign-in',
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
    summary: 'Remove the own authenticator app (patients)',
    response: null,
  })
  remove(@ReqCtx() ctx: SignedIn) {
    return this.enrolment.remove(ctx);
  }

  @Post('step-up')
  @Endpoint({
    action: 'step-up',
    subject: 'Session',
    summary: 'Show the second factor again in the running session',
    response: AssuranceView,
  })
  stepUp(@ReqCtx() ctx: SignedIn, @Body() input: StepUp) {
    return this.signIn.stepUp(ctx, input);
  }
}
