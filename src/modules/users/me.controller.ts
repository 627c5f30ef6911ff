import { Body, Controller, Get, Patch } from '@nestjs/common';
import { ReqCtx, type SignedIn } from '../../platform/access/context.js';
import { Endpoint } from '../../platform/access/endpoint.js';
import { IfMatch } from '../../platform/http/if-match.js';
import { UpdateAccount } from './account.dto.js';
import { MeView, PermissionsView } from './me.dto.js';
import { MeService } from './me.service.js';

@Controller('v1/me')
export class MeController {
  constructor(private readonly me: MeService) {}

  @Get()
  @Endpoint({ action: 'read', subject: 'Self', summary: 'Own account', response: MeView })
  get(@ReqCtx() ctx: SignedIn): Promise<MeView> {
    return this.me.get(ctx);
  }

  @Patch()
  @Endpoint({
    action: 'update',
    subject: 'Self',
    summary: 'Change own name',
    response: MeView,
    conditional: true,
  })
  update(@ReqCtx() ctx: SignedIn, @IfMatch() version: number, @Body() input: UpdateAccount): Promise<MeView> {
    return this.me.update(ctx, version, input);
  }

  @Get('permissions')
  @Endpoint({
    action: 'read',
    subject: 'Self',
    summary: 'What the caller may do, for a front end',
    response: PermissionsView,
    work: 'none',
  })
  permissions(@ReqCtx() ctx: SignedIn): PermissionsView {
    return this.me.permissions(ctx);
  }
}
