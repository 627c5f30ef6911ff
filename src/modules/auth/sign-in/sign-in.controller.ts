import { Body, Controller, Post } from '@nestjs/common';
import { ReqCtx, type Ctx } from '../../../platform/access/context.js';
import { Endpoint } from '../../../platform/access/endpoint.js';
import { Login, TokensView, VerifySecondFactor } from '../sessions/session.dto.js';
import { ChallengeSecondFactor, ChallengeView } from '../factors/factor.dto.js';
import { SignIn } from './sign-in.service.js';

@Controller('v1/auth')
export class SignInController {
  constructor(private readonly signIn: SignIn) {}

  @Post('login')
  @Endpoint({
    action: 'login',
    subject: 'Session',
    access: 'public',
    summary: 'Sign in with username and password',
    response: TokensView,
  })
  login(@ReqCtx() ctx: Ctx, @Body() input: Login) {
    return this.signIn.login(ctx, input);
  }

  @Post('mfa/challenge')
  @Endpoint({
    action: 'challenge',
    subject: 'Session',
    access: 'public',
    summary: 'What is needed to show the second factor: options for a passkey, or a code by text message',
    response: ChallengeView,
  })
  challenge(@ReqCtx() ctx: Ctx, @Body() input: ChallengeSecondFactor) {
    return this.signIn.challenge(ctx, input);
  }

  @Post('mfa/verify')
  @Endpoint({
    action: 'verify',
    subject: 'Session',
    access: 'public',
    summary: 'Finish a sign-in with the second factor',
    response: TokensView,
  })
  verify(@ReqCtx() ctx: Ctx, @Body() input: VerifySecondFactor) {
    return this.signIn.verify(ctx, input);
  }
}
