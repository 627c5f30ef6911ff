import { Body, Controller, Delete, Get, Param, Patch, Post, Query } from '@nestjs/common';
import { ReqCtx, type Ctx, type SignedIn } from '../../../platform/access/context.js';
import { Endpoint } from '../../../platform/access/endpoint.js';
import { IfMatch } from '../../../platform/http/if-match.js';
import { TokensView } from '../sessions/session.dto.js';
import { EnrolledView } from './factor.dto.js';
import {
  BeginPasskey,
  PasskeyChallengeView,
  PasskeyOptionsView,
  PasskeyParams,
  PasskeyQuery,
  PasskeyView,
  RegisterPasskey,
  RenamePasskey,
  SignInWithPasskey,
} from './passkey.dto.js';
import { PasskeyRegistration } from './passkey-registration.service.js';
import { PasskeySignIn } from './passkey-sign-in.service.js';
import { Passkeys } from './passkeys.service.js';

const STEP_UP_SECONDS = 300;

@Controller('v1/auth/passkeys')
export class PasskeyController {
  constructor(
    private readonly registration: PasskeyRegistration,
    private readonly signIn: PasskeySignIn,
    private readonly passkeys: Passkeys,
  ) {}

  @Post('registration/options')
  @Endpoint({
    action: 'enrol',
    subject: 'SecondFactor',
    access: 'mid-sign-in',
    stepUpSeconds: STEP_UP_SECONDS,
    summary: 'Set up a passkey: options for the browser',
    response: PasskeyOptionsView,
  })
  options(@ReqCtx() ctx: Ctx, @Body() input: BeginPasskey) {
    return this.registration.options(ctx, input);
  }

  @Post('registration')
  @Endpoint({
    action: 'confirm',
    subject: 'SecondFactor',
    access: 'mid-sign-in',
    summary: 'Set up a passkey: what the browser answered',
    response: EnrolledView,
  })
  register(@ReqCtx() ctx: Ctx, @Body() input: RegisterPasskey) {
    return this.registration.register(ctx, input);
  }

  @Post('sign-in/options')
  @Endpoint({
    action: 'challenge',
    subject: 'Session',
    access: 'public',
    summary: 'Begin a sign-in with nothing but a passkey',
    response: PasskeyChallengeView,
  })
  beginSignIn(@ReqCtx() ctx: Ctx) {
    return this.signIn.options(ctx);
  }

  @Post('sign-in')
  @Endpoint({
    action: 'login',
    subject: 'Session',
    access: 'public',
    summary: 'Sign in with a passkey',
    response: TokensView,
  })
  finishSignIn(@ReqCtx() ctx: Ctx, @Body() input: SignInWithPasskey) {
    return this.signIn.finish(ctx, input);
  }

  @Get()
  @Endpoint({
    action: 'list',
    subject: 'SecondFactor',
    summary: 'List own passkeys',
    response: PasskeyView,
    paged: true,
  })
  list(@ReqCtx() ctx: SignedIn, @Query() query: PasskeyQuery) {
    return this.passkeys.list(ctx, query);
  }

  @Get(':id')
  @Endpoint({ action: 'read', subject: 'SecondFactor', summary: 'Read one of the own passkeys', response: PasskeyView })
  get(@ReqCtx() ctx: SignedIn, @Param() { id }: PasskeyParams) {
    return this.passkeys.get(ctx, id);
  }

  @Patch(':id')
  @Endpoint({
    action: 'update',
    subject: 'SecondFactor',
    summary: 'Rename one of the own passkeys',
    response: PasskeyView,
    conditional: true,
  })
  rename(
    @ReqCtx() ctx: SignedIn,
    @Param() { id }: PasskeyParams,
    @IfMatch() version: number,
    @Body() { name }: RenamePasskey,
  ) {
    return this.passkeys.rename(ctx, id, version, name);
  }

  @Delete(':id')
  @Endpoint({
    action: 'delete',
    subject: 'SecondFactor',
    stepUpSeconds: STEP_UP_SECONDS,
    summary: 'Remove one of the own passkeys',
    response: null,
  })
  remove(@ReqCtx() ctx: SignedIn, @Param() { id }: PasskeyParams) {
    return this.passkeys.remove(ctx, id);
  }
}
